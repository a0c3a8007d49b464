"""Ray's folders of killed drivers are removed, and nobody else's."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from gatefront.search.driver.ray_backend.temp_dir import ray_folder, remove_left_behind
from gatefront.search.storage.process_identity import process_identity

# This process's number, of one that began at another time: it is gone.
DEAD = f"{process_identity()}0"


@pytest.fixture
def base(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A short one: sockets lie in it."""
    found = Path(tempfile.mkdtemp(prefix="gft", dir="/tmp"))
    monkeypatch.setattr(tempfile, "tempdir", str(found))
    yield found
    shutil.rmtree(found)


def folder_of(base: Path, name: str, driver: str | None) -> Path:
    folder = base / name
    (folder / "session_1" / "logs").mkdir(parents=True)
    if driver is not None:
        (folder / "driver.txt").write_text(driver)
    return folder


def test_a_killed_drivers_folder_goes_when_the_next_one_begins(base: Path) -> None:
    left = folder_of(base, "gf1234", DEAD)
    with ray_folder() as folder:
        assert not left.exists()
        assert list(base.iterdir()) == [folder]
        # Another driver that begins meanwhile.
        with ray_folder() as other:
            assert folder.exists()
            assert other != folder
    assert list(base.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "driver"),
    [
        ("gf1234", process_identity()),
        ("gf1234", f"elsewhere/{DEAD.partition('/')[2]}"),
        ("gf1234", None),
        ("gf1234", ""),
        ("gf1234", "no identity"),
        ("gf1234", "a/b/c/d"),
        ("ray", DEAD),
    ],
    ids=["alive", "of another host", "not ours", "empty", "of one part", "no number", "another name"],
)
def test_what_may_have_an_owner_stays(base: Path, name: str, driver: str | None) -> None:
    folder = folder_of(base, name, driver)
    remove_left_behind(base)
    assert (folder / "session_1" / "logs").is_dir()


def test_links_files_and_other_users_folders_stay(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = folder_of(tmp_path, "target", DEAD)
    (base / "gflink").symlink_to(target)
    (base / "gfdangling").symlink_to(tmp_path / "nowhere")
    (base / "gffile").write_text(DEAD)
    remove_left_behind(base)
    assert target.is_dir()
    assert len(list(base.iterdir())) == 3
    theirs = folder_of(base, "gf1234", DEAD)
    monkeypatch.setattr(os, "getuid", lambda: os.geteuid() + 1)
    remove_left_behind(base)
    assert theirs.is_dir()
