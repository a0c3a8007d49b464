"""A folder of the user's own: every kind of task, both ways to split, and every way to get it wrong."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gatefront.spaces.architecture.tasks import Task
from gatefront.trainer.data import IGNORE_INDEX, DataError, DataSpec, MultiTaskData, describe_data, load_data
from gatefront.trainer.metrics import metric_for

MANIFEST = """
input_size = [8, 12]

[tasks.animal]
kind = "classification"
classes = ["cat", "dog"]

[tasks.look]
kind = "multilabel"
classes = ["striped", "wet"]

[tasks.semseg]
kind = "segmentation"
num_classes = 3
ignore = [255, 9]

[tasks.depth]
kind = "depth"
scale = 0.001
metric = "abs_err"

[tasks.normals]
kind = "normals"

[tasks.edges]
kind = "edges"

[tasks.saliency]
kind = "saliency"
"""
NAMES = ("a.v1", "b", "c")
TABLE = "image,animal,striped,wet\na.v1.png,dog,1,0\nb,,,1\nc.png,cat,0,1\n"


def write_labels(base: Path, names: tuple[str, ...]) -> None:
    for folder in ("images", "semseg", "depth", "normals", "edges", "saliency"):
        (base / folder).mkdir(parents=True)
    for name in names:
        Image.new("RGB", (12, 8), (255, 0, 51)).save(base / "images" / f"{name}.png")
        classes = np.full((8, 12), 2, np.uint8)
        classes[0], classes[1] = 255, 9
        Image.fromarray(classes).save(base / "semseg" / f"{name}.png")
        millimetres = np.full((8, 12), 2500, np.uint16)
        millimetres[0] = 0
        Image.fromarray(millimetres).save(base / "depth" / f"{name}.png")
        normals = np.zeros((8, 12, 3), np.float32)
        normals[1:, :, 2] = 5
        np.save(base / "normals" / f"{name}.npy", normals)
        lines = np.zeros((8, 12), np.uint8)
        lines[:, 3] = 255
        Image.fromarray(lines).save(base / "edges" / f"{name}.png")
        salient = np.zeros((8, 12, 1))
        salient[0, 0], salient[4] = np.nan, 1
        np.save(base / "saliency" / f"{name}.npy", salient)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Images a.v1 and b to train on, c to validate with; ``labels.csv`` leaves gaps for b."""
    root = tmp_path / "animals"
    write_labels(root, NAMES)
    (root / "dataset.toml").write_text(MANIFEST)
    (root / "labels.csv").write_text(TABLE)
    (root / "train.txt").write_text("a.v1\nb.png\n")
    (root / "val.txt").write_text("c\n")
    return root


def load(root: Path) -> MultiTaskData:
    return load_data(DataSpec(name="folder", root=str(root), cache="off"), root.parent / "cache")


def test_every_kind_of_task_is_read(root: Path) -> None:
    data = load(root)
    labels = data.train[0].labels
    assert int(labels["animal"]) == 1
    assert labels["look"].tolist() == [1, 0]
    assert labels["semseg"][:3, 0].tolist() == [IGNORE_INDEX, IGNORE_INDEX, 2]
    assert labels["depth"][0, 0].isnan().all()
    torch.testing.assert_close(labels["depth"][0, 1:], torch.full((7, 12), 2.5))
    assert labels["normals"][:, 0].isnan().all()
    assert labels["normals"][:, 1, 0].tolist() == [0, 0, 1]
    assert labels["edges"][0, 0, 2:5].tolist() == [0, 1, 0]
    assert labels["saliency"][0, 0, :2].isnan().tolist() == [True, False]
    assert labels["saliency"][0, 4].all()
    assert data.train[0].image.shape == (3, 8, 12)
    gappy = data.train[1].labels
    assert "animal" not in gappy
    assert gappy["look"].isnan().tolist() == [True, False]


def test_described_as_the_manifest_says(root: Path) -> None:
    description = describe_data(DataSpec(name="folder", root=str(root)))
    assert (description.num_train, description.num_val, description.input_size) == (2, 1, (8, 12))
    assert description.class_names == {
        "animal": ("cat", "dog"),
        "look": ("striped", "wet"),
        "semseg": ("0", "1", "2"),
    }
    (depth,) = [task for task in description.tasks if task.kind == "depth"]
    assert metric_for(depth).label == "absolute error"


