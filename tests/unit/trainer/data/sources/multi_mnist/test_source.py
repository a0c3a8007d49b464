"""MultiMNIST, composed of small files that the test writes itself: which glyphs are used, and where they are."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from gatefront.trainer.data import DataError, DataSpec, MultiTaskData, load_data
from gatefront.trainer.data.dataset import OptionValue
from gatefront.trainer.data.sources.multi_mnist.glyphs import FILES, read_glyphs
from gatefront.trainer.data.sources.multi_mnist.source import describe

SMALL = {"train_size": 40, "val_size": 12, "test_size": 8}


def write_idx(path: Path, values: NDArray[np.uint8]) -> None:
    content = struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape) + values.tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def write_mnist(root: Path, num_train: int = 60, num_test: int = 20, *, ending: str = "", ink: int = 1) -> Path:
    """Write glyphs that are filled squares. Two corners hold the number of a glyph, whose last digit is its class."""
    root.mkdir(parents=True)
    for split, count, first in (("train", num_train, 0), ("test", num_test, num_train)):
        numbers = np.arange(first, first + count)
        pictures = np.full((count, 28, 28), ink, np.uint8)
        pictures[:, 0, 0], pictures[:, 27, 27] = 100 + numbers, 100 + numbers
        images, labels = FILES[split]
        write_idx(root / f"{images}{ending}", pictures)
        write_idx(root / f"{labels}{ending}", (numbers % 10).astype(np.uint8))
    return root


def load(root: Path, **options: OptionValue) -> MultiTaskData:
    spec = DataSpec(name="multi-mnist", root=str(root), options={**SMALL, **options})
    return load_data(spec, root.parent / "cache")


def pixels(data: MultiTaskData, split: str) -> NDArray[np.float64]:
    samples = data.splits[split]
    images = torch.stack([samples[index].image[0] for index in range(len(samples))])  # type: ignore[arg-type]
    description = data.description
    return np.rint(255 * (images * description.std[0] + description.mean[0]).double().numpy())


def test_read_glyphs_none_is_behind_two_splits(tmp_path: Path) -> None:
    root = write_mnist(tmp_path / "mnist")
    train, val, test = (read_glyphs(root, split) for split in ("train", "val", "test"))
    assert (len(train.classes), len(val.classes), len(test.classes)) == (50, 10, 20)
    numbers = [set((glyphs.pictures[:, 0, 0] - 100).tolist()) for glyphs in (train, val, test)]
    assert numbers[0] | numbers[1] == set(range(60))
    assert numbers[2] == set(range(60, 80))
    for glyphs in (train, val, test):
        assert ((glyphs.pictures[:, 0, 0] - 100) % 10 == glyphs.classes).all()


def test_load_pairs_show_the_glyphs_that_their_labels_name(tmp_path: Path) -> None:
    data = load(write_mnist(tmp_path / "mnist"))
    assert (data.description.num_train, data.description.num_val, data.description.num_test) == (40, 12, 8)
    for split in ("train", "val", "test"):
        for index, image in enumerate(pixels(data, split)):
            labels = data.splits[split][index].labels
            # The upper left corner of the first glyph is lit, and the lower right one of the second.
            assert (image[:3, :3].max() - 100) % 10 == int(labels["left"])
            assert (image[-3:, -3:].max() - 100) % 10 == int(labels["right"])
            assert (image > 0).any(axis=0).sum() in range(32, 37)


def test_load_the_brighter_ink_is_kept(tmp_path: Path) -> None:
    left = write_mnist(tmp_path / "left", ink=50)
    right = write_mnist(tmp_path / "right", ink=200)
    images = pixels(load(left, right_root=str(right)), "train")
    assert (images[:, 18, 18] == 200).all()
    assert (images[:, 4, 4] == 50).all()
    assert (pixels(load(right, right_root=str(left)), "train")[:, 18, 18] == 200).all()


def test_load_content_follows_files_and_options_alone(tmp_path: Path) -> None:
    plain = load(write_mnist(tmp_path / "plain"))
    packed = load(write_mnist(tmp_path / "packed", ending=".gz"))
    assert packed.fingerprint == plain.fingerprint
    assert load(tmp_path / "plain", seed=1).fingerprint != plain.fingerprint
    other = write_mnist(tmp_path / "other", ink=9)
    assert (
        len({plain.fingerprint, load(other).fingerprint, load(other, right_root=str(tmp_path / "plain")).fingerprint})
        == 3
    )


def test_describe_needs_no_files() -> None:
    description = describe(DataSpec(name="multi-mnist"))
    assert description.input_size == (36, 36)
    assert [task.name for task in description.tasks] == ["left", "right"]
    with pytest.raises(DataError, match=r"Set data\.root"):
        load_data(DataSpec(name="multi-mnist"), Path())


def test_load_broken_sets_are_explained(tmp_path: Path) -> None:
    root = write_mnist(tmp_path / "mnist")
    images, labels = (root / name for name in FILES["train"])

    def expect(message: str) -> None:
        with pytest.raises(DataError, match=message):
            load(root)

    write_idx(labels, np.zeros(59, np.uint8))
    expect(r"differ in number \(found 60 and 59\)")
    write_idx(labels, np.full(60, 10, np.uint8))
    expect(r"classes must be below 10 \(found 10\)")
    write_idx(images, np.zeros((60, 20, 28), np.uint8))
    expect(r"must be 28x28 \(found 20x28\)")
    write_idx(images, np.zeros((0, 28, 28), np.uint8))
    write_idx(labels, np.zeros(0, np.uint8))
    expect(r"must hold pictures \(found none\)")
    write_idx(images, np.zeros((1, 28, 28), np.uint8))
    write_idx(labels, np.zeros(1, np.uint8))
    expect(r"Cannot train and validate on .*\(found 1 in all\)")
    (root / FILES["test"][0]).unlink()
    expect(r"found neither t10k-images-idx3-ubyte nor t10k-images-idx3-ubyte\.gz")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"right_root": "nowhere"}, r"right_root must be a folder, found 'nowhere'"),
        ({"right_root": 3}, r"right_root must be text, found 3"),
        ({"test_size": -1}, r"test_size must be at least 0, found -1"),
        ({"seed": -1}, r"seed must be at least 0, found -1"),
    ],
)
def test_load_bad_options_are_refused(tmp_path: Path, options: dict[str, OptionValue], message: str) -> None:
    with pytest.raises(DataError, match=message):
        load(write_mnist(tmp_path / "mnist"), **options)
