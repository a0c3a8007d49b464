"""The NYUD-v2 reader, on a tree of three images that the test writes itself."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import ExifTags, Image
from scipy.io import savemat

from gatefront.spaces.architecture.tasks import Task
from gatefront.trainer.checkpoints.content_hash import hash_json
from gatefront.trainer.data import IGNORE_INDEX, DataError, DataSpec, describe_data, load_data
from gatefront.trainer.data.io.folder_listing import file_stamps
from gatefront.trainer.data.loader import ordered_batches

HEIGHT, WIDTH = 480, 640
OFFICIAL = {"val_share": 0}
"""The official splits, as they are."""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two images to train on and one to validate; the second lacks its depth."""
    for folder in ("gt_sets", "images", "segmentation", "depth", "normals"):
        (tmp_path / folder).mkdir()
    (tmp_path / "gt_sets" / "train.txt").write_text("0001\n0002\n")
    (tmp_path / "gt_sets" / "val.txt").write_text("0007\n")
    for number, name in enumerate(("0001", "0002", "0007")):
        Image.new("RGB", (WIDTH, HEIGHT), (0, 255, 85 * number)).save(tmp_path / "images" / f"{name}.jpg", quality=100)
        classes = np.full((HEIGHT, WIDTH), 40, np.uint8)
        classes[:10] = 0
        Image.fromarray(classes).save(tmp_path / "segmentation" / f"{name}.png")
        depth = np.full((HEIGHT, WIDTH), 2.5, np.float32)
        depth[:, :7] = 0
        if name != "0002":
            np.save(tmp_path / "depth" / f"{name}.npy", depth)
        normals = np.zeros((HEIGHT, WIDTH, 3), np.float32)
        normals[5:, :, 2] = -1
        np.save(tmp_path / "normals" / f"{name}.npy", normals)
    return tmp_path


def test_labels_follow_the_layout(root: Path) -> None:
    data = load_data(DataSpec(name="nyud", root=str(root), options=OFFICIAL), root / "cache")
    assert (data.description.num_train, data.description.num_val) == (2, 1)
    sample = data.train[0]
    assert sample.image.shape == (3, HEIGHT, WIDTH)
    torch.testing.assert_close(sample.image[1, 3, 3], torch.tensor((1 - 0.456) / 0.224), rtol=0, atol=0.1)
    assert sample.labels["semseg"][9:11, 0].tolist() == [IGNORE_INDEX, 39]
    assert sample.labels["semseg"].dtype == torch.int64
    assert sample.labels["depth"].shape == (1, HEIGHT, WIDTH)
    assert sample.labels["depth"][0, 0, 6:8].isnan().tolist() == [True, False]
    assert sample.labels["depth"][0, 0, 7] == 2.5
    assert sample.labels["normals"][:, 4].isnan().all()
    assert sample.labels["normals"][:, 5, 5].tolist() == [0, 0, -1]


def test_a_missing_label_is_a_gap(root: Path) -> None:
    data = load_data(DataSpec(name="nyud", root=str(root), options=OFFICIAL), root / "cache")
    assert "depth" not in data.train[1].labels
    tasks = (Task(name="depth", kind="depth", num_outputs=1),)
    batch = next(ordered_batches(data.train, tasks, batch_size=2))
    assert batch.labels["depth"][1].isnan().all()
    assert not batch.labels["depth"][0].isnan().all()


def test_the_fingerprint_follows_the_files(root: Path) -> None:
    spec = DataSpec(name="nyud", root=str(root), options=OFFICIAL)
    first = load_data(spec, root / "cache").fingerprint
    assert load_data(spec, root / "cache").fingerprint == first
    (root / "normals" / "0002.npy").unlink()
    assert load_data(spec, root / "cache").fingerprint != first


def test_load_nyud_only_turned_images_change_the_fingerprint(root: Path) -> None:
    spec, path = DataSpec(name="nyud", root=str(root), options=OFFICIAL), root / "images" / "0001.jpg"
    times = path.stat()
    exif = Image.Exif()
    found = []
    for orientation in (1, 3):
        exif[ExifTags.Base.Orientation] = orientation
        Image.open(path).save(path, quality=100, exif=exif)
        # Of one size and time: what differs is the orientation alone.
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        stamps = {"train": stamps_of(root, ("0001", "0002")), "val": stamps_of(root, ("0007",))}
        found.append((load_data(spec, root / "cache").fingerprint, hash_json(stamps)))
    (upright, of_upright), (turned, of_turned) = found
    assert upright == of_upright  # as an earlier release had it
    assert turned not in (upright, of_turned)


