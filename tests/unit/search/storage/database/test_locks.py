"""One process of a host at a time, and none that died keeps the others out."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gatefront.search.storage.database.locks import host_lock

HOLD = """
import sys
from gatefront.search.storage.database.locks import host_lock
with host_lock("t"):
    print("in", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)


def is_free(folder: Path) -> bool:
    (path,) = folder.glob("gatefront-*-t.lock")
    descriptor = os.open(path, os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def test_it_is_held_inside_and_free_behind_also_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(KeyError), host_lock("t"):
        raise KeyError
    assert is_free(tmp_path)
    with host_lock("t"), host_lock("another"):
        assert not is_free(tmp_path)


def test_another_process_waits_and_a_dead_one_lets_go(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "in\n"
    assert not is_free(tmp_path)
    holder.kill()
    holder.communicate()
    assert is_free(tmp_path)
