"""Files in MNIST's IDX format: plain and compressed ones are the same, and broken ones are explained."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from gatefront.trainer.data import DataError
from gatefront.trainer.data.io.idx_file import find_idx, read_idx

PICTURES = np.arange(24, dtype=np.uint8).reshape(4, 2, 3)
CONTENT = bytes.fromhex("00000803 00000004 00000002 00000003") + PICTURES.tobytes()


def test_read_idx_plain_and_compressed_files_are_the_same(tmp_path: Path) -> None:
    (tmp_path / "images").write_bytes(CONTENT)
    assert np.array_equal(read_idx(tmp_path / "images", num_axes=3), PICTURES)
    (tmp_path / "images.gz").write_bytes(gzip.compress(CONTENT))
    assert np.array_equal(read_idx(tmp_path / "images.gz", num_axes=3), PICTURES)


def test_read_idx_one_axis_is_a_list_of_classes(tmp_path: Path) -> None:
    (tmp_path / "labels").write_bytes(bytes.fromhex("00000801 00000003 070209"))
    assert read_idx(tmp_path / "labels", num_axes=1).tolist() == [7, 2, 9]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"its magic number is not 00000803 \(found nothing\)"),
        (bytes.fromhex("00000801") + CONTENT[4:], r"magic number is not 00000803 \(found 00000801\)\. Give the IDX"),
        (bytes.fromhex("00000d03") + CONTENT[4:], r"magic number is not 00000803 \(found 00000d03\)"),
        (CONTENT[:9], r"must have a whole header \(found 0 bytes\)"),
        (CONTENT[:-5], r"must have 24 bytes behind its header \(found 19 bytes\)\. Copy the file again"),
        (CONTENT + b"\0", r"must have 24 bytes behind its header \(found 25 bytes\)"),
    ],
)
@pytest.mark.parametrize("is_compressed", [False, True], ids=["plain", "gzip"])
def test_read_idx_broken_files_are_explained(tmp_path: Path, content: bytes, message: str, is_compressed: bool) -> None:
    path = tmp_path / ("images.gz" if is_compressed else "images")
    path.write_bytes(gzip.compress(content) if is_compressed else content)
    with pytest.raises(DataError, match=message) as caught:
        read_idx(path, num_axes=3)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("spoil", [lambda packed: packed[:-9], lambda packed: b"BZ" + packed[2:]], ids=["cut", "other"])
def test_read_idx_broken_compression_is_explained(tmp_path: Path, spoil: object) -> None:
    (tmp_path / "images.gz").write_bytes(spoil(gzip.compress(CONTENT)))  # type: ignore[operator]
    with pytest.raises(DataError, match=r"Cannot read .*images\.gz: .*Copy the file again"):
        read_idx(tmp_path / "images.gz", num_axes=3)


def test_find_idx_takes_the_plain_file_first(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"found neither images nor images\.gz"):
        find_idx(tmp_path, "images")
    (tmp_path / "images.gz").touch()
    assert find_idx(tmp_path, "images").name == "images.gz"
    (tmp_path / "images").touch()
    assert find_idx(tmp_path, "images").name == "images"