def stamps_of(root: Path, names: tuple[str, ...]) -> dict[str, tuple[int, int]]:
    """The size and time of each file of these images."""
    folders = {"images": "jpg", "segmentation": "png", "depth": "npy", "normals": "npy"}
    paths = (root / folder / f"{name}.{ending}" for name in names for folder, ending in folders.items())
    return file_stamps(root, (path for path in paths if path.exists()))


def test_wrong_trees_are_explained(root: Path) -> None:
    with pytest.raises(DataError, match=r"Set data\.root"):
        load_data(DataSpec(name="nyud"), root)
    spec = DataSpec(name="nyud", root=str(root), options=OFFICIAL)
    Image.new("RGB", (32, 24)).save(root / "images" / "0007.jpg")
    with pytest.raises(DataError, match=r"0007\.jpg is 24x32, .*0001\.jpg is 480x640 \(1 of 1 files differ\)"):
        load_data(spec, root)
    (root / "images" / "0007.jpg").unlink()
    with pytest.raises(DataError, match=r"images: .*0007\.jpg is missing \(1 of 1 are\)"):
        load_data(spec, root)
    for file in (root / "normals").iterdir():
        file.rename(file.with_suffix(".gif"))
    with pytest.raises(DataError, match=r"normals: .*no \.jpg or \.npy files, found \.gif"):
        load_data(spec, root)


def test_the_older_archive_says_the_same(root: Path, tmp_path: Path) -> None:
    survey = load_data(DataSpec(name="nyud", root=str(root), options=OFFICIAL), root / "cache")
    other = tmp_path / "astmt"
    for folder in ("segmentation", "depth", "normals"):
        (other / folder).mkdir(parents=True)
    for folder in ("gt_sets", "images"):
        shutil.copytree(root / folder, other / folder)
    depth = np.full((HEIGHT, WIDTH), 2.5, np.float32)
    depth[:, :7] = 0
    for name in ("0001", "0002", "0007"):
        with Image.open(root / "segmentation" / f"{name}.png") as picture:
            savemat(other / "segmentation" / f"{name}.mat", {"segmentation": np.asarray(picture)})
        savemat(other / "depth" / f"{name}.mat", {"depth": depth})
        Image.new("RGB", (WIDTH, HEIGHT), (128, 128, 0)).save(other / "normals" / f"{name}.jpg")
    sample = load_data(DataSpec(name="nyud", root=str(other), options=OFFICIAL), tmp_path).train[0]
    expected = survey.train[0]
    assert torch.equal(sample.labels["semseg"], expected.labels["semseg"])
    torch.testing.assert_close(sample.labels["depth"], expected.labels["depth"], equal_nan=True)
    torch.testing.assert_close(sample.labels["normals"][:, 5, 5], torch.tensor([0.0, 0.0, -1.0]), atol=0.02, rtol=0)
    np.save(other / "depth" / "0001.npy", depth)
    with pytest.raises(DataError, match=r"depth: .* has \.mat and \.npy files, expected one kind"):
        load_data(DataSpec(name="nyud", root=str(other), options=OFFICIAL), tmp_path)


@pytest.mark.parametrize("suffix", [".npy", ".png"])
def test_edges_are_a_task_on_request(root: Path, suffix: str) -> None:
    (root / "edge").mkdir()
    edges = np.zeros((HEIGHT, WIDTH), np.uint8)
    edges[:, 9] = 1
    for name in ("0001", "0002", "0007"):
        if suffix == ".npy":
            np.save(root / "edge" / f"{name}.npy", edges)
        else:
            Image.fromarray(255 * edges).save(root / "edge" / f"{name}.png")
    data = load_data(DataSpec(name="nyud", root=str(root), options={"edges": True} | OFFICIAL), root / "cache")
    assert data.description.tasks[-1] == Task(name="edges", kind="edges", num_outputs=1)
    assert torch.equal(data.train[0].labels["edges"], torch.from_numpy(edges).float()[None])


def test_labels_of_another_shape_or_set_are_named(root: Path) -> None:
    spec = DataSpec(name="nyud", root=str(root), options=OFFICIAL)
    Image.fromarray(np.full((HEIGHT, WIDTH), 41, np.uint8)).save(root / "segmentation" / "0001.png")
    with pytest.raises(DataError, match=r"0001\.png has class 41 \(307,200 such pixels\), expected 1 to 40 or 0"):
        load_data(spec, root).train[0]
    for name in ("0001", "0002"):
        np.save(root / "normals" / f"{name}.npy", np.zeros((3, HEIGHT, WIDTH), np.float32))
    with pytest.raises(DataError, match=r"0001\.npy is 3x480x640, expected height x width x 3 \(2 of 2 files differ\)"):
        load_data(spec, root)


