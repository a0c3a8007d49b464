"""A drain is asked for once gently, twice firmly, or by the clock."""

from gatefront.search.driver.stop_request import StopRequest


def test_second_request_is_urgent() -> None:
    stop_request = StopRequest()
    assert not stop_request.is_requested
    stop_request.request("interrupted")
    assert stop_request.is_requested
    assert not stop_request.is_at_once
    stop_request.request("interrupted")
    assert stop_request.is_at_once
    assert stop_request.reason == "interrupted"


def test_another_reason_is_no_second_request() -> None:
    stop_request = StopRequest()
    stop_request.request_once("the disk is full")
    stop_request.request_once("the disk of another worker is full")
    assert (stop_request.reason, stop_request.is_at_once) == ("the disk is full", False)
    stop_request.request("interrupted")
    assert stop_request.is_at_once


def test_time_over_is_a_gentle_request() -> None:
    stop_request = StopRequest(max_seconds=0.0)
    assert stop_request.is_requested
    assert stop_request.is_requested
    assert not stop_request.is_at_once
    assert "time" in stop_request.reason
    assert not StopRequest(max_seconds=3600.0).is_requested


def test_cap_may_change_until_it_has_struck() -> None:
    now = [100.0]
    stop_request = StopRequest(max_seconds=10.0, clock=lambda: now[0])
    now[0] = 109.0
    stop_request.cap(30.0)
    now[0] = 129.0
    assert not stop_request.is_requested
    stop_request.cap(None)
    now[0] = 1e9
    assert not stop_request.is_requested
    stop_request.cap(5.0)
    assert stop_request.is_requested
    stop_request.cap(None)
    assert stop_request.is_requested
