"""Pictures of every mode and depth, as images and as labels, against values written out."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import ExifTags, Image

from gatefront.trainer.data import DataError
from gatefront.trainer.data.io.decode import as_vectors, read_array, read_picture, read_rgb, read_yes_or_no
from gatefront.trainer.data.io.picture_file import upright_size

GREY = np.array([[0, 51, 255], [102, 153, 204]], np.uint8)
PALETTE = [0, 0, 0, 255, 0, 51, 0, 255, 102]


def png_of_words(path: Path, numbers: NDArray[Any], color_type: int) -> None:
    """A PNG of 16 bits per channel, which Pillow writes of grey only."""
    height, width = numbers.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in numbers)

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, color_type, 0, 0, 0))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def with_alpha(mode: str, alpha: int) -> Image.Image:
    image = Image.fromarray(GREY).convert(mode)
    image.putalpha(alpha)
    return image


def of_palette() -> Image.Image:
    image = Image.fromarray(np.array([[0, 1, 2]], np.uint8)).convert("P")
    image.putdata([0, 1, 2])
    image.putpalette(PALETTE)
    return image


def grey(*values: float) -> list[list[float]]:
    return [[value] * 3 for value in values]


# The picture, the ending of its file, and the colors of its first row in [0, 1].
IMAGES: dict[str, tuple[Image.Image, str, list[list[float]]]] = {
    "RGB": (Image.new("RGB", (1, 1), (255, 0, 51)), "png", [[1.0, 0.0, 0.2]]),
    "grey of 8 bits": (Image.fromarray(GREY), "png", grey(0, 0.2, 1)),
    "black and white": (Image.fromarray(GREY > 100), "png", grey(0, 0, 1)),
    "palette": (of_palette(), "png", [[0, 0, 0], [1, 0, 0.2], [0, 1, 0.4]]),
    "opaque alpha": (with_alpha("RGB", 255), "png", grey(0, 0.2, 1)),
    "grey with opaque alpha": (with_alpha("L", 255), "png", grey(0, 0.2, 1)),
    "CMYK": (Image.new("CMYK", (1, 1), (0, 255, 204, 0)), "tif", [[1.0, 0.0, 0.2]]),
    "grey of 16 bits": (
        Image.fromarray(np.array([[0, 300, 13107, 65535]], np.uint16)), "png", grey(0, 300 / 65535, 0.2, 1)
    ),
    "grey of 16 bits in TIFF": (Image.fromarray(np.array([[0, 13107, 65535]], np.uint16)), "tif", grey(0, 0.2, 1)),
    "real numbers": (Image.fromarray(np.array([[0, 0.2, 1]], np.float32)), "tif", grey(0, 0.2, 1)),
}  # fmt: skip


@pytest.mark.parametrize("name", IMAGES)
def test_read_rgb_every_mode_gives_its_colors(tmp_path: Path, name: str) -> None:
    picture, ending, first_row = IMAGES[name]
    path = tmp_path / f"a.{ending}"
    picture.save(path)
    image = read_rgb(path)
    assert image.shape == (3, picture.height, picture.width)
    scaled = image / 255 if image.dtype == torch.uint8 else image
    torch.testing.assert_close(scaled[:, 0].T, torch.tensor(first_row, dtype=torch.float32), rtol=0, atol=1e-6)


@pytest.mark.parametrize(("color_type", "channels"), [(2, 3), (6, 4)])
def test_read_rgb_color_of_16_bits_keeps_all_of_them(tmp_path: Path, color_type: int, channels: int) -> None:
    numbers = np.random.default_rng(0).integers(0, 65536, (4, 5, channels))
    numbers[..., 3:] = 65535
    png_of_words(tmp_path / "a.png", numbers, color_type)
    expected = torch.from_numpy(numbers[..., :3] / 65535).float().movedim(-1, 0)
    torch.testing.assert_close(read_rgb(tmp_path / "a.png"), expected, rtol=0, atol=1e-7)
    assert np.array_equal(read_picture(tmp_path / "a.png", num_channels=3), numbers[..., :3])


def save_frames(path: Path) -> None:
    Image.new("L", (2, 2)).save(path, save_all=True, append_images=[Image.new("L", (2, 2), 9)])


REFUSED: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "transparent": ("png", lambda path: with_alpha("RGB", 9).save(path), r"transparent pixels \(100 %\)"),
    "transparent palette": ("png", lambda path: of_palette().save(path, transparency=1), "33.3 %"),
    "transparent grey of 16 bits": (
        "png",
        lambda path: Image.fromarray(np.array([[7, 9]], np.uint16)).save(path, transparency=9),
        "50 %",
    ),
    "whole numbers of 32 bits": (
        "tif",
        lambda path: Image.fromarray(np.array([[0, 70000]], np.int32)).save(path),
        "mode I, which has no known black and white",
    ),
    "real numbers above 1": (
        "tif",
        lambda path: Image.fromarray(np.array([[0, 255]], np.float32)).save(path),
        "real numbers from 0 to 255, expected 0 to 1",
    ),
    "LAB": ("tif", lambda path: Image.new("LAB", (2, 2)).save(path), "mode LAB"),
    "several pages": ("tif", save_frames, "2 frames or pages"),
    "grey and alpha of 16 bits": (
        "png",
        lambda path: png_of_words(path, np.full((2, 2, 2), 65535), 4),
        "16 bits per channel in a form of which only 8 can be read",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_read_rgb_undefined_colors_are_refused(tmp_path: Path, name: str) -> None:
    ending, write, message = REFUSED[name]
    write(tmp_path / f"a.{ending}")
    with pytest.raises(DataError, match=rf"a\.{ending} .*{message}"):
        read_rgb(tmp_path / f"a.{ending}")


# What each EXIF orientation makes of the rows 012 / 345.
UPRIGHT = {
    1: ["012", "345"], 2: ["210", "543"], 3: ["543", "210"], 4: ["345", "012"],
    5: ["03", "14", "25"], 6: ["30", "41", "52"], 7: ["52", "41", "30"], 8: ["25", "14", "03"],
}  # fmt: skip


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("ending", ["png", "tif", "webp", "jpg"])
def test_read_rgb_and_read_picture_turn_alike(tmp_path: Path, orientation: int, ending: str) -> None:
    expected = np.array([[40 * int(digit) for digit in row] for row in UPRIGHT[orientation]])
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    stored = Image.fromarray(np.array([[0, 40, 80], [120, 160, 200]], np.uint8))
    path = tmp_path / f"a.{ending}"
    # Whole blocks of 16 pixels, as a JPEG cannot keep single ones.
    stored.convert("RGB").resize((48, 32), Image.Resampling.NEAREST).save(path, exif=exif, lossless=True, quality=100)
    assert upright_size(path) == read_rgb(path).shape[-2:]
    assert np.abs(read_rgb(path)[0, 8::16, 8::16].numpy().astype(int) - expected).max() <= 2
    if ending in ("png", "tif"):
        stored.save(path, exif=exif)
        assert np.array_equal(read_picture(path, num_channels=1), expected)


def test_read_rgb_color_of_16_bits_is_turned(tmp_path: Path) -> None:
    numbers = np.arange(18).reshape(2, 3, 3) * 3000
    png_of_words(tmp_path / "a.png", numbers, 2)
    plain = read_rgb(tmp_path / "a.png")
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    content, block = (tmp_path / "a.png").read_bytes(), exif.tobytes()[6:]
    chunk = struct.pack(">I", len(block)) + b"eXIf" + block + struct.pack(">I", zlib.crc32(b"eXIf" + block))
    (tmp_path / "a.png").write_bytes(content[:33] + chunk + content[33:])
    assert torch.equal(read_rgb(tmp_path / "a.png"), torch.rot90(plain, -1, (1, 2)))


@pytest.mark.parametrize(
    ("picture", "expected"),
    [
        (of_palette(), [0, 1, 2]),
        (Image.fromarray(np.array([[False, True]])), [0, 1]),
        (Image.fromarray(GREY), [0, 51, 255]),
        (with_alpha("L", 255), [0, 51, 255]),
        (Image.fromarray(np.array([[0, 256, 65535]], np.uint16)), [0, 256, 65535]),
    ],
    ids=["palette", "black and white", "grey", "opaque alpha", "16 bits"],
)
def test_read_picture_gives_the_numbers_of_the_file(tmp_path: Path, picture: Image.Image, expected: list[int]) -> None:
    picture.save(tmp_path / "a.png")
    assert read_picture(tmp_path / "a.png", num_channels=1)[0].tolist() == expected


@pytest.mark.parametrize(
    ("picture", "channels", "message"),
    [
        (Image.new("RGB", (2, 2)), 1, "mode RGB with 3 channels, expected 1"),
        (Image.new("L", (2, 2)), 3, "mode L with 1 channels, expected 3"),
        (Image.new("YCbCr", (2, 2)), 3, "mode YCbCr with 3 channels, expected 3"),
        (with_alpha("L", 9), 1, "transparent pixels"),
    ],
)
def test_read_picture_other_channels_are_refused(
    tmp_path: Path, picture: Image.Image, channels: int, message: str
) -> None:
    path = tmp_path / ("a.tif" if picture.mode == "YCbCr" else "a.png")
    picture.save(path)
    with pytest.raises(DataError, match=message):
        read_picture(path, num_channels=channels)


@pytest.mark.parametrize("bits", [2, 4])
def test_read_picture_grey_of_few_bits_is_refused(tmp_path: Path, bits: int) -> None:
    row = bytes([0b00011011]) if bits == 2 else bytes([0x01, 0x23])

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 1, bits, 0, 0, 0, 0))
    (tmp_path / "a.png").write_bytes(
        b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" + row)) + chunk(b"IEND", b"")
    )
    with pytest.raises(DataError, match=f"grey of {bits} bits, whose numbers are read as 0 to 255"):
        read_picture(tmp_path / "a.png", num_channels=1)
    step = 1 / (2**bits - 1)
    shown = read_rgb(tmp_path / "a.png")[0, 0] / 255
    torch.testing.assert_close(shown, torch.tensor([0, step, 2 * step, 3 * step]), rtol=0, atol=1e-6)


def test_read_picture_numbers_that_measure_are_no_indices(tmp_path: Path) -> None:
    of_palette().save(tmp_path / "a.png")
    with pytest.raises(DataError, match="mode P, whose numbers measure nothing"):
        read_picture(tmp_path / "a.png", num_channels=1, may_be_indices=False)


def indexed(values: list[int], palette: list[int]) -> Image.Image:
    image = Image.new("P", (len(values), 1))
    image.putdata(values)
    image.putpalette(palette)
    return image


@pytest.mark.parametrize(
    ("picture", "expected"),
    [
        (Image.fromarray(np.array([[0, 1, 1]], np.uint8)), [0, 1, 1]),
        (Image.fromarray(np.array([[0, 255, 255]], np.uint8)), [0, 1, 1]),
        (Image.fromarray(np.array([[0, 127, 128, 200]], np.uint8)), [0, 0, 1, 1]),
        (Image.fromarray(np.array([[0, 32767, 32768, 65535]], np.uint16)), [0, 0, 1, 1]),
        (Image.fromarray(np.array([[0, 1]], np.uint16)), [0, 1]),
        (Image.fromarray(np.array([[False, True]])), [0, 1]),
        (indexed([0, 1, 1], [0, 0, 0, 128, 0, 0]), [0, 1, 1]),
        (Image.fromarray(np.zeros((1, 2), np.uint8)), [0, 0]),
    ],
    ids=["0 and 1", "0 and 255", "grey", "grey of 16 bits", "0 and 1 of 16 bits", "1 bit", "palette", "nothing"],
)
def test_read_yes_or_no_gives_0_and_1(tmp_path: Path, picture: Image.Image, expected: list[int]) -> None:
    picture.save(tmp_path / "a.png")
    assert read_yes_or_no(tmp_path / "a.png")[0, 0].tolist() == expected


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (Image.fromarray(np.array([[0, 100]], np.uint8)), "the values 0, 100, expected 0 and 1, or 0 to 255"),
        (Image.fromarray(np.array([[0, 255]], np.uint16)), "the values 0, 255, expected 0 and 1, or 0 to 65535"),
        (indexed([0, 1], [255, 255, 255, 0, 0, 0]), "a palette that paints 1 no brighter than 0"),
    ],
)
def test_read_yes_or_no_open_answers_are_refused(tmp_path: Path, picture: Image.Image, message: str) -> None:
    picture.save(tmp_path / "a.png")
    with pytest.raises(DataError, match=message):
        read_yes_or_no(tmp_path / "a.png")


def test_read_yes_or_no_soft_map_is_compared_with_one_half(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 1]], np.uint8)).save(tmp_path / "a.png")
    assert read_yes_or_no(tmp_path / "a.png", is_soft=True)[0, 0].tolist() == [0, 0]


@pytest.mark.parametrize(("dtype", "full"), [(np.uint8, 255), (np.uint16, 65535)])
def test_as_vectors_black_is_minus_one_and_white_is_one(dtype: type, full: int) -> None:
    found = as_vectors(np.array([[[0, full // 5, full]]], dtype))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[0, 0], [-1, -0.6, 1], atol=1e-6)


def test_read_array_other_than_numbers_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    for values in (np.array(["cat"]), np.array([1j])):
        np.save(path, values)
        with pytest.raises(DataError, match=r"a\.npy must hold one array of numbers, found dtype"):
            read_array(path)
    with path.open("wb") as file:
        np.savez(file, one=np.zeros(3))
    with pytest.raises(DataError, match="found an archive of several arrays"):
        read_array(path)


def test_read_rgb_too_large_picture_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("L", (30, 30)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(DataError, match=r"a\.png cannot be read: .*exceeds limit"):
        read_rgb(tmp_path / "a.png")