def test_sub_folders_split_as_lists_do(root: Path, tmp_path: Path) -> None:
    other = tmp_path / "by-folder"
    write_labels(other / "train", NAMES[:2])
    write_labels(other / "val", NAMES[2:])
    (other / "dataset.toml").write_text(MANIFEST)
    (other / "train" / "labels.csv").write_text(TABLE.replace("c.png,cat,0,1\n", ""))
    (other / "val" / "labels.csv").write_text("image,wet,striped,animal\nc,1,0,cat\n")
    for one, two in zip((*load(root).train, *load(root).val), (*load(other).train, *load(other).val), strict=True):
        assert torch.equal(one.image, two.image)
        assert one.labels.keys() == two.labels.keys()
        for name, label in one.labels.items():
            torch.testing.assert_close(label, two.labels[name], equal_nan=True)


def test_load_folder_a_third_list_or_folder_is_the_test_split(root: Path, tmp_path: Path) -> None:
    table = TABLE.replace("b,,,1", "b,dog,,1")
    (root / "labels.csv").write_text(table)
    without = load(root)
    assert without.test is None
    (root / "train.txt").write_text("b.png\n")
    (root / "test.txt").write_text("a.v1\n")
    data = load(root)
    assert (data.description.num_train, data.description.num_val, data.description.num_test) == (1, 1, 1)
    assert data.files["test"].image_file(0).name == "a.v1.png"
    other = tmp_path / "by-folder"
    for split, name in (("train", "b"), ("val", "c"), ("test", "a.v1")):
        write_labels(other / split, (name,))
        row = next(line for line in table.splitlines() if line.startswith(name))
        (other / split / "labels.csv").write_text(f"image,animal,striped,wet\n{row}\n")
    (other / "dataset.toml").write_text(MANIFEST)
    assert load(other).unused == ()
    one, two = data.test_split[0], load(other).test_split[0]
    assert torch.equal(one.image, two.image)
    assert one.labels.keys() == two.labels.keys()
    assert len({without.fingerprint, data.fingerprint, load(other).fingerprint}) == 3


def test_an_image_may_lack_any_label(root: Path) -> None:
    (root / "depth" / "b.png").unlink()
    data = load(root)
    assert "depth" in data.train[0].labels
    assert "depth" not in data.train[1].labels


def test_pictures_of_normals_and_other_resolutions(root: Path) -> None:
    shutil.rmtree(root / "normals")
    (root / "normals").mkdir()
    for name in NAMES:
        picture = Image.new("RGB", (24, 16), (128, 128, 255))
        picture.paste((0, 0, 0), (0, 0, 24, 4))
        picture.save(root / "normals" / f"{name}.png")
    normals = load(root).train[0].labels["normals"]
    assert normals[:, :2].isnan().all()
    torch.testing.assert_close(normals[:, 4, 4], torch.tensor([0.004, 0.004, 1.0]), atol=2e-3, rtol=0)


def test_the_fingerprint_follows_files_table_and_meaning(root: Path) -> None:
    first = load(root).fingerprint
    assert load(root).fingerprint == first
    (root / "labels.csv").write_text(TABLE.replace("dog", "cat"))
    second = load(root).fingerprint
    (root / "dataset.toml").write_text(MANIFEST.replace("0.001", "0.01"))
    assert len({first, second, load(root).fingerprint}) == 3


RENAMED = {"animal": "type of <b>, {}", "semseg": "a.b", "depth": "two words", "edges": "名前", "saliency": "label-0"}


