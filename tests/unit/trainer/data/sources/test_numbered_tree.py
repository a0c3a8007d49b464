"""NYUv2 and Cityscapes as numbered files, on trees of two images per split that the test writes itself."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gatefront.trainer.data import IGNORE_INDEX, DataError, DataSpec, MultiTaskData, load_data
from gatefront.trainer.data.dataset import IMAGENET_MEAN, IMAGENET_STD

SIZES = {"nyuv2": (288, 384), "cityscapes": (128, 256), "cityscapes-parts": (256, 512)}


def write_libmtl(root: Path, name: str, numbers: range = range(2), size: tuple[int, int] | None = None) -> Path:
    """Image ``k`` is a ramp; its first rows are unlabelled."""
    height, width = SIZES[name] if size is None else size
    for split in ("train", "val"):
        for number in numbers:
            image = np.tile(np.linspace(0, 1, width), (height, 1)).astype(np.float32)
            label = np.full((height, width), 3.0 + number % 4)
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


def write_parts(root: Path, size: tuple[int, int] = SIZES["cityscapes-parts"]) -> Path:
    height, width = size
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


def load(name: str, root: Path, val_share: float = 0) -> MultiTaskData:
    options = {"val_share": val_share}
    return load_data(DataSpec(name=name, root=str(root), cache="off", options=options), root / "cache")


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
    with pytest.raises(DataError, match=r"1\.npy is 1x128x256, expected height x width x 1 or height x width "):
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


@pytest.mark.parametrize("name", ["nyuv2", "cityscapes"])
def test_load_libmtl_resized_tree_is_read_at_its_own_size(name: str, tmp_path: Path) -> None:
    data = load(name, write_libmtl(tmp_path, name, size=(64, 96)))
    assert data.description.input_size == (64, 96)
    sample = data.train[1]
    assert sample.image.shape == (3, 64, 96)
    assert sample.labels["semseg"].shape == (64, 96)
    assert sample.labels["depth"][0, 3:].unique().tolist() == [2.5]


@pytest.mark.parametrize(("size", "pixels"), [((256, 512), 10.0), ((128, 256), 5.0), ((512, 1024), 20.0)])
def test_load_cityscapes_parts_disparity_counts_pixels_of_the_size_seen(
    size: tuple[int, int], pixels: float, tmp_path: Path
) -> None:
    own = load("cityscapes-parts", write_parts(tmp_path / "own", size=size))
    assert own.description.input_size == size
    assert own.description.depth_unit == f"pixels of disparity at {size[0]}x{size[1]}"
    assert own.train[0].labels["disparity"][0, 9, 9] == pixels  # 40 pixels of disparity at 1024x2048
    text = f"{size[0]}x{size[1]}"
    published = write_parts(tmp_path / "published")
    resized = load_data(
        DataSpec(name="cityscapes-parts", root=str(published), cache="off", options={"size": text, "val_share": 0}),
        tmp_path,
    )
    assert resized.description.input_size == size
    assert resized.train[0].labels["disparity"][0, 9, 9] == pixels


@pytest.mark.parametrize(("split", "folder"), [("train", "image"), ("val", "image"), ("train", "depth")])
def test_load_libmtl_mixed_sizes_names_both_files_and_the_way_out(split: str, folder: str, tmp_path: Path) -> None:
    root = write_libmtl(tmp_path, "cityscapes")
    channels = 3 if folder == "image" else 1
    np.save(root / split / folder / "1.npy", np.zeros((64, 128, channels)))
    with pytest.raises(DataError) as error:
        load("cityscapes", root)
    assert f"{split}/{folder}/1.npy is 64x128" in str(error.value)
    assert "train/image/0.npy is 128x256" in str(error.value)
    assert 'Set size = "128x256" in [data.options]' in str(error.value)
    assert "layout" not in str(error.value)


def test_load_libmtl_with_size_is_another_fingerprint(tmp_path: Path) -> None:
    root = write_libmtl(tmp_path, "cityscapes")
    spec = DataSpec(name="cityscapes", root=str(root), cache="off", options={"size": "64x128", "val_share": 0})
    assert load_data(spec, tmp_path).fingerprint != load("cityscapes", root).fingerprint


def test_load_libmtl_overshoot_of_resizing_is_told_from_another_layout(tmp_path: Path) -> None:
    root = write_libmtl(tmp_path, "cityscapes")
    np.save(root / "train" / "image" / "0.npy", np.full((128, 256, 3), 1.04))
    with pytest.raises(DataError, match=r"has values from 1\.04 to 1\.04, expected 0 to 1\. Clip the images"):
        load("cityscapes", root).train[0]


def test_wrong_values_are_named(tmp_path: Path) -> None:
    root = write_libmtl(tmp_path, "cityscapes")
    np.save(root / "train" / "image" / "0.npy", np.full((128, 256, 3), 200.0))
    np.save(root / "train" / "label" / "1.npy", np.full((128, 256), 7.0))
    with pytest.raises(DataError, match=r"0\.npy has values from 200 to 200, expected 0 to 1"):
        load("cityscapes", root)
    np.save(root / "train" / "image" / "0.npy", np.zeros((128, 256, 3)))
    data = load("cityscapes", root)
    with pytest.raises(DataError, match=r"1\.npy has class 7 \(32,768 such pixels\), expected 0 to 6 or -1"):
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


@pytest.mark.parametrize("name", ["nyuv2", "cityscapes"])
def test_load_libmtl_official_validation_is_the_test_and_training_validates(name: str, tmp_path: Path) -> None:
    root = write_libmtl(tmp_path, name, range(10), size=(16, 32))
    official, own = load(name, root), load(name, root, val_share=0.2)
    sizes = (own.description.num_train, own.description.num_val, own.description.num_test)
    assert sizes == (8, 2, 10)
    assert (official.description.num_train, official.description.num_val, official.test) == (10, 10, None)
    files = [own.files[split].image_file(index) for split in ("train", "val") for index in range(len(own.files[split]))]
    assert sorted(files) == sorted((root / "train" / "image").iterdir())
    assert own.files["test"].image_file(0) == official.files["val"].image_file(0)
    assert official.fingerprint != own.fingerprint == load(name, root, val_share=0.2).fingerprint
