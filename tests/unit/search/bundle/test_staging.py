"""Where a bundle goes: whole or not at all, over nothing that is there, and told in words where it cannot go."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from gatefront.search.bundle.file_names import OutputFolderError
from gatefront.search.bundle.staging import placing, require_free
from gatefront.trainer.checkpoints.disk_full import DiskFullError


def test_a_folder_appears_whole(tmp_path: Path) -> None:
    output = tmp_path / "new" / "best"
    with placing(output) as partial:
        (partial / "model.pt2").write_bytes(b"model")
        assert not output.exists()
    assert [path.name for path in output.iterdir()] == ["model.pt2"]
    assert [path.name for path in output.parent.iterdir()] == ["best"]


def test_nothing_appears_after_an_error(tmp_path: Path) -> None:
    def write_half() -> None:
        with placing(tmp_path / "best") as partial:
            (partial / "half").write_bytes(b"model")
            raise KeyError

    with pytest.raises(KeyError):
        write_half()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_use_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    for output in (tmp_path, tmp_path / "mine.txt"):
        with pytest.raises(OutputFolderError, match="not an empty folder"):
            require_free(output)
    require_free(tmp_path / "other")


def test_a_place_that_takes_no_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(OutputFolderError, match=r"mine\.txt/best cannot be written: Not a directory"):
        placing(tmp_path / "mine.txt" / "best").__enter__()


def test_a_full_disk_is_named_and_left_empty(
    tmp_path: Path, small_disk: Callable[[Path, str], AbstractContextManager[None]]
) -> None:
    with small_disk(tmp_path / "disk", "1m"):
        with (
            pytest.raises(DiskFullError, match=r"the disk of .*disk/\.best.* is full"),
            placing(tmp_path / "disk" / "best") as partial,
        ):
            (partial / "model.pt2").write_bytes(bytes(2**21))
        assert list((tmp_path / "disk").iterdir()) == []