@pytest.mark.parametrize("cache", ["auto", "off"])
def test_awkward_names_of_tasks_find_their_labels(root: Path, cache: str) -> None:
    expected = load(root).val[0].labels
    manifest = MANIFEST
    for old, new in RENAMED.items():
        manifest = manifest.replace(f"[tasks.{old}]", f'[tasks."{new}"]')
        if (root / old).is_dir():
            (root / old).rename(root / new)
    (root / "dataset.toml").write_text(manifest)
    (root / "labels.csv").write_text(TABLE.replace("animal", f'"{RENAMED["animal"]}"'))
    spec = DataSpec(name="folder", root=str(root), cache=cache)
    found = load_data(spec, root.parent / "cache").val[0].labels
    assert set(found) == {RENAMED.get(name, name) for name in expected}
    for name, label in expected.items():
        torch.testing.assert_close(found[RENAMED.get(name, name)], label, equal_nan=True)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("scale", "scael", r"tasks\.depth\.scael is an unknown key\. Did you mean 'scale'"),
        ("[tasks.animal]", "[task.animal]", r"task is an unknown key\. Did you mean 'tasks'"),
        ("input_size", "imput_size", r"imput_size is an unknown key\. Did you mean 'input_size'"),
        (
            'kind = "edges"',
            'kind = "edges"\nfirst_class = 1',
            "only a task of kind segmentation has the key first_class",
        ),
        ("num_classes = 3", "", "needs either classes or num_classes"),
        ('kind = "saliency"', 'kind = "saliency"\nnum_classes = 2', "a saliency task has no classes"),
        ('kind = "edges"', 'kind = "outline"', r"tasks\.edges\.kind: "),
        ("[tasks.animal]", '[tasks." animal"]', "Cannot call a task ' animal'"),
        ("[tasks.animal]", "[tasks.wet]", "Cannot read column 'wet' twice"),
        ("[tasks.depth]", '[tasks."../depth"]', "Cannot read task '../depth'.*no folder can be called so"),
        ("[tasks.depth]", '[tasks.".."]', "Cannot read task '..'"),
        ("[tasks.depth]", f'[tasks."{"名" * 100}"]', "no folder can be called so"),
        ("[tasks.depth]", "[tasks.images]", "Cannot read task 'images'.*holds the images"),
        ("[tasks.depth]", "[tasks.Edges]", "must differ in more than case and Unicode form, found 'Edges' and 'edges'"),
        ('["striped", "wet"]', '["wet", "wet"]', "a name twice"),
        ("[8, 12]", "[8]", "input_size: "),
        ("[8, 12]", "", "not valid TOML"),
    ],
)
def test_a_wrong_manifest_is_explained(root: Path, old: str, new: str, message: str) -> None:
    (root / "dataset.toml").write_text(MANIFEST.replace(old, new))
    with pytest.raises(DataError, match=message):
        describe_data(DataSpec(name="folder", root=str(root)))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (TABLE.replace("wet", "dry", 1), r"no column 'wet' \(1 of 3"),
        (TABLE.replace("dog", "dgo"), "line 2: animal is 'dgo', expected one of cat, dog, or nothing"),
        (TABLE.replace("1,0", "1,2"), "line 2: wet is '2', expected one of 0, 1, or nothing"),
        (TABLE + "b,cat,1,1\n", "line 5: 'b' has a row already"),
        (TABLE + "z,cat,1,1\n", r"'z' is no image \(1 of 4 rows"),
        (TABLE + "z,cat\n", "line 5 has 2 cells, the header 4"),
        ("", r"labels\.csv is empty"),
    ],
)
def test_a_wrong_table_is_explained(root: Path, table: str, message: str) -> None:
    (root / "labels.csv").write_text(table)
    with pytest.raises(DataError, match=message):
        load(root)


def _make_both_forms(root: Path) -> None:
    for split in ("train", "val"):
        (root / split / "images").mkdir(parents=True)


Break = Callable[[Path], object]
DAMAGES: dict[str, Break] = {
    r"dataset\.toml cannot be read": lambda root: (root / "dataset.toml").unlink(),
    r"labels\.csv cannot be read": lambda root: (root / "labels.csv").unlink(),
    "has neither lists .* nor sub-folders": lambda root: (root / "val.txt").unlink(),
    "has both lists .* and sub-folders": _make_both_forms,
    "'b' is in both train and val": lambda root: (root / "val.txt").write_text("b\n"),
    "'c' is in both val and test": lambda root: (root / "test.txt").write_text("c\n"),
    r"images has no 'd' \(2 of 2 images are missing\)": lambda root: (root / "val.txt").write_text("d\ne\n"),
    r"depth is not there": lambda root: shutil.rmtree(root / "depth"),
    r"depth: .*x\.png belongs to no image \(1 of 4": lambda root: (root / "depth" / "x.png").touch(),
    r"b\.png and b\.npy have the same name": lambda root: (root / "depth" / "b.npy").touch(),
}


@pytest.mark.parametrize("message", DAMAGES)
def test_broken_folders_are_explained(root: Path, message: str) -> None:
    DAMAGES[message](root)
    with pytest.raises(DataError, match=message):
        load(root)


def test_broken_label_maps_are_explained(root: Path) -> None:
    data = load(root)
    np.save(root / "saliency" / "b.npy", np.full((8, 12), 0.5))
    with pytest.raises(DataError, match=r"b\.npy has the value 0\.5, expected 0, 1 or NaN"):
        data.train[1]
    np.save(root / "saliency" / "b.npy", np.zeros((8, 12, 2)))
    with pytest.raises(DataError, match=r"b\.npy has shape 8x12x2, expected height x width"):
        data.train[1]
    Image.new("L", (12, 8), 4).save(root / "semseg" / "b.png")
    with pytest.raises(DataError, match=r"b\.png has class 4 \(96 such pixels\), expected 0 to 2 or 255, 9"):
        data.train[1]


def test_no_root_and_no_options(root: Path) -> None:
    with pytest.raises(DataError, match=r"Set data\.root to the folder that holds dataset\.toml"):
        describe_data(DataSpec(name="folder"))


def test_metric_of_the_wrong_kind_is_refused_where_it_is_used() -> None:
    with pytest.raises(ValueError, match="does not score depth tasks"):
        metric_for(Task(name="depth", kind="depth", num_outputs=1, metric="miou"))
