"""Ray on a busy machine: a start that was too slow is tried again, and what is wrong otherwise is told at once."""

from pathlib import Path
from typing import Any

import pytest

from gatefront.search.driver.ray_backend.cluster import start_ray
from gatefront.search.errors import DriverFailedError

TOO_SLOW = Exception("The current node timed out during startup. This could happen because some of the raylet failed.")


class Starts:
    """Stands in for ``ray.init``: raises what it was given, one after the other, then starts."""

    def __init__(self, *errors: Exception) -> None:
        self._errors = list(errors)
        self.asked: list[dict[str, Any]] = []

    def __call__(self, **asked: Any) -> None:
        self.asked.append(asked)
        if self._errors:
            raise self._errors.pop(0)


@pytest.mark.parametrize("num_slow", [0, 1, 2])
def test_a_slow_start_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, num_slow: int) -> None:
    starts = Starts(*[TOO_SLOW] * num_slow)
    monkeypatch.setattr("gatefront.search.driver.ray_backend.cluster.ray.init", starts)
    start_ray(tmp_path, num_cpus=3)
    assert len(starts.asked) == num_slow + 1
    assert all(asked == starts.asked[0] for asked in starts.asked)
    assert (starts.asked[0]["num_cpus"], starts.asked[0]["_temp_dir"]) == (3, str(tmp_path))


def test_a_machine_that_stays_too_slow_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    starts = Starts(*[TOO_SLOW] * 9)
    monkeypatch.setattr("gatefront.search.driver.ray_backend.cluster.ray.init", starts)
    with pytest.raises(DriverFailedError, match="did not start on this machine in 3 tries"):
        start_ray(tmp_path, num_cpus=1)
    assert len(starts.asked) == 3


def test_other_errors_are_not_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    starts = Starts(ConnectionError("no port is free"))
    monkeypatch.setattr("gatefront.search.driver.ray_backend.cluster.ray.init", starts)
    with pytest.raises(ConnectionError, match="no port"):
        start_ray(tmp_path, num_cpus=1)
    assert len(starts.asked) == 1
