"""A bundle from a service is unpacked into its folder, or not at all."""

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gatefront.search.bundle.file_names import OutputFolderError
from gatefront.search.service.client import Client, RemoteFailedError, RemoteRefusedError, pull_remote
from gatefront.search.service.client.download import unpack


class FakeClient:
    """A service whose bundle is ready after two looks."""

    def __init__(self, content: bytes, *, ends: str = "ready") -> None:
        self.content = content
        self.ends = ends
        self.looks = 0
        self.asked: Any = None

    def send(self, method: str, path: str, document: Any = None) -> Any:
        self.asked = document
        return {"id": "7", "state": "waiting", "step": "", "error": ""}

    def get(self, path: str) -> Any:
        self.looks += 1
        state = self.ends if self.looks == 2 else "packing"
        return {"id": "7", "state": state, "step": "exporting", "error": "the disk is full."}

    def download(self, path: str, file: Path, *, most_bytes: int) -> None:
        file.write_bytes(self.content)


def packed(*names: str, content: bytes = b"x") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in names:
            archive.writestr(name, content)
    return out.getvalue()


def pull(client: FakeClient, output: Path) -> Path:
    return pull_remote(client, "digits", {"trial": "1"}, output, look_s=0)  # type: ignore[arg-type]


def test_the_files_arrive(tmp_path: Path) -> None:
    client = FakeClient(packed("digits-1/model.onnx", "digits-1/README.md"))
    folder = pull(client, tmp_path / "out")
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "model.onnx"]
    assert client.asked == {"trial": "1"}
    with pytest.raises(OutputFolderError):
        pull(client, tmp_path / "out")


@pytest.mark.parametrize(
    "content",
    [
        packed("../evil"),
        packed("/etc/evil"),
        packed("a/../evil"),
        packed("a/.."),
        packed("a/b/c"),
        packed("file"),
        packed("a\\b/c"),
        packed("a/same", "b/same"),
        b"no zip",
        packed("a/b", content=b"y" * 1000)[:-40],
        b"",
    ],
)
def test_what_is_no_bundle_leaves_nothing(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(RemoteFailedError):
        pull(FakeClient(content), tmp_path / "inside" / "out")
    assert [path for path in tmp_path.rglob("*") if path.name != "inside"] == []


def test_a_failed_bundle_says_why(tmp_path: Path) -> None:
    with pytest.raises(RemoteFailedError, match="the disk is full"):
        pull(FakeClient(b"", ends="failed"), tmp_path / "out")


@given(st.binary(max_size=300), st.integers(0, 400), st.integers(0, 255))
@example(b"", 280, 255)  # a file that begins before the zip does
def test_broken_zips_are_refused(tmp_path_factory: pytest.TempPathFactory, junk: bytes, at: int, byte: int) -> None:
    content = bytearray(packed("a/b", "a/c", content=b"z" * 50))
    content[at % len(content)] = byte
    for candidate in (bytes(content), junk):
        folder = tmp_path_factory.mktemp("zip")
        (folder / "z").write_bytes(candidate)
        (folder / "out").mkdir()
        try:
            unpack(folder / "z", folder / "out")
        except RemoteFailedError:
            continue
        assert all(path.is_file() for path in (folder / "out").iterdir())


def test_more_than_allowed_is_not_unpacked(tmp_path: Path) -> None:
    (tmp_path / "z").write_bytes(packed("a/b", content=b"x" * 1001))
    with pytest.raises(RemoteFailedError, match="more than 1000"):
        unpack(tmp_path / "z", tmp_path, most_bytes=1000)


@pytest.mark.parametrize("url", ["", "gatefront", "ftp://a", "http://", "http://user:pw@host"])
def test_a_wrong_address_is_told(url: str) -> None:
    with pytest.raises(RemoteRefusedError, match="--server"):
        Client(url, {})
