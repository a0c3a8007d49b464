"""Decoded samples are kept without loss, found again, and never outlive the files they came from."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gatefront.trainer.checkpoints.content_hash import hash_json
from gatefront.trainer.data import DataError, DataSpec, FileSplit, MultiTaskData, load_data
from gatefront.trainer.data.cache.cache_limit import AUTO_LIMIT, cache_limit, parse_cache_limit
from gatefront.trainer.data.cache.decoded_cache import READER_VERSION
from gatefront.trainer.data.cache.decoded_split import DecodedSplit
from gatefront.trainer.data.io.decode import read_array, read_picture, read_rgb, read_yes_or_no
from gatefront.trainer.data.loader import num_samples, ordered_batches

MANIFEST = """
input_size = [6, 9]
[tasks.things]
kind = "segmentation"
num_classes = 300
[tasks.far]
kind = "depth"
[tasks.edge]
kind = "edges"
[tasks.animal]
kind = "classification"
classes = ["cat", "dog"]
[tasks.look]
kind = "multilabel"
classes = ["wet", "old"]
"""
NAMES = {"train": ("a", "b", "c"), "val": ("d", "e")}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root, rng = tmp_path / "tree", np.random.default_rng(0)
    for folder in ("images", "things", "far", "edge"):
        (root / folder).mkdir(parents=True)
    (root / "dataset.toml").write_text(MANIFEST)
    (root / "labels.csv").write_text("image,animal,wet,old\na,dog,1,0\nb,,,1\ne,cat,0,0\n")
    for split, names in NAMES.items():
        (root / f"{split}.txt").write_text("\n".join(names))
        for name in names:
            # Another size than the network's, so that resizing is part of what is kept.
            Image.fromarray(rng.integers(0, 256, (12, 18, 3), np.uint8)).save(root / "images" / f"{name}.png")
            np.save(root / "things" / f"{name}.npy", rng.integers(0, 300, (12, 18)))
            if name not in ("b", "d"):
                far = rng.uniform(1, 9, (6, 9)).astype(np.float32)
                far[0, 0] = 0
                np.save(root / "far" / f"{name}.npy", far)
                np.save(root / "edge" / f"{name}.npy", rng.integers(0, 2, (6, 9)))
    return root


def load(root: Path, cache: str = "auto", **options: bool) -> MultiTaskData:
    spec = DataSpec(name="folder", root=str(root), options=options, cache=cache)
    return load_data(spec, root.parent / "cache")


def folders(root: Path) -> list[Path]:
    return sorted((root.parent / "cache").glob("decoded/*"))


def assert_same(one: MultiTaskData, other: MultiTaskData) -> None:
    assert one.fingerprint == other.fingerprint
    for first, second in ((one.train, other.train), (one.val, other.val)):
        assert num_samples(first) == num_samples(second)
        for index in range(num_samples(first)):
            assert torch.equal(first[index].image, second[index].image)
            assert first[index].labels.keys() == second[index].labels.keys()
            for name, label in first[index].labels.items():
                assert label.dtype == second[index].labels[name].dtype
                torch.testing.assert_close(label, second[index].labels[name], rtol=0, atol=0, equal_nan=True)


def test_no_bit_is_lost(root: Path) -> None:
    plain, kept = load(root, "off"), load(root)
    assert isinstance(plain.train, FileSplit)
    assert isinstance(kept.train, DecodedSplit)
    assert_same(plain, kept)
    assert list(kept.train.indices_with("far")) == [0, 2]
    tasks = plain.description.tasks
    batches = [next(ordered_batches(data.train, tasks, batch_size=3)) for data in (plain, kept)]
    assert torch.equal(batches[0].images, batches[1].images)
    for task in tasks:
        one, other = (batch.labels[task.name] for batch in batches)
        torch.testing.assert_close(one, other, rtol=0, atol=0, equal_nan=True)


def test_files_are_read_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load(root)
    decode, read = FileSplit.decode, []

    def watched(split: FileSplit, index: int) -> object:
        read.append(index)
        return decode(split, index)

    monkeypatch.setattr(FileSplit, "decode", watched)
    again, changed = load(root), load(root, flip=True)
    assert_same(first, again)
    for index in range(3):
        changed.train[index]
    assert set(read) <= {0}  # one sample tells what images are made of
    assert len(folders(root)) == 1  # changed images start from the same samples


def test_a_changed_file_is_read_again_even_with_its_old_time_and_length(root: Path) -> None:
    before = load(root).train[1].image
    path = root / "images" / "b.png"
    stat, length = path.stat(), path.stat().st_size
    Image.fromarray(np.zeros((12, 18, 3), np.uint8)).save(path)
    path.write_bytes(path.read_bytes().ljust(length, b"\0"))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (length, stat.st_mtime_ns)
    after = load(root)
    assert not torch.equal(after.train[1].image, before)
    assert_same(after, load(root, "off"))


def test_what_labels_mean_is_part_of_the_name(root: Path) -> None:
    load(root)
    (root / "dataset.toml").write_text(MANIFEST.replace('"depth"', '"depth"\nscale = 2.0'))
    assert_same(load(root), load(root, "off"))
    (root / "labels.csv").write_text("image,animal,wet,old\na,cat,1,0\ne,cat,0,0\n")
    assert_same(load(root), load(root, "off"))
    assert len(folders(root)) == 3


def test_other_readers_make_it_anew(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load(root)
    monkeypatch.setattr("gatefront.trainer.data.cache.decoded_cache._readers", lambda: "another version")
    load(root)
    assert len(folders(root)) == 2


def test_what_does_not_fit_is_read_from_its_files(root: Path) -> None:
    row = 6 * 9 * (3 + 2 + 4 + 4) + 2 + 8 + 5  # image, things, far, edge; animal, look, and a bool per task
    size = 5 * row / 2**20
    assert isinstance(load(root, f"{0.99 * size:.9f} MiB").train, FileSplit)
    assert folders(root) == []
    assert isinstance(load(root, f"{1.01 * size:.9f} MiB").train, DecodedSplit)
    arrays = sum(path.stat().st_size for path in folders(root)[0].glob("*.npy"))
    assert 0 <= arrays - 5 * row < 14 * 200  # and a header per array


def test_a_cut_file_is_made_anew(root: Path) -> None:
    expected = load(root, "off")
    load(root)
    (image,) = folders(root)[0].glob("train-image.npy")
    os.truncate(image, image.stat().st_size - 7)
    assert_same(load(root), expected)


def test_nothing_is_written_beside_the_data(root: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    load(root)
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before


def test_a_damaged_image_is_named_when_the_data_are_loaded(root: Path) -> None:
    (root / "images" / "c.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"c\.png cannot be read"):
        load(root)
    assert folders(root) == []


def test_files_that_change_meanwhile_are_noticed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decode = FileSplit.decode

    def interfering(split: FileSplit, index: int) -> object:
        os.utime(root / "images" / "a.png", ns=(1, 1))
        return decode(split, index)

    monkeypatch.setattr(FileSplit, "decode", interfering)
    with pytest.raises(DataError, match="changed while they were read"):
        load(root)
    assert folders(root) == []


def test_an_unwritable_folder_is_explained(root: Path) -> None:
    (root.parent / "cache").mkdir()
    (root.parent / "cache" / "decoded").write_text("in the way")
    with pytest.raises(DataError, match=r'cannot be written.*Set cache = "off"'):
        load(root)


@pytest.mark.parametrize(
    ("text", "limit"), [("auto", None), ("off", 0), ("20 GiB", 20 * 2**30), ("0.5GiB", 2**29), ("500 MiB", 500 * 2**20)]
)
def test_limits_are_read(text: str, limit: int | None) -> None:
    assert parse_cache_limit(text) == limit


@pytest.mark.parametrize("text", ["", "on", "20", "20 GB", "-1 GiB", "GiB", "1e3 MiB", "20 gib"])
def test_other_words_are_refused(text: str, root: Path) -> None:
    with pytest.raises(DataError, match=r'data\.cache must be "auto", "off" or a size such as "20 GiB"'):
        load(root, text)


def test_auto_leaves_half_of_the_disk_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Disk:
        free = 2**30

    monkeypatch.setattr("gatefront.trainer.data.cache.cache_limit.shutil.disk_usage", lambda _path: Disk)
    assert cache_limit("auto", tmp_path / "new") == 2**29
    Disk.free = 2**40
    assert cache_limit("auto", tmp_path / "new") == AUTO_LIMIT
    assert cache_limit("20 GiB", tmp_path / "new") == 20 * 2**30


def test_keep_decoded_images_of_8_and_16_bits_lose_nothing(root: Path) -> None:
    """The first image of either split decides nothing for the others."""
    deep = np.random.default_rng(1).integers(0, 65536, (12, 18), np.uint16)
    for name in ("c", "d"):
        Image.fromarray(deep).save(root / "images" / f"{name}.png")
    assert_same(load(root), load(root, cache="off"))
    assert len(folders(root)) == 1
    assert_same(load(root), load(root, cache="off"))


def test_readers_give_what_the_reader_version_stands_for(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    grey, color = rng.integers(0, 256, (5, 4), np.uint8), rng.integers(0, 256, (5, 4, 3), np.uint8)
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.fromarray(color).save(tmp_path / "color.png")
    Image.fromarray(color).save(tmp_path / "turned.png", exif=turned)
    Image.fromarray(grey).save(tmp_path / "grey.png")
    Image.fromarray(rng.integers(0, 2**16, (5, 4), np.uint16)).save(tmp_path / "deep.png")
    Image.fromarray(grey > 127).save(tmp_path / "bits.png")
    np.save(tmp_path / "numbers.npy", rng.uniform(0, 9, (5, 4)).astype(np.float32))
    pictures = ("color", "turned", "grey", "deep", "bits")
    found = [
        *(read_rgb(tmp_path / f"{name}.png").numpy() for name in pictures),
        *(read_picture(tmp_path / f"{name}.png", num_channels=1) for name in ("grey", "deep", "bits")),
        read_yes_or_no(tmp_path / "bits.png").numpy(),
        read_array(tmp_path / "numbers.npy"),
    ]
    content = hash_json([[values.dtype.str, list(values.shape), values.tolist()] for values in found])
    # Another hash means that kept samples are out of date: raise READER_VERSION with it.
    assert {READER_VERSION: content[:16]} == {1: "548993ea925dd493"}
