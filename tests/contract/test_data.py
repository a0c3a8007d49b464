"""Contract of every generated or composed data set, whatever it shows."""

import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from gatefront.spaces.json_codec import from_json, to_json
from gatefront.trainer.data import (
    DATA_SOURCES,
    IGNORE_INDEX,
    DataError,
    DataSpec,
    MultiTaskData,
    describe_data,
    load_data,
)
from gatefront.trainer.data.loader import ordered_batches
from gatefront.trainer.data.sources.multi_mnist.glyphs import FILES

SMALL = {"train_size": 70, "val_size": 9, "test_size": 11}


COMPOSED = "multi-mnist"


@pytest.fixture(params=sorted([COMPOSED, *(name for name, source in DATA_SOURCES.items() if source.is_generated)]))
def spec(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> DataSpec:
    root = str(_write_glyphs(tmp_path_factory.mktemp("glyphs"))) if request.param == COMPOSED else None
    return DataSpec(name=request.param, root=root, options=SMALL)


def _write_glyphs(root: Path) -> Path:
    """Write noise in the format of MNIST, of all ten classes."""
    rng = np.random.default_rng(0)
    for (images, labels), count in zip(FILES.values(), (600, 100), strict=True):
        pictures = rng.integers(0, 256, (count, 28, 28), np.uint8)
        (root / images).write_bytes(struct.pack(">HBB3I", 0, 8, 3, *pictures.shape) + pictures.tobytes())
        (root / labels).write_bytes(struct.pack(">HBBI", 0, 8, 1, count) + bytes(n % 10 for n in range(count)))
    return root


@pytest.fixture
def data(spec: DataSpec, tmp_path: Path) -> MultiTaskData:
    return load_data(spec, tmp_path)


def test_described_without_rendering(spec: DataSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    description = describe_data(spec)
    assert (description.num_train, description.num_val, description.num_test) == (70, 9, 11)
    assert list(tmp_path.iterdir()) == []


def test_splits_are_as_described(data: MultiTaskData) -> None:
    for split, size in ((data.train, 70), (data.val, 9), (data.test_split, 11)):
        batch = next(ordered_batches(split, data.description.tasks, batch_size=100))
        assert batch.images.shape == (size, data.description.in_channels, *data.description.input_size)
        assert batch.images.dtype == torch.float32
        pixels = batch.images * torch.tensor(data.description.std).view(-1, 1, 1)
        pixels += torch.tensor(data.description.mean).view(-1, 1, 1)
        assert pixels.min() >= -1e-6
        assert pixels.max() <= 1 + 1e-6


def test_labels_are_what_their_kind_asks_for(data: MultiTaskData) -> None:
    height, width = data.description.input_size
    batch = next(ordered_batches(data.train, data.description.tasks, batch_size=70))
    for task in data.description.tasks:
        label = batch.labels[task.name]
        if task.kind in ("classification", "segmentation"):
            assert label.shape == ((70,) if task.kind == "classification" else (70, height, width))
            assert label.dtype == torch.int64
            assert set(label.unique().tolist()) <= set(range(task.num_outputs)) | {IGNORE_INDEX}
            assert len(data.description.class_names[task.name]) == task.num_outputs
        else:
            assert label.shape == (70, task.num_outputs, height, width)
            assert label.dtype == torch.float32
        if task.kind == "normals":
            torch.testing.assert_close(label.norm(dim=1), torch.ones(70, height, width))
        if task.kind == "depth":
            assert label.min() > 0
        if task.kind == "edges":
            assert set(label.unique().tolist()) == {0.0, 1.0}


def test_one_sample_equals_its_row_of_a_batch(data: MultiTaskData) -> None:
    batch = next(ordered_batches(data.val, data.description.tasks, batch_size=9))
    sample = data.val[4]
    assert torch.equal(sample.image, batch.images[4])
    for name, label in sample.labels.items():
        assert torch.equal(label, batch.labels[name][4])


def test_every_value_of_every_task_occurs_in_the_default_validation_classes(spec: DataSpec, tmp_path: Path) -> None:
    data = load_data(replace(spec, options={"train_size": 1, "val_size": 300, "test_size": 0}), tmp_path)
    batch = next(ordered_batches(data.val, data.description.tasks, batch_size=300))
    for task in data.description.tasks:
        if task.kind in ("classification", "segmentation"):
            assert batch.labels[task.name].unique().tolist() == list(range(task.num_outputs))


def test_content_is_a_function_of_the_spec(spec: DataSpec, data: MultiTaskData, tmp_path: Path) -> None:
    again = load_data(spec, tmp_path / "elsewhere")
    assert again.fingerprint == data.fingerprint
    other_seed = load_data(replace(spec, options=SMALL | {"seed": 1}), tmp_path)
    assert other_seed.fingerprint != data.fingerprint


def test_splits_share_no_image(data: MultiTaskData) -> None:
    train = {data.train[index].image.numpy().tobytes() for index in range(70)}
    val = {data.val[index].image.numpy().tobytes() for index in range(9)}
    test = {data.test_split[index].image.numpy().tobytes() for index in range(11)}
    assert len(train) == 70
    assert len(train | val | test) == 90


def test_load_data_without_test_images_has_no_test_split(spec: DataSpec, data: MultiTaskData, tmp_path: Path) -> None:
    without = load_data(replace(spec, options=SMALL | {"test_size": 0}), tmp_path)
    assert without.test is None
    assert without.fingerprint != data.fingerprint
    assert torch.equal(without.train[3].image, data.train[3].image)
    with pytest.raises(DataError, match=r"Cannot measure on the test split: .*found no test split"):
        _ = without.test_split


def test_damaged_cache_is_rendered_again(spec: DataSpec, data: MultiTaskData, tmp_path: Path) -> None:
    file = next(tmp_path.glob("data/*/train-image.npy"))
    file.write_bytes(file.read_bytes()[:-10])
    assert load_data(spec, tmp_path).fingerprint == data.fingerprint
    next(tmp_path.glob("data/*/contents.json")).unlink()
    assert load_data(spec, tmp_path).fingerprint == data.fingerprint
    assert len(list((tmp_path / "data").iterdir())) == 1


def test_missing_root_is_refused(spec: DataSpec, tmp_path: Path) -> None:
    missing = DataSpec(name=spec.name, root=str(tmp_path / "absent"))
    with pytest.raises(DataError, match=r"data\.root .*absent"):
        describe_data(missing)
    with pytest.raises(DataError, match="lacks a file" if spec.name == COMPOSED else "generated"):
        load_data(DataSpec(name=spec.name, root=str(tmp_path)), tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"train_sice": 10}, "train_size"),
        ({"train_size": 0}, "at least 1, found 0"),
        ({"train_size": 2.5}, "whole number, found 2.5"),
        ({"val_size": True}, "whole number, found True"),
    ],
)
def test_bad_options_are_refused(spec: DataSpec, options: dict[str, int | float], message: str) -> None:
    with pytest.raises(DataError, match=message):
        describe_data(DataSpec(name=spec.name, options=options))


def test_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(DataError, match="'digits'"):
        describe_data(DataSpec(name="digit"))
    with pytest.raises(DataError, match="celeba, cityscapes, cityscapes-parts, digits, "):
        describe_data(DataSpec(name="imagenet"))


def test_spec_survives_json(spec: DataSpec) -> None:
    assert from_json(DataSpec, to_json(spec)) == spec
