"""Which files of a folder are read, as what, and what becomes of the others."""

import shutil
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import ExifTags, Image

from gatefront.trainer.data import IGNORE_INDEX, DataError, DataSpec, MultiTaskData, describe_data, load_data

MANIFEST = """
input_size = [8, 12]
[tasks.semseg]
kind = "segmentation"
num_classes = 3
[tasks.depth]
kind = "depth"
[tasks.edges]
kind = "edges"
[tasks.animal]
kind = "classification"
classes = ["cat", "dog"]
"""
TABLE = "image,animal\na,dog\nb,cat\nc.png,cat\n"
NAMES = ("a", "b", "c")


def write_part(base: Path, names: tuple[str, ...]) -> None:
    rng = np.random.default_rng(0)
    for name in names:
        lines = np.zeros((8, 12), np.uint8)
        lines[:, 3] = 255
        classes = np.full((8, 12), 2, np.uint8)
        classes[0] = 255
        pictures = {"images": rng.integers(0, 256, (8, 12, 3), np.uint8), "semseg": classes, "edges": lines}
        for folder, pixels in (pictures | {"depth": np.full((8, 12), 5, np.uint16)}).items():
            (base / folder).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(base / folder / f"{name}.png")
    (base / "labels.csv").write_text(TABLE)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Images a and b to train on, c to validate with."""
    root = tmp_path / "animals"
    write_part(root, NAMES)
    (root / "dataset.toml").write_text(MANIFEST)
    (root / "train.txt").write_text("a\nb.png\n")
    (root / "val.txt").write_text("c\n")
    return root


def load(root: Path) -> MultiTaskData:
    return load_data(DataSpec(name="folder", root=str(root), cache="off"), root.parent / "cache")


def turn(path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    Image.open(path).save(path, exif=exif)


def test_load_image_on_its_side_with_a_stored_mask_is_refused(root: Path) -> None:
    turn(root / "images" / "b.png", 6)
    with pytest.raises(
        DataError, match=r"the label is 8x12, its image .*b\.png is 12x8\. One of them lies on its side"
    ):
        load(root).train[1]


def test_load_image_and_pictures_on_their_sides_are_turned_alike(root: Path) -> None:
    (root / "dataset.toml").write_text('input_size = [12, 8]\n[tasks.semseg]\nkind = "segmentation"\nnum_classes = 3\n')
    values = np.arange(96).reshape(8, 12)
    for name in NAMES:
        for folder, pixels in (("images", values), ("semseg", values % 3)):
            Image.fromarray(pixels.astype(np.uint8)).save(root / folder / f"{name}.png")
            turn(root / folder / f"{name}.png", 6)
    data = load(root)
    sample, description = data.train[0], data.description
    pixels = 255 * (sample.image[0] * description.std[0] + description.mean[0])
    assert np.array_equal(pixels.round().numpy(), np.rot90(values, -1))
    assert np.array_equal(sample.labels["semseg"].numpy(), np.rot90(values % 3, -1))


@pytest.mark.parametrize("ending", [".jpg", ".webp", ".gif", ".JPEG"])
def test_load_label_map_of_an_ending_that_is_not_read_is_refused(root: Path, ending: str) -> None:
    (root / "semseg" / "b.png").rename(root / "semseg" / f"b{ending}")
    with pytest.raises(DataError, match=rf"b\{ending} is no label map that can be read: .*\(1 such files\)"):
        load(root)


@pytest.mark.parametrize("ending", [".tif", ".tiff", ".bmp"])
def test_load_label_map_of_another_lossless_ending_is_read(root: Path, ending: str) -> None:
    expected = load(root).train[1].labels["semseg"]
    Image.open(root / "semseg" / "b.png").save(root / "semseg" / f"b{ending}")
    (root / "semseg" / "b.png").unlink()
    assert torch.equal(load(root).train[1].labels["semseg"], expected)


@pytest.mark.parametrize("ending", [".webp", ".tif", ".bmp"])
def test_load_image_of_every_ending_is_read(root: Path, ending: str) -> None:
    expected = load(root).train[1].image
    Image.open(root / "images" / "b.png").save(root / "images" / f"b{ending}", lossless=True)
    (root / "images" / "b.png").unlink()
    assert torch.equal(load(root).train[1].image, expected)


def test_load_image_of_an_ending_that_is_not_read_is_named(root: Path, tmp_path: Path) -> None:
    (root / "images" / "b.png").rename(root / "images" / "b.heic")
    with pytest.raises(DataError, match=r"images has no 'b' \(1 of 2 .*It has b\.heic, but only \.bmp"):
        load(root)
    by_folder = tmp_path / "by-folder"
    for split, names in (("train", NAMES[:2]), ("val", NAMES[2:])):
        write_part(by_folder / split, names)
    (by_folder / "dataset.toml").write_text(MANIFEST)
    (by_folder / "train" / "images" / "d.heic").touch()
    with pytest.raises(DataError, match=r"d\.heic cannot be read: only \.bmp.*\(1 such files\)"):
        load(by_folder)


def test_load_list_with_one_image_under_two_spellings_is_refused(root: Path) -> None:
    (root / "train.txt").write_text("b\nb.png\n")
    with pytest.raises(DataError, match=r"train\.txt names 'b' twice"):
        load(root)


def test_load_every_other_file_is_listed_as_unused_with_its_reason(root: Path) -> None:
    assert load(root).unused == ()
    (root / "more").mkdir()
    (root / "images" / "old").mkdir()
    for place in ("notes.txt", ".DS_Store", "images/._b.png", "semseg/._b.png", "depth/README", "images/x.txt"):
        (root / place).touch()
    for folder in ("images", "semseg"):
        shutil.copy(root / folder / "b.png", root / folder / "z.png")
    found = {str(group.first.relative_to(root)): (group.count, group.reason) for group in load(root).unused}
    endings = "only .bmp, .jpeg, .jpg, .png, .tif, .tiff, .webp are read"
    assert found == {
        ".DS_Store": (1, "hidden"),
        "more": (1, "no task of dataset.toml is called so"),
        "notes.txt": (1, "nothing is read from it"),
        "images/._b.png": (1, "hidden"),
        "images/old": (1, "a folder inside this one is not read"),
        "images/x.txt": (1, endings),
        "images/z.png": (1, "its image is in no list"),
        "semseg/._b.png": (1, "hidden"),
        "semseg/z.png": (1, "its image is in no list"),
        "depth/README": (1, "only .bmp, .npy, .png, .tif, .tiff are read"),
    }


def test_load_table_that_no_task_needs_is_listed_as_unused(root: Path) -> None:
    (root / "dataset.toml").write_text('input_size = [8, 12]\n[tasks.depth]\nkind = "depth"\n')
    reasons = {group.first.name: group.reason for group in load(root).unused}
    assert reasons["labels.csv"] == "nothing is read from it"
    assert reasons["edges"] == "no task of dataset.toml is called so"


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_load_table_with_any_separator_and_a_byte_order_mark_is_the_same(root: Path, separator: str) -> None:
    (root / "labels.csv").write_text("\ufeff" + TABLE.replace(",", separator), encoding="utf-8")
    assert int(load(root).train[0].labels["animal"]) == 1


def test_load_lists_and_manifest_with_a_byte_order_mark_are_the_same(root: Path) -> None:
    for name in ("train.txt", "val.txt", "dataset.toml"):
        (root / name).write_text("\ufeff" + (root / name).read_text(), encoding="utf-8")
    assert load(root).description.num_train == 2


def test_load_classes_that_count_from_one_are_shifted_if_asked(root: Path) -> None:
    (root / "dataset.toml").write_text(MANIFEST.replace("num_classes = 3", "num_classes = 3\nfirst_class = 1"))
    assert load(root).train[0].labels["semseg"][:2, 0].tolist() == [IGNORE_INDEX, 1]


def test_describe_data_ignored_classes_are_those_that_no_label_can_have(root: Path) -> None:
    more = "num_classes = 3\nfirst_class = 1\nignore = [0, 1, 255]"
    (root / "dataset.toml").write_text(MANIFEST.replace("num_classes = 3", more))
    assert describe_data(DataSpec(name="folder", root=str(root))).ignored_classes == {"semseg": (0,)}


def test_load_edges_of_0_and_1_are_those_of_0_and_255(root: Path) -> None:
    expected = load(root).train[1].labels["edges"]
    Image.fromarray((np.array(Image.open(root / "edges" / "b.png")) > 0).astype(np.uint8)).save(
        root / "edges" / "b.png"
    )
    assert torch.equal(load(root).train[1].labels["edges"], expected)
    assert expected.sum() == 8


def test_load_depth_of_a_palette_is_refused(root: Path) -> None:
    Image.open(root / "semseg" / "b.png").convert("P").save(root / "depth" / "b.png")
    with pytest.raises(DataError, match="mode P, whose numbers measure nothing"):
        load(root).train[1]


@pytest.mark.parametrize(
    ("numbers", "hint"),
    [
        (
            np.linspace(0, 2, 96),
            "it was interpolated, which mixes the numbers of classes: resize it by the nearest pixel",
        ),
        (np.array([np.nan, 1.0] * 48), "Save a whole number that is no class where none is known"),
        (np.array([1, 2, 3] * 32), "If the files count from 1, set first_class = 1 in dataset.toml"),
        (np.array([0, 32, 64, 200] * 24), "resize it by the nearest pixel"),
        (np.array([0, 32] * 48), "This looks like another set of classes"),
    ],
)
def test_load_class_map_with_foreign_numbers_says_what_to_do(root: Path, numbers: np.ndarray, hint: str) -> None:
    (root / "semseg" / "a.png").unlink()
    np.save(root / "semseg" / "a.npy", numbers.reshape(8, 12))
    with pytest.raises(DataError) as caught:
        load(root)
    assert "semseg/a.npy" in caught.value.message
    assert hint in caught.value.hint


def test_load_label_map_of_a_lossy_tiff_is_refused(root: Path) -> None:
    path = root / "semseg" / "a.png"
    picture = Image.open(path)
    picture.load()
    path.unlink()
    picture.save(path.with_suffix(".tif"), compression="tiff_lzw")
    assert load(root).train[0].labels["semseg"].unique().tolist() == [IGNORE_INDEX, 2]
    picture.save(path.with_suffix(".tif"), compression="jpeg")
    with pytest.raises(DataError, match=r"a\.tif is compressed as JPEG, which changes the numbers of labels"):
        load(root)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('kind = "segmentation"', 'kind = "segmentation"\nscale = 2.0', "only a task of kind depth has the key scale"),
        ('kind = "edges"', 'kind = "edges"\nmissing = 1.0', "only a task of kind depth has the key missing"),
        ('kind = "depth"', 'kind = "depth"\nignore = [0]', "only a task of kind segmentation has the key ignore"),
        ("num_classes = 3", "num_classes = 3\nignore = 255", r"ignore: Input should be a valid list \(found 255\)"),
    ],
)
def test_describe_manifest_key_that_says_nothing_is_refused(root: Path, old: str, new: str, message: str) -> None:
    (root / "dataset.toml").write_text(MANIFEST.replace(old, new))
    with pytest.raises(DataError, match=message):
        describe_data(DataSpec(name="folder", root=str(root)))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("image,animal,animal\na,dog,cat\n", "labels.csv has column 'animal' twice. Keep one of them"),
        ("image,Animal\na,dog\n", "has no column 'animal' .* Did you mean 'Animal'"),
        ("image|animal\na|dog\n", "has no column 'animal' .* Separate cells by commas, semicolons or tabs"),
        (TABLE + "z,cat\n", "'z' is no image .* Remove the row, or add the image"),
    ],
)
def test_load_odd_table_is_refused_with_the_way_out(root: Path, table: str, message: str) -> None:
    (root / "labels.csv").write_text(table)
    with pytest.raises(DataError, match=message):
        load(root)


def test_load_table_with_a_line_that_names_the_separator_is_read(root: Path) -> None:
    (root / "labels.csv").write_text("sep=;\n" + TABLE.replace(",", ";"))
    data = load(root)
    assert [int(data.train[index].labels["animal"]) for index in range(2)] == [1, 0]


@pytest.mark.parametrize("name", ["labels.csv", "train.txt", "dataset.toml"])
def test_load_text_of_another_encoding_is_named(root: Path, name: str) -> None:
    (root / name).write_bytes((root / name).read_text().encode("utf-16"))
    with pytest.raises(DataError, match=rf"{name} is not in UTF-8. Save it as UTF-8"):
        load(root)


def test_load_names_with_accents_agree_however_they_are_spelled(root: Path) -> None:
    composed, apart = (unicodedata.normalize(form, "é") for form in ("NFC", "NFD"))
    (root / "images" / "a.png").rename(root / "images" / f"{apart}.png")
    for folder in ("semseg", "edges", "depth"):
        (root / folder / "a.png").rename(root / folder / f"{composed}.png")
    (root / "train.txt").write_text(f"images\\{composed}.png\nb\n")
    (root / "labels.csv").write_text(TABLE.replace("a,dog", f"{composed},dog"))
    assert set(load(root).train[0].labels) == {"semseg", "edges", "depth", "animal"}


def test_load_name_that_differs_in_case_is_told(root: Path) -> None:
    (root / "val.txt").write_text("C\n")
    with pytest.raises(DataError, match=r"has no 'C' .* It has c\.png: upper and lower case count"):
        load(root)


def test_load_file_that_is_no_picture_is_named_without_words_of_the_library(root: Path) -> None:
    (root / "images" / "a.png").write_text("<html>404</html>")
    with pytest.raises(DataError, match=r"a\.png cannot be read: it is no picture of a known format\. Copy the file"):
        load(root).train[0]


def test_load_root_in_the_home_folder_is_found(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(root.parent))
    assert describe_data(DataSpec(name="folder", root=f"~/{root.name}")).num_train == 2
