"""Two processes may want the same folder at once; each finds it whole."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from gatefront.trainer.checkpoints.atomic_folder import obtain_folder


def is_intact(folder: Path) -> bool:
    return (folder / "content").is_file() and (folder / "content").read_text() == "whole"


def write_whole(folder: Path) -> None:
    (folder / "content").write_text("whole")


def test_built_once(tmp_path: Path) -> None:
    built: list[Path] = []

    def build(folder: Path) -> None:
        built.append(folder)
        write_whole(folder)

    folder = tmp_path / "a" / "b"
    assert not obtain_folder(folder, is_intact=is_intact, build=build)
    assert obtain_folder(folder, is_intact=is_intact, build=build)
    assert len(built) == 1
    assert [path.name for path in folder.parent.iterdir()] == ["b"]


def test_damaged_folder_is_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "b"
    folder.mkdir()
    (folder / "content").write_text("half")
    obtain_folder(folder, is_intact=is_intact, build=write_whole)
    assert is_intact(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


def test_failed_build_leaves_nothing(tmp_path: Path) -> None:
    def build(folder: Path) -> None:
        (folder / "content").write_text("half")
        raise RuntimeError("disk full")

    with pytest.raises(RuntimeError, match="disk full"):
        obtain_folder(tmp_path / "b", is_intact=is_intact, build=build)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("damaged", [False, True])
@pytest.mark.parametrize("repetition", range(20))
def test_race(tmp_path: Path, damaged: bool, repetition: int) -> None:
    folder, racers = tmp_path / "b", 8
    if damaged:
        folder.mkdir()
    barrier = Barrier(racers)

    def build(fresh: Path) -> None:
        barrier.wait(timeout=30)  # all are building before any has finished
        write_whole(fresh)

    with ThreadPoolExecutor(racers) as pool:
        futures = [pool.submit(obtain_folder, folder, is_intact=is_intact, build=build) for _ in range(racers)]
        assert [future.result() for future in futures] == [False] * racers
    assert is_intact(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


def test_intact_folder_is_never_replaced(tmp_path: Path) -> None:
    """Somebody may be reading it: the slower of two builders throws its own work away."""
    folder = tmp_path / "b"

    def build_slowly(fresh: Path) -> None:
        obtain_folder(folder, is_intact=is_intact, build=write_whole)
        (fresh / "content").write_text("whole")
        (fresh / "late").touch()

    obtain_folder(folder, is_intact=is_intact, build=build_slowly)
    assert not (folder / "late").exists()
