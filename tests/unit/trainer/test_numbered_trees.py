"""NYUv2 and Cityscapes as numbered files, on trees of two images per split that the test writes itself."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from trainer.data import IGNORE_INDEX, DataError, DataSpec, MultiTaskData, load_data
from trainer.data.dataset import IMAGENET_MEAN, IMAGENET_STD

SIZES = {"nyuv2": (288, 384), "cityscapes": (128, 256), "cityscapes-parts": (256, 512)}


def write_libmtl(root: Path, name: str, numbers: range = range(2)) -> Path:
    """Image ``k`` is a ramp; its first rows are unlabelled."""
    height, width = SIZES[name]
    for split in ("train", "val"):
        for number in numbers:
            image = np.tile(np.linspace(0, 1, width), (height, 1)).astype(np.float32)
            label = np.full((height, width), number + 3.0)
            label[:2] = -1
            depth = np.full((height, width, 1), 1.5 + number, np.float32)
            depth[:3] = 0
            normal = np.zeros((height, width, 3), np.float32)
            normal[4:, :, 0], normal[4:, :, 1] = 0.6, -0.8
            arrays = {"image": np.stack([image] * 3, axis=-1), "label": label, "depth": depth}
            for folder, array in (arrays | ({"normal": normal} if name == "nyuv2" else {})).items():
                path = root / split / folder / f"{number}.npy"
                path.parent.mkdir(parents=True, exist_ok=True)
                np.save(path, array)
    return root


def write_parts(root: Path) -> Path:
    height, width = SIZES["cityscapes-parts"]
    for split in ("train", "val"):
        for folder in ("image", "depth", "seg", "part_seg"):
            (root / split / folder).mkdir(parents=True)
        for number in range(2):
            Image.new("RGB", (width, height), (9, 60, 255)).save(root / split / "image" / f"{number}.png")
            depth = np.full((height, width), 1 + 256 * 40, np.uint16)
            depth[0], depth[1] = 0, 1
            Image.fromarray(depth).save(root / split / "depth" / f"{number}.png")
            seg = np.full((height, width), 26, np.uint8)
            seg[0], seg[1], seg[2], seg[3] = 0, 7, 33, 14
            Image.fromarray(seg).save(root / split / "seg" / f"{number}.png")
            parts = np.full((height, width), 7, np.int32)
            parts[:7] = np.array([24, 24_001, 2_400_101, 2_500_304, 2_602_305, 2_801_002, 3_200_101])[:, None]
            Image.fromarray(parts).save(root / split / "part_seg" / f"{number}.tif")
    return root


def load(name: str, root: Path) -> MultiTaskData:
    return load_data(DataSpec(name=name, root=str(root), cache="off"), root / "cache")


@pytest.mark.parametrize("name", ["nyuv2", "cityscapes"])
def test_libmtl_trees_are_read_as_they_are(name: str, tmp_path: Path) -> None:
    data = load(name, write_libmtl(tmp_path, name))
    assert (data.description.num_train, data.description.num_val) == (2, 2)
    sample = data.train[1]
    height, width = SIZES[name]
    assert sample.image.shape == (3, height, width)
    mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    ramp = torch.linspace(0, 1, width).expand(3, height, width)
    torch.testing.assert_close(sample.image * std + mean, ramp, atol=1e-5, rtol=0)
    assert sample.labels["semseg"][1:3, 0].tolist() == [IGNORE_INDEX, 4]
    assert sample.labels["depth"][0, 2, 0].isnan()
    assert sample.labels["depth"][0, 3:].unique().tolist() == [2.5]
    if name == "nyuv2":
        assert sample.labels["normals"][:, :4].isnan().all()
        torch.testing.assert_close(sample.labels["normals"][:, 9, 9], torch.tensor([0.6, -0.8, 0.0]))
    else:
        assert "normals" not in sample.labels


def test_hidden_files_of_macos_are_no_samples(tmp_path: Path) -> None:
    root = write_libmtl(tmp_path, "nyuv2")
    for folder in ("image", "label", "depth", "normal"):
        (root / "train" / folder / "._0.npy").touch()
    assert load("nyuv2", root).description.num_train == 2


def test_a_normal_whose_components_cancel_is_still_a_label(tmp_path: Path) -> None:
    root = write_libmtl(tmp_path, "nyuv2")
    normal = np.zeros((288, 384, 3), np.float32)
    normal[..., 0], normal[..., 1] = 0.7071, -0.7071
    np.save(root / "train" / "normal" / "0.npy", normal)
    assert not load("nyuv2", root).train[0].labels["normals"].isnan().any()


def test_auto_lambda_tree(tmp_path: Path) -> None:
    data = load("cityscapes-parts", write_parts(tmp_path))
    labels = data.val[0].labels
    assert data.val[0].image.shape == (3, 256, 512)
    assert labels["semseg"][:5, 0].tolist() == [IGNORE_INDEX, 0, 18, IGNORE_INDEX, 13]
    assert labels["parts"][:8, 0].tolist() == [0, 0, 1, 4, 9, 6, 0, 0]
    assert labels["disparity"][0, 0].isnan().all()
    assert labels["disparity"][0, 1:3, 0].tolist() == [0, 10]  # 40 pixels of disparity at full size


@pytest.mark.parametrize(
    ("folder", "what"), [("image", "images"), ("label", "semseg"), ("depth", "depth"), ("normal", "normals")]
)
def test_gaps_in_the_numbers_are_named(tmp_path: Path, folder: str, what: str) -> None:
    root = write_libmtl(tmp_path, "nyuv2", range(4))
    (root / "val" / folder / "1.npy").unlink()
    (root / "val" / folder / "2.npy").unlink()
    with pytest.raises(DataError, match=rf"^{what}: .*no 1\.npy, though its numbers go on to 3 \(2 are missing\)"):
        load("nyuv2", root)
    (root / "val" / folder / "3.npy").unlink()
    with pytest.raises(DataError, match=r"has (1|4) files, .* has (1|4)\."):
        load("nyuv2", root)


def test_foreign_names_and_shapes_are_counted(tmp_path: Path) -> None:
    root = write_libmtl(tmp_path, "cityscapes")
    np.save(root / "train" / "depth" / "1.npy", np.zeros((1, 128, 256)))
    with pytest.raises(DataError, match=r"1\.npy is 1x128x256, expected 128x256x1 or 128x256 \(1 of 2 files differ\)"):
        load("cityscapes", root)
    (root / "train" / "depth" / "1.npy").rename(root / "train" / "depth" / "01.npy")
    with pytest.raises(DataError, match=r"has 01\.npy, expected numbers \(1 are none\)"):
        load("cityscapes", root)


def test_foreign_dialects_are_sent_elsewhere(tmp_path: Path) -> None:
    parts = write_parts(tmp_path / "parts")
    with pytest.raises(DataError, match=r"no \.npy files, found \.png\. The data set `cityscapes-parts` reads"):
        load("cityscapes", parts)
    libmtl = write_libmtl(tmp_path / "libmtl", "cityscapes")
    with pytest.raises(DataError, match=r"no \.png files, found \.npy\. The data set `cityscapes` reads"):
        load("cityscapes-parts", libmtl)
    (libmtl / "val").rename(libmtl / "test")
    with pytest.raises(DataError, match=r"val/image has no \.npy files, found none"):
        load("cityscapes", libmtl)


def test_another_set_of_the_same_layout_is_told_by_its_size(tmp_path: Path) -> None:
    root = write_libmtl(tmp_path, "cityscapes")
    for split in ("train", "val"):
        shutil.copytree(root / split / "image", root / split / "normal")
    with pytest.raises(DataError, match=r"0\.npy is 128x256x3, expected 288x384x3 \(2 of 2 files differ\)"):
        load("nyuv2", root)


def test_wrong_values_are_named(tmp_path: Path) -> None:
    root = write_libmtl(tmp_path, "cityscapes")
    np.save(root / "train" / "image" / "0.npy", np.full((128, 256, 3), 200.0))
    np.save(root / "train" / "label" / "1.npy", np.full((128, 256), 7.0))
    with pytest.raises(DataError, match=r"0\.npy has values from 200 to 200, expected 0 to 1"):
        load("cityscapes", root)
    np.save(root / "train" / "image" / "0.npy", np.zeros((128, 256, 3)))
    data = load("cityscapes", root)
    with pytest.raises(DataError, match=r"1\.npy has class 7 \(32768 such pixels\), expected 0 to 6 or -1"):
        data.train[1]
    np.save(root / "train" / "label" / "1.npy", np.full((128, 256), 1.5))
    with pytest.raises(DataError, match=r"1\.npy holds values that are no class indices, such as 1\.5"):
        data.train[1]
    (root / "train" / "label" / "1.npy").write_bytes(b"")
    with pytest.raises(DataError, match=r"label/1\.npy cannot be read"):
        load("cityscapes", root)


def test_a_depth_picture_for_people_is_refused(tmp_path: Path) -> None:
    root = write_parts(tmp_path)
    data = load("cityscapes-parts", root)
    Image.new("L", (512, 256)).save(root / "train" / "depth" / "0.png")
    with pytest.raises(DataError, match=r"0\.png has 8 bits a pixel, expected 16"):
        data.train[0]
    Image.new("L", (512, 256), 40).save(root / "train" / "seg" / "1.png")
    with pytest.raises(DataError, match=r"1\.png has label 40"):
        data.train[1]


@pytest.mark.parametrize("name", ["nyuv2", "cityscapes"])
def test_the_fingerprint_follows_the_files(name: str, tmp_path: Path) -> None:
    root = write_libmtl(tmp_path, name)
    first = load(name, root).fingerprint
    assert load(name, root).fingerprint == first
    np.save(root / "val" / "depth" / "1.npy", np.ones((*SIZES[name], 1)))
    assert load(name, root).fingerprint != first
