"""Checkpoint files: the newest whole one counts, also while another process that trains the same removes them."""

from pathlib import Path

import pytest

from gatefront.trainer.checkpoints.rotation import (
    add_checkpoint_file,
    checkpoint_files,
    open_undamaged,
    remove_checkpoint_files,
)


def add(path: Path, content: bytes) -> None:
    def write(fresh: Path) -> None:
        fresh.write_bytes(content)

    add_checkpoint_file(path, write)


def read(file: Path) -> bytes | None:
    opened = open_undamaged(file)
    if opened is None:
        return None
    with opened:
        return opened.read()


def test_newest_two_files_are_kept_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    for content in (b"one", b"two", b"three"):
        add(path, content)
    assert [read(file) for file in checkpoint_files(path)] == [b"three", b"two"]


@pytest.mark.parametrize("content", [b"", b"thre", b"three "])
def test_open_undamaged_of_changed_content_gives_none(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    add(path, b"three")
    (file,) = checkpoint_files(path)
    file.write_bytes(content)
    assert open_undamaged(file) is None


def test_file_removed_after_listing_gives_none(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    add(path, b"three")
    (file,) = checkpoint_files(path)
    remove_checkpoint_files(path)
    assert open_undamaged(file) is None


def test_file_removed_after_its_hash_was_taken_is_still_read(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    add(path, b"three")
    (file,) = checkpoint_files(path)
    opened = open_undamaged(file)
    remove_checkpoint_files(path)
    assert opened is not None
    with opened:
        assert opened.read() == b"three"


def test_name_without_number_and_hash_gives_none(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(b"three")
    assert open_undamaged(path) is None
    assert checkpoint_files(path) == []
