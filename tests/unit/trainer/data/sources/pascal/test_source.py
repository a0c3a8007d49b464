"""The PASCAL-Context reader, on a tree of four images that the test writes itself."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from scipy.io import savemat
from scipy.ndimage import label as components

from gatefront.trainer.data import IGNORE_INDEX, DataError, DataSpec, MultiTaskData, load_data
from gatefront.trainer.data.sources.pascal.labels import (
    read_edges,
    read_human_parts,
    read_normals,
    read_saliency,
    read_semseg,
)
from gatefront.trainer.data.sources.pascal.thinning import thin

HEIGHT, WIDTH = 40, 60
WALL, SKY = 440, 360
NAMES = {"train": ("2008_000002", "2008_000003"), "val": ("2008_000007",)}


def person(*parts: tuple[str, slice], class_ind: int = 15) -> dict[str, object]:
    def mask(rows: slice) -> NDArray[np.uint8]:
        filled = np.zeros((HEIGHT, WIDTH), np.uint8)
        filled[rows] = 1
        return filled

    structs = np.array([(name, mask(rows)) for name, rows in parts], dtype=[("part_name", object), ("mask", object)])
    return {
        "class": "person",
        "class_ind": class_ind,
        "mask": mask(slice(None)),
        "parts": structs if parts else np.zeros((0, 0)),
    }


def write_anno(path: Path, *people: dict[str, object]) -> None:
    fields = ("class", "class_ind", "mask", "parts")
    objects = np.empty((1, len(people)), dtype=[(name, object) for name in fields])
    for position, someone in enumerate(people):
        objects[0, position] = tuple(someone[name] for name in fields)
    savemat(path, {"anno": {"imname": path.stem, "objects": objects}})


def write_semseg(path: Path, classes: NDArray[np.uint8]) -> None:
    picture = Image.fromarray(classes)
    picture.putpalette([value for grey in range(256) for value in (grey, 255 - grey, 7)])
    picture.save(path)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two images to train on and one to validate with; only the first train image and the last show people."""
    root = tmp_path / "PASCAL_MT"
    for folder in (
        "ImageSets/Context", "JPEGImages", "semseg/VOC12", "semseg/pascal-context", "human_parts",
        "pascal-context/trainval", "normals_distill", "sal_distill",
    ):  # fmt: skip
        (root / folder).mkdir(parents=True)
    for split, names in NAMES.items():
        (root / "ImageSets" / "Context" / f"{split}.txt").write_text("\n".join(names) + "\n")
    for number, name in enumerate(name for names in NAMES.values() for name in names):
        write_image(root, name, number)
    return root