def shrink(root: Path) -> None:
    """Resize every file of the tree to half its height and width."""
    for path in (root / "images").iterdir():
        Image.new("RGB", (WIDTH // 2, HEIGHT // 2)).save(path)
    for path in (root / "segmentation").iterdir():
        with Image.open(path) as picture:
            Image.fromarray(np.asarray(picture)[::2, ::2]).save(path)
    for folder in ("depth", "normals"):
        for path in (root / folder).iterdir():
            np.save(path, np.load(path)[::2, ::2])


def test_load_nyud_resized_tree_is_read_at_its_own_size(root: Path) -> None:
    shrink(root)
    spec = DataSpec(name="nyud", root=str(root), options=OFFICIAL)
    assert describe_data(spec).input_size == (240, 320)
    sample = load_data(spec, root / "cache").train[0]
    assert sample.image.shape == (3, 240, 320)
    assert {name: tuple(label.shape) for name, label in sample.labels.items()} == {
        "semseg": (240, 320),
        "depth": (1, 240, 320),
        "normals": (3, 240, 320),
    }
    # Metres do not change with the size.
    assert sample.labels["depth"][0, 9, 9] == 2.5


def test_load_nyud_mixed_sizes_names_both_files_and_size_resizes_them(root: Path) -> None:
    np.save(root / "depth" / "0007.npy", np.full((240, 320), 2.5, np.float32))
    spec = DataSpec(name="nyud", root=str(root), options=OFFICIAL)
    with pytest.raises(DataError) as error:
        load_data(spec, root / "cache")
    assert "0007.npy is 240x320" in str(error.value)
    assert "0001.jpg is 480x640" in str(error.value)
    assert 'Set size = "480x640" in [data.options]' in str(error.value)
    assert "layout" not in str(error.value)
    resized = load_data(replace(spec, options={"size": "120x160"} | OFFICIAL), root / "cache")
    assert resized.description.input_size == (120, 160)
    assert resized.val[0].image.shape == (3, 120, 160)
    assert resized.val[0].labels["depth"].unique().tolist() == [2.5]


def test_load_nyud_matlab_label_of_another_size_is_named(root: Path) -> None:
    for path in list((root / "depth").iterdir()):
        path.unlink()
    savemat(root / "depth" / "0001.mat", {"depth": np.full((240, 320), 2.5)})
    with pytest.raises(DataError, match=r"0001\.mat is 240x320, .*0001\.jpg is 480x640"):
        load_data(DataSpec(name="nyud", root=str(root), options=OFFICIAL), root)


@pytest.mark.parametrize("size", ["240", "240 x 320", "4x320", "axb"])
def test_describe_nyud_wrong_size_option_is_refused(size: str) -> None:
    with pytest.raises(DataError, match=r"data\.options\.size must be height x width"):
        describe_data(DataSpec(name="nyud", options={"size": size}))


@pytest.mark.parametrize("name", ["nyud", "pascal-context"])
def test_described_without_any_file(name: str) -> None:
    description = describe_data(DataSpec(name=name))
    assert all(task.is_dense for task in description.tasks)
    assert {task.name for task in description.tasks if task.kind == "segmentation"} == set(description.class_names)
    with pytest.raises(DataError, match="no option"):
        describe_data(DataSpec(name=name, options={"train_size": 3}))


def test_load_nyud_runs_of_training_numbers_validate_and_the_official_validation_is_the_test(root: Path) -> None:
    names = ("0001", "0002", "0004", "0005", "0009")
    for name in names[2:]:
        for folder, ending in (("images", "jpg"), ("segmentation", "png"), ("depth", "npy"), ("normals", "npy")):
            shutil.copy(root / folder / f"0001.{ending}", root / folder / f"{name}.{ending}")
    (root / "gt_sets" / "train.txt").write_text("\n".join(names))
    spec = DataSpec(name="nyud", root=str(root), options={"val_share": 0.4}, cache="off")
    data = load_data(spec, root / "cache")
    found = {split: {path.stem for path in files.image_files()} for split, files in data.files.items()}  # type: ignore[attr-defined]
    assert found["train"] | found["val"] == set(names)
    assert found["test"] == {"0007"}
    assert found["val"] in ({"0001", "0002"}, {"0004", "0005"}, {"0009"})
    assert (data.description.num_train, data.description.num_val) == (5 - len(found["val"]), len(found["val"]))
    assert data.description.num_test == 1


def test_describe_nyud_counts_the_test_split() -> None:
    description = describe_data(DataSpec(name="nyud"))
    assert (description.num_train, description.num_val, description.num_test) == (676, 119, 654)
    official = describe_data(DataSpec(name="nyud", options=OFFICIAL))
    assert (official.num_train, official.num_val, official.num_test) == (795, 654, 0)
