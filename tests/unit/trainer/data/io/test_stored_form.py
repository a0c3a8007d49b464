"""Pictures whose numbers a file's form changes: refused by name where the numbers count, never read as others."""

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from gatefront.trainer.data import DataError
from gatefront.trainer.data.io.decode import read_picture, read_rgb, read_yes_or_no

LABELS = np.array([[0, 1, 2], [2, 0, 1]])
_SHORT, _LONG = 3, 4
_HEADER = 8


def write_tiff(path: Path, numbers: NDArray[Any], *, photometric: int, planar: int = 1, sample_format: int = 1) -> None:
    """Write an uncompressed TIFF of any form, of which Pillow writes only some."""
    height, width = numbers.shape[:2]
    count, bits = numbers[0, 0].size, 8 * numbers.dtype.itemsize
    planes = [numbers] if planar == 1 else list(np.moveaxis(numbers, -1, 0))
    pixels = [np.ascontiguousarray(plane).tobytes() for plane in planes]
    tags: dict[int, tuple[int, list[int]]] = {
        256: (_LONG, [width]),
        257: (_LONG, [height]),
        258: (_SHORT, [bits] * count),
        259: (_SHORT, [1]),
        262: (_SHORT, [photometric]),
        273: (_LONG, [0] * len(pixels)),
        277: (_SHORT, [count]),
        278: (_LONG, [height]),
        279: (_LONG, [len(plane) for plane in pixels]),
        284: (_SHORT, [planar]),
        339: (_SHORT, [sample_format] * count),
    }
    end_of_tags = _HEADER + 2 + 12 * len(tags) + 4
    long_values = sum(4 * len(values) for _, values in tags.values() if len(values) > 1)
    tags[273] = (_LONG, [end_of_tags + long_values + len(b"".join(pixels[:number])) for number in range(len(pixels))])
    entries, beside = b"", b""
    for tag, (kind, values) in tags.items():
        packed = struct.pack(f"<{len(values)}{'H' if kind == _SHORT else 'I'}", *values).ljust(4, b"\0")
        if len(packed) > 4:
            packed, beside = struct.pack("<I", end_of_tags + len(beside)), beside + packed.ljust(4 * len(values), b"\0")
        entries += struct.pack("<HHI", tag, kind, len(values)) + packed
    start = struct.pack("<2sHIH", b"II", 42, _HEADER, len(tags))
    path.write_bytes(start + entries + bytes(4) + beside + b"".join(pixels))


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "JPEG2000"])
@pytest.mark.parametrize("num_channels", [1, 3])
def test_label_of_lossy_format_under_a_lossless_ending_is_refused(tmp_path: Path, kind: str, num_channels: int) -> None:
    picture = Image.new("L" if num_channels == 1 else "RGB", (32, 32))
    picture.save(tmp_path / "a.png", kind)
    with pytest.raises(DataError, match=rf"a\.png is compressed as {kind}, which changes the numbers of labels"):
        read_picture(tmp_path / "a.png", num_channels=num_channels)
    with pytest.raises(DataError, match=f"compressed as {kind}"):
        read_yes_or_no(tmp_path / "a.png")
    assert read_rgb(tmp_path / "a.png").shape == (3, 32, 32)


def test_label_of_lossy_tiff_is_refused_in_color_too(tmp_path: Path) -> None:
    Image.new("RGB", (32, 32)).save(tmp_path / "a.tif", compression="jpeg")
    with pytest.raises(DataError, match=r"a\.tif is compressed as JPEG"):
        read_picture(tmp_path / "a.tif", num_channels=3)


def test_label_that_is_called_jpg_is_what_it_says(tmp_path: Path) -> None:
    Image.new("RGB", (32, 32), (0, 128, 255)).save(tmp_path / "a.jpg", quality=100)
    assert np.abs(read_picture(tmp_path / "a.jpg", num_channels=3)[0, 0].astype(int) - (0, 128, 255)).max() <= 2


def test_tiff_of_usual_form_gives_its_numbers(tmp_path: Path) -> None:
    for dtype in (np.uint8, np.uint16, np.int32, np.float32):
        write_tiff(
            tmp_path / "a.tif",
            LABELS.astype(dtype),
            photometric=1,
            sample_format={"u": 1, "i": 2, "f": 3}[np.dtype(dtype).kind],
        )
        assert np.array_equal(read_picture(tmp_path / "a.tif", num_channels=1), LABELS)


@pytest.mark.parametrize(
    ("dtype", "photometric", "sample_format", "message"),
    [
        (np.uint8, 0, 1, "stores white as 0, so that its numbers are read the other way round"),
        (np.uint16, 0, 1, "is a TIFF of 16 bits that stores white as 0"),
        (np.int8, 1, 2, "has signed numbers of 8 bits, which are read as 0 to 255"),
    ],
)
def test_label_of_tiff_that_is_read_as_other_numbers_is_refused(
    tmp_path: Path, dtype: type, photometric: int, sample_format: int, message: str
) -> None:
    path = tmp_path / "a.tif"
    write_tiff(path, LABELS.astype(dtype), photometric=photometric, sample_format=sample_format)
    with pytest.raises(DataError, match=rf"a\.tif {message}"):
        read_picture(path, num_channels=1)


def test_image_of_tiff_whose_white_is_0_is_turned_round_or_refused(tmp_path: Path) -> None:
    write_tiff(tmp_path / "a.tif", LABELS.astype(np.uint8), photometric=0)
    assert np.array_equal(read_rgb(tmp_path / "a.tif")[0], 255 - LABELS)
    write_tiff(tmp_path / "b.tif", LABELS.astype(np.uint16), photometric=0)
    with pytest.raises(DataError, match=r"b\.tif is a TIFF of 16 bits that stores white as 0"):
        read_rgb(tmp_path / "b.tif")


def test_color_tiff_with_channels_one_after_the_other_is_exact_or_refused(tmp_path: Path) -> None:
    numbers = np.arange(18).reshape(2, 3, 3)
    write_tiff(tmp_path / "a.tif", numbers.astype(np.uint8), photometric=2, planar=2)
    assert np.array_equal(read_rgb(tmp_path / "a.tif").movedim(0, -1), numbers)
    write_tiff(tmp_path / "b.tif", (3000 * numbers).astype(np.uint16), photometric=2, planar=2)
    for read in (read_rgb, lambda path: read_picture(path, num_channels=3)):
        with pytest.raises(DataError, match="TIFF of 16 bits that stores its channels one after the other"):
            read(tmp_path / "b.tif")


def test_color_png_of_16_bits_with_one_transparent_color_is_refused(tmp_path: Path) -> None:
    numbers = np.arange(18).reshape(2, 3, 3) * 3000
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in numbers)

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    def write(transparent: tuple[int, int, int]) -> None:
        header = chunk(b"IHDR", struct.pack(">IIBBBBB", 3, 2, 16, 2, 0, 0, 0))
        color = chunk(b"tRNS", struct.pack(">HHH", *transparent))
        data = chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
        (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + header + color + data)

    write((9000, 12000, 15000))
    with pytest.raises(DataError, match=r"a\.png has transparent pixels \(16\.7 %\)"):
        read_rgb(tmp_path / "a.png")
    write((9000, 12000, 15001))
    assert np.array_equal(read_picture(tmp_path / "a.png", num_channels=3), numbers)
