"""Whatever writes on a full disk says that the disk is full, leaves nothing behind, and works once there is room."""

import errno
import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest
import torch

from gatefront.trainer.checkpoints.atomic_file import replacing
from gatefront.trainer.checkpoints.atomic_folder import obtain_folder
from gatefront.trainer.checkpoints.checkpoint import save_state
from gatefront.trainer.checkpoints.disk_full import DiskFullError, noticing_full_disk
from gatefront.trainer.checkpoints.rotation import add_checkpoint_file, checkpoint_files

Write = Callable[[Path], None]
NUM_BYTES = 4 * 2**20


@pytest.fixture
def full(tmp_path: Path, small_disk: Callable[[Path, str], AbstractContextManager[None]]) -> Iterator[Path]:
    """A disk of 2 MiB."""
    folder = tmp_path / "disk"
    with small_disk(folder, "2m"):
        yield folder


def weights(folder: Path) -> None:
    save_state({"weights": torch.zeros(NUM_BYTES // 4)}, folder / "network.pt")


def checkpoint(folder: Path) -> None:
    state = {"weights": torch.zeros(NUM_BYTES // 4)}
    add_checkpoint_file(folder / "checkpoint.pt", lambda fresh: torch.save(state, fresh))


def text(folder: Path) -> None:
    with replacing(folder / "record.json") as fresh:
        fresh.write_text(json.dumps("x" * NUM_BYTES))


def arrays(folder: Path) -> None:
    def build(target: Path) -> None:
        np.save(target / "images.npy", np.zeros(NUM_BYTES, np.uint8))

    obtain_folder(folder / "data" / "digits", is_intact=lambda _: True, build=build)


@pytest.mark.parametrize("write", [weights, checkpoint, text, arrays], ids=lambda write: write.__name__)
def test_it_is_said_and_passes(full: Path, tmp_path: Path, write: Write) -> None:
    with pytest.raises(DiskFullError, match="is full"):
        write(full)
    assert [path for path in full.rglob("*") if path.is_file()] == []
    subprocess.run(["mount", "-o", "remount,size=16m", str(full)], check=True)
    write(full)
    (written,) = [path for path in full.rglob("*") if path.is_file()]
    assert written.stat().st_size >= NUM_BYTES


def test_what_was_there_stays(full: Path) -> None:
    save_state({"weights": torch.zeros(8)}, full / "network.pt")
    add_checkpoint_file(full / "checkpoint.pt", lambda fresh: torch.save({}, fresh))
    before = {path: path.read_bytes() for path in full.iterdir()}
    for write in (weights, checkpoint):
        with pytest.raises(DiskFullError):
            write(full)
    assert {path: path.read_bytes() for path in full.iterdir()} == before
    assert len(checkpoint_files(full / "checkpoint.pt")) == 1


@pytest.mark.parametrize(
    "error", [RuntimeError("shapes differ"), OSError(errno.EACCES, "denied"), ValueError("wrong"), KeyboardInterrupt()]
)
def test_other_errors_are_left_as_they_are(tmp_path: Path, error: BaseException) -> None:
    with pytest.raises(type(error)) as raised, noticing_full_disk(tmp_path / "not yet there"):
        raise error
    assert raised.value is error


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_full_further_down_is_noticed_once(tmp_path: Path, number: int) -> None:
    with pytest.raises(DiskFullError) as raised, noticing_full_disk(tmp_path), noticing_full_disk(tmp_path / "a"):
        raise OSError(number, "no room")
    assert raised.value.message == f"the disk of {tmp_path / 'a'} is full."
