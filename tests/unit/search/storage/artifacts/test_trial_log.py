"""A trial's log: kept beside its checkpoint, read from its end, bounded."""

import errno
import logging
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatefront.search.storage.artifacts.disk_usage import folder_bytes
from gatefront.search.storage.artifacts.trial_log import log_tail, worker_log


def test_what_layers_say_is_kept_over_attempts(tmp_path: Path) -> None:
    for attempt in (1, 2):
        with worker_log(tmp_path):
            logging.getLogger("gatefront.trainer.loop.train").info("attempt %d", attempt)
            logging.getLogger("elsewhere").warning("not ours")
    logging.getLogger("gatefront.trainer.loop.train").info("after the trial")
    lines = log_tail(tmp_path).splitlines()
    assert [line.rpartition("INFO ")[2] for line in lines] == ["attempt 1", "attempt 2"]


def test_levels_and_handlers_are_as_before(tmp_path: Path) -> None:
    logger = logging.getLogger("gatefront.search")
    level = logger.level
    with worker_log(tmp_path):
        during = len(logger.handlers)
    assert logger.level == level
    assert len(logger.handlers) < during


def test_a_failure_comes_last(tmp_path: Path) -> None:
    (tmp_path / "worker.log").write_text("epoch 1\n")
    (tmp_path / "failure.txt").write_text("Traceback\nValueError: NaN\n")
    assert log_tail(tmp_path).splitlines()[-1] == "ValueError: NaN"


def test_nothing_is_there_for_a_trial_elsewhere(tmp_path: Path) -> None:
    assert log_tail(tmp_path / "gone") == ""


@settings(max_examples=40)
@given(
    lines=st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\n\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029")))
)
def test_the_tail_is_whole_lines_from_the_end(tmp_path_factory: object, lines: list[str]) -> None:
    folder = Path(tmp_path_factory.mktemp("log"))  # type: ignore[attr-defined]
    text = "".join(f"{line}\n" for line in lines)
    (folder / "worker.log").write_bytes(text.encode())
    tail = log_tail(folder, max_bytes=64)
    assert text.endswith(tail)
    assert len(tail.encode()) <= 64
    assert tail.splitlines() == lines[len(lines) - len(tail.splitlines()) :]


def test_a_log_without_end_begins_again(tmp_path: Path) -> None:
    (tmp_path / "worker.log").write_bytes(b"x" * (1 << 20) + b"x")
    with worker_log(tmp_path):
        logging.getLogger("gatefront.search").info("again")
    assert "x" * 10 not in log_tail(tmp_path)


def test_bytes_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "one").write_bytes(b"12345")
    (tmp_path / "a" / "b" / "two").write_bytes(b"123")
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    assert folder_bytes(tmp_path) == 8
    assert folder_bytes(tmp_path / "nowhere") == 0


def test_a_log_on_a_full_disk_ends_no_trial(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "worker.log").symlink_to("/dev/full")
    with worker_log(tmp_path):
        logging.getLogger("gatefront.search").info("lost")
    # Logging itself says so, where it can still be read.
    assert "No space left on device" in capsys.readouterr().err


def test_a_log_that_finds_no_room_to_begin_ends_no_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def find_no_room(_self: logging.FileHandler) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(logging.FileHandler, "_open", find_no_room)
    with worker_log(tmp_path):
        logging.getLogger("gatefront.search").info("lost")
    assert log_tail(tmp_path) == ""