def write_image(root: Path, name: str, number: int) -> None:
    Image.new("RGB", (WIDTH, HEIGHT), (255, 80 * number, 0)).save(root / "JPEGImages" / f"{name}.jpg")
    classes = np.full((HEIGHT, WIDTH), 15, np.uint8)
    classes[:4] = 255
    write_semseg(root / "semseg" / ("pascal-context" if number == 1 else "VOC12") / f"{name}.png", classes)
    people = [] if number == 1 else [person(("torso", slice(10, 30)), ("lhand", slice(25, 35)))]
    write_anno(root / "human_parts" / f"{name}.mat", person(class_ind=3), *people)
    label_map = np.full((HEIGHT, WIDTH), WALL, np.uint16)
    label_map[:, WIDTH // 2 :] = SKY
    savemat(root / "pascal-context" / "trainval" / f"{name}.mat", {"LabelMap": label_map})
    normals = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    normals[..., 2] = 255
    normals[..., :2] = 128
    Image.fromarray(normals).save(root / "normals_distill" / f"{name}.png")
    saliency = np.zeros((HEIGHT, WIDTH), np.uint8)
    saliency[20:], saliency[30:] = 127, 128
    Image.fromarray(saliency).save(root / "sal_distill" / f"{name}.png")


def load(root: Path) -> MultiTaskData:
    spec = DataSpec(name="pascal-context", root=str(root), cache="off", options={"val_share": 0})
    return load_data(spec, root.parent / "cache")


def test_load_pascal_some_training_photographs_validate(root: Path) -> None:
    write_anno(root / "human_parts" / f"{NAMES['train'][1]}.mat", person(("head", slice(3, 9))))
    data = load_data(DataSpec(name="pascal-context", root=str(root), cache="off"), root.parent / "cache")
    assert (data.description.num_train, data.description.num_val, data.description.num_test) == (1, 1, 1)
    paths = {split: files.image_file(0).stem for split, files in data.files.items()}
    assert {paths["train"], paths["val"]} == set(NAMES["train"])
    assert paths["test"] == NAMES["val"][0]


def test_every_task_is_derived_as_the_benchmarks_do(root: Path) -> None:
    name = NAMES["train"][0]
    semseg = read_semseg(root / "semseg" / "VOC12" / f"{name}.png")
    assert semseg[3:5, 0].tolist() == [IGNORE_INDEX, 15]
    parts = read_human_parts(root / "human_parts" / f"{name}.mat")
    assert parts is not None
    assert parts[[0, 10, 24, 25, 34, 35], 5].tolist() == [0, 2, 2, 4, 4, 0]  # the hand covers the torso
    label_map = root / "pascal-context" / "trainval" / f"{name}.mat"
    edges = read_edges(label_map)
    assert edges.shape == (1, HEIGHT, WIDTH)
    assert (edges[0, 2:-2].sum(dim=1) == 1).all()  # one line, one pixel wide, between the two labels
    assert set(edges[0, 2:-2].argmax(dim=1).tolist()) <= {WIDTH // 2 - 1, WIDTH // 2}
    normals = read_normals(root / "normals_distill" / f"{name}.png", label_map)
    assert normals[:, 0, WIDTH // 2 :].isnan().all()  # the sky has no surface
    torch.testing.assert_close(normals[:, 0, 0], torch.tensor([0.0039, 0.0039, 1.0]), atol=1e-4, rtol=0)
    saliency = read_saliency(root / "sal_distill" / f"{name}.png")
    assert saliency[0, [19, 29, 30], 0].tolist() == [0, 0, 1]


def test_samples_are_of_one_size_and_know_who_has_no_parts(root: Path) -> None:
    data = load(root)
    assert (data.description.num_train, data.description.num_val) == (2, 1)
    first, second = data.train[0], data.train[1]
    assert first.image.shape == (3, 512, 512)
    for task in data.description.tasks:
        label = first.labels[task.name]
        assert label.shape == ((512, 512) if task.kind == "segmentation" else (task.num_outputs, 512, 512))
        assert label.dtype == (torch.int64 if task.kind == "segmentation" else torch.float32)
    assert "human_parts" not in second.labels
    assert second.labels["semseg"].unique().tolist() == [IGNORE_INDEX, 15]  # from the second folder


def test_voc_comes_before_context(root: Path) -> None:
    name = NAMES["train"][0]
    write_semseg(root / "semseg" / "pascal-context" / f"{name}.png", np.full((HEIGHT, WIDTH), 3, np.uint8))
    assert load(root).train[0].labels["semseg"].max() == 15


def test_nothing_is_written_into_the_folder_and_the_fingerprint_follows_it(root: Path) -> None:
    before = sorted(root.rglob("*"))
    first = load(root)
    assert first.train[0].labels
    assert sorted(root.rglob("*")) == before
    assert load(root).fingerprint == first.fingerprint
    write_anno(root / "human_parts" / f"{NAMES['val'][0]}.mat", person(("head", slice(3, 9))))
    assert load(root).fingerprint != first.fingerprint


@pytest.mark.parametrize(
    ("folder", "task"),
    [
        ("JPEGImages", "images"),
        ("semseg", "semseg"),
        ("human_parts", "human_parts"),
        ("pascal-context/trainval", "edges"),
        ("normals_distill", "normals"),
        ("sal_distill", "saliency"),
    ],
)
def test_missing_files_are_named_and_counted(root: Path, folder: str, task: str) -> None:
    for path in (root / folder).rglob("2008_00000[23].*"):
        path.unlink()
    with pytest.raises(DataError, match=rf"^{task}: .*2008_000002\.\w+ is missing \(2 of 2 are\)"):
        load(root)


def test_broken_lists_are_explained(root: Path) -> None:
    lists = root / "ImageSets" / "Context"
    (lists / "val.txt").write_text("2008_000003\n")
    with pytest.raises(DataError, match=r"'2008_000003' is in both train and val \(1 in all\)"):
        load(root)
    (lists / "val.txt").write_text("2008_000007\n\n2008_000007\n")
    with pytest.raises(DataError, match="names '2008_000007' twice"):
        load(root)
    (lists / "val.txt").write_text("\n")
    with pytest.raises(DataError, match=r"val\.txt is empty"):
        load(root)
    (lists / "val.txt").unlink()
    with pytest.raises(DataError, match=r"val\.txt cannot be read"):
        load(root)
    with pytest.raises(DataError, match=r"Set data\.root"):
        load_data(DataSpec(name="pascal-context"), root)


def test_foreign_files_are_explained(root: Path) -> None:
    train = load(root).train
    name = NAMES["train"][0]
    semseg = root / "semseg" / "VOC12" / f"{name}.png"
    write_semseg(semseg, np.full((HEIGHT, WIDTH), 33, np.uint8))
    with pytest.raises(DataError, match=rf"{name}\.png has class 33 \(2,400 such pixels\), expected 0 to 20 or 255"):
        train[0]
    Image.new("RGB", (WIDTH, HEIGHT)).save(semseg)
    with pytest.raises(DataError, match="mode RGB with 3 channels, expected 1"):
        train[0]
    write_semseg(semseg, np.zeros((HEIGHT, 2 * WIDTH), np.uint8))
    with pytest.raises(DataError, match=r"semseg: the label is 40x120, its image .* is 40x60"):
        train[0]
    semseg.write_bytes(b"not a picture")
    with pytest.raises(DataError, match="cannot be read"):
        train[0]


def test_foreign_matlab_files_are_explained(root: Path) -> None:
    path = root / "human_parts" / "a.mat"
    write_anno(path, person(("tail", slice(3))))
    with pytest.raises(DataError, match="has the part 'tail'"):
        read_human_parts(path)
    savemat(path, {"anno": {"things": 3}})
    with pytest.raises(DataError, match="no 'objects'"):
        read_human_parts(path)
    with pytest.raises(DataError, match="no variable 'LabelMap'"):
        read_edges(path)
    path.write_bytes(b"MATLAB 7.3 is something else")
    with pytest.raises(DataError, match="cannot be read as a MATLAB file"):
        read_edges(path)
    savemat(path, {"LabelMap": np.ones((3, 4), np.uint16)})
    with pytest.raises(DataError, match=r"is 40x60, its label map .* is 3x4"):
        read_normals(root / "normals_distill" / f"{NAMES['train'][0]}.png", path)


def test_people_without_any_part_are_unlabelled(tmp_path: Path) -> None:
    path = tmp_path / "a.mat"
    write_anno(path, person())
    assert read_human_parts(path) is None
    write_anno(path, person(), person(("neck", slice(2))))
    found = read_human_parts(path)
    assert found is not None
    assert found[:3, 0].tolist() == [2, 2, 0]


BLOBS = st.integers(1, 12).flatmap(
    lambda width: st.lists(st.lists(st.booleans(), min_size=width, max_size=width), min_size=1, max_size=12)
)
EIGHT = np.ones((3, 3))


@given(BLOBS)
def test_thinning_keeps_what_is_connected(rows: list[list[bool]]) -> None:
    mask = np.array(rows)
    thinned = thin(mask)
    assert not (thinned & ~mask).any()
    assert components(thinned, EIGHT)[1] == components(mask, EIGHT)[1]
    assert np.array_equal(thin(thinned), thinned)


def test_thinning_of_a_bar_and_of_a_ring() -> None:
    bar = np.zeros((9, 30), bool)
    bar[3:6, 2:28] = True
    assert thin(bar)[4, 6:24].all()
    assert thin(bar).sum(axis=0).max() == 1
    ring = np.zeros((11, 11), bool)
    ring[2:9, 2:9] = True
    ring[4:7, 4:7] = False
    assert components(~thin(ring))[1] == 2  # the hole stays a hole
