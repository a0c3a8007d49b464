"""A drain is asked for once gently, twice firmly, or by the clock."""

from gatefront.search.driver.stop_request import Drain


def test_second_request_is_urgent() -> None:
    drain = Drain()
    assert not drain.is_requested
    drain.request("interrupted")
    assert drain.is_requested
    assert not drain.is_at_once
    drain.request("interrupted")
    assert drain.is_at_once
    assert drain.reason == "interrupted"


def test_another_reason_is_no_second_request() -> None:
    drain = Drain()
    drain.request_once("the disk is full")
    drain.request_once("the disk of another worker is full")
    assert (drain.reason, drain.is_at_once) == ("the disk is full", False)
    drain.request("interrupted")
    assert drain.is_at_once


def test_time_over_is_a_gentle_request() -> None:
    drain = Drain(max_seconds=0.0)
    assert drain.is_requested
    assert drain.is_requested
    assert not drain.is_at_once
    assert "time" in drain.reason
    assert not Drain(max_seconds=3600.0).is_requested


def test_cap_may_change_until_it_has_struck() -> None:
    now = [100.0]
    drain = Drain(max_seconds=10.0, clock=lambda: now[0])
    now[0] = 109.0
    drain.cap(30.0)
    now[0] = 129.0
    assert not drain.is_requested
    drain.cap(None)
    now[0] = 1e9
    assert not drain.is_requested
    drain.cap(5.0)
    assert drain.is_requested
    drain.cap(None)
    assert drain.is_requested
