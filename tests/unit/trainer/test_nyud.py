"""The NYUD-v2 reader, on a tree of three images that the test writes itself."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from spaces.tasks import Task
from trainer.data import IGNORE_INDEX, DataError, DataSpec, describe_data, load_data
from trainer.data.loader import ordered_batches

HEIGHT, WIDTH = 480, 640


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
    data = load_data(DataSpec(name="nyud", root=str(root)), root / "cache")
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
    data = load_data(DataSpec(name="nyud", root=str(root)), root / "cache")
    assert "depth" not in data.train[1].labels
    tasks = (Task(name="depth", kind="depth", num_outputs=1),)
    batch = next(ordered_batches(data.train, tasks, batch_size=2))
    assert batch.labels["depth"][1].isnan().all()
    assert not batch.labels["depth"][0].isnan().all()


def test_the_fingerprint_follows_the_files(root: Path) -> None:
    spec = DataSpec(name="nyud", root=str(root))
    first = load_data(spec, root / "cache").fingerprint
    assert load_data(spec, root / "cache").fingerprint == first
    (root / "depth" / "0007.npy").unlink()
    assert load_data(spec, root / "cache").fingerprint != first


def test_wrong_trees_are_explained(root: Path) -> None:
    with pytest.raises(DataError, match=r"Set data\.root"):
        load_data(DataSpec(name="nyud"), root)
    spec = DataSpec(name="nyud", root=str(root))
    Image.new("RGB", (32, 24)).save(root / "images" / "0007.jpg")
    with pytest.raises(DataError, match=r"0007\.jpg is 24x32, expected 480x640"):
        load_data(spec, root).val[0]
    (root / "images" / "0007.jpg").unlink()
    with pytest.raises(DataError, match=r"val\.txt names 1 images, of which 1 are not"):
        load_data(spec, root)
    for file in (root / "normals").iterdir():
        file.rename(file.with_suffix(".jpg"))
    with pytest.raises(DataError, match=r"normals: .*no \.npy files, found \.jpg"):
        load_data(spec, root)


@pytest.mark.parametrize("name", ["nyud", "pascal-context"])
def test_described_without_any_file(name: str) -> None:
    description = describe_data(DataSpec(name=name))
    assert all(task.is_dense for task in description.tasks)
    assert {task.name for task in description.tasks if task.kind == "segmentation"} == set(description.class_names)
    with pytest.raises(DataError, match="no options"):
        describe_data(DataSpec(name=name, options={"train_size": 3}))
