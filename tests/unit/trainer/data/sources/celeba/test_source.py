"""The CelebA reader, on trees of seven faces in each layout that the test writes itself."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gatefront.spaces.architecture.tasks import Task
from gatefront.trainer.data import DataError, DataSpec, MultiTaskData, describe_data, load_data
from gatefront.trainer.data.dataset import OptionValue
from gatefront.trainer.data.sources.celeba.attributes import ATTRIBUTES, GROUPS, select_tasks

SPLITS = (0, 0, 0, 0, 1, 1, 2)
NAMES = tuple(f"{number:06}.jpg" for number in range(1, 8))
SHOWN = np.where(np.random.default_rng(0).random((7, 40)) < 0.4, 1, -1)

FOLDERS = {
    "torchvision": ("", "", "img_align_celeba"),
    "nested torchvision": ("celeba", "celeba", "celeba/img_align_celeba"),
    "official": ("Anno", "Eval", "Img/img_align_celeba"),
    "csv": ("", "", "img_align_celeba/img_align_celeba"),
    "flat csv": ("", "", "img_align_celeba"),
}


def write_tree(root: Path, layout: str) -> Path:
    attributes, partition, images = (root / folder for folder in FOLDERS[layout])
    for folder in (attributes, partition, images):
        folder.mkdir(parents=True, exist_ok=True)
    if "csv" in layout:
        rows = [",".join((name, *map(str, row))) for name, row in zip(NAMES, SHOWN, strict=True)]
        (attributes / "list_attr_celeba.csv").write_text("\n".join((",".join(("image_id", *ATTRIBUTES)), *rows)))
        rows = [f"{name},{split}" for name, split in zip(NAMES, SPLITS, strict=True)]
        (partition / "list_eval_partition.csv").write_text("\n".join(("image_id,partition", *rows)))
    else:
        # As published: a trailing blank behind the names, values aligned to the right.
        rows = [f"{name} " + " ".join(f"{value:2}" for value in row) for name, row in zip(NAMES, SHOWN, strict=True)]
        text = "\n".join((str(len(NAMES)), " ".join(ATTRIBUTES) + " ", *rows)) + "\n"
        (attributes / "list_attr_celeba.txt").write_text(text)
        rows = [f"{name} {split}" for name, split in zip(NAMES, SPLITS, strict=True)]
        (partition / "list_eval_partition.txt").write_text("\n".join(rows) + "\n")
    for number, name in enumerate(NAMES):
        Image.new("RGB", (178, 218), (30 * number, 255, 0)).save(images / name)
    return root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_tree(tmp_path, "torchvision")


def load(root: Path, **options: OptionValue) -> MultiTaskData:
    return load_data(DataSpec(name="celeba", root=str(root), options=options), root / "cache")


@pytest.mark.parametrize("layout", FOLDERS)
def test_every_layout_says_the_same(tmp_path: Path, layout: str) -> None:
    data = load(write_tree(tmp_path, layout))
    assert (data.description.num_train, data.description.num_val, data.description.num_test) == (4, 2, 1)
    assert len(data.description.tasks) == 40
    for sample, row in ((data.train[1], 1), (data.val[1], 5), (data.test_split[0], 6)):
        assert sample.image.shape == (3, 64, 64)
        assert [int(label) for label in sample.labels.values()] == [int(value > 0) for value in SHOWN[row]]
        assert all(label.dtype == torch.int64 for label in sample.labels.values())


@pytest.mark.parametrize("separator", [";", "\t"])
def test_load_tables_with_other_separators_and_a_byte_order_mark_are_the_same(tmp_path: Path, separator: str) -> None:
    root = write_tree(tmp_path / "csv", "csv")
    expected = load(root).train[0].labels
    for table in root.glob("*.csv"):
        table.write_text("\ufeff" + table.read_text().replace(",", separator), encoding="utf-8")
    assert load(root).train[0].labels == expected


def test_test_split_and_size_are_options(root: Path) -> None:
    data = load(root, validate_on="test", size=32)
    assert data.description.num_val == 1
    assert data.test is None
    assert data.val[0].image.shape == (3, 32, 32)
    assert int(data.val[0].labels["male"]) == int(SHOWN[6, ATTRIBUTES.index("Male")] > 0)
    torch.testing.assert_close(data.val[0].image[1, 9, 9], torch.tensor((1 - 0.456) / 0.224), rtol=0, atol=0.1)


def test_groups_hold_every_attribute_once() -> None:
    assert len(GROUPS) == 8
    assert sorted(name for names in GROUPS.values() for name in names) == sorted(ATTRIBUTES)


def test_a_group_is_one_task_with_a_label_per_attribute(root: Path) -> None:
    data = load(root, tasks="groups")
    assert [task.num_outputs for task in data.description.tasks] == [len(names) for names in GROUPS.values()]
    label = data.train[2].labels["mouth"]
    assert label.dtype == torch.float32
    assert label.tolist() == [float(SHOWN[2, ATTRIBUTES.index(name)] > 0) for name in GROUPS["mouth"]]
    assert data.description.class_names["mouth"] == GROUPS["mouth"]


def test_chosen_attributes_and_groups_mix(root: Path) -> None:
    tasks = load(root, tasks="Smiling, hair,5_o_clock_shadow").description.tasks
    assert tasks == (
        Task(name="smiling", kind="classification", num_outputs=2),
        Task(name="hair", kind="multilabel", num_outputs=9),
        Task(name="five_o_clock_shadow", kind="classification", num_outputs=2),
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tasks": "smilling"}, r"no attribute or group 'smilling'.*'smiling'"),
        ({"tasks": "male,Male"}, "twice"),
        ({"tasks": ""}, "no attribute or group ''"),
        ({"size": 4}, "at least 8, found 4"),
        ({"size": 64.0}, r"a whole number, found 64\.0"),
        ({"size": True}, "a whole number, found True"),
        ({"validate_on": "train"}, "one of 'val', 'test', found 'train'"),
        ({"sise": 64}, "Did you mean 'size'"),
    ],
)
def test_bad_options_are_refused(options: dict[str, OptionValue], message: str) -> None:
    with pytest.raises(DataError, match=message):
        describe_data(DataSpec(name="celeba", options=options))


def test_described_without_files() -> None:
    description = describe_data(DataSpec(name="celeba"))
    assert (description.num_train, description.num_val, description.num_test) == (162_770, 19_867, 19_962)
    assert set(select_tasks("attributes")) == {task.name for task in description.tasks}


def test_the_fingerprint_follows_files_and_options(root: Path) -> None:
    first = load(root).fingerprint
    assert load(root).fingerprint == first
    assert load(root, tasks="groups").fingerprint != first
    Image.new("RGB", (178, 218)).save(root / "img_align_celeba" / NAMES[2])
    assert load(root).fingerprint != first


def test_missing_parts_are_named(root: Path) -> None:
    for name in NAMES[1:3]:
        (root / "img_align_celeba" / name).unlink()
    with pytest.raises(DataError, match=r"000002\.jpg is missing \(2 of 7 images are\)"):
        load(root)
    (root / "list_eval_partition.txt").unlink()
    with pytest.raises(DataError, match=r"nearest is torchvision's, which lacks list_eval_partition\.txt"):
        load(root)
    with pytest.raises(DataError, match=r"Set data\.root"):
        load_data(DataSpec(name="celeba"), root)


def test_broken_tables_are_explained(root: Path) -> None:
    table, partition = root / "list_attr_celeba.txt", root / "list_eval_partition.txt"
    text, splits = table.read_text(), partition.read_text()

    def expect(message: str) -> None:
        with pytest.raises(DataError, match=message):
            load(root)

    table.write_text(text.replace("7\n", "9\n", 1))
    expect("line 1 promises 9 images, 7 follow")
    table.write_text(text.replace("Bald Bangs", "Bangs Bald"))
    expect("line 2 does not name CelebA's 40 attributes")
    table.write_text(text.replace("000003.jpg", "000003.jpg  1"))
    expect(r"the entry of '000003\.jpg' is not a name and 40 values of -1, 1 \(1 of 7")
    table.write_text(text.replace("000003.jpg -1", "000003.jpg  0").replace("000003.jpg  1", "000003.jpg  0"))
    expect(r"the entry of '000003\.jpg'")
    table.write_text("")
    expect("is empty")
    table.write_text(text)
    partition.write_text(splits.replace("000004.jpg 0\n", ""))
    expect("has 6 images, .* has 7; they part at entry 4")
    partition.write_text(splits.replace(" 1\n", " 0\n"))
    expect(r"no image is in partition 1 \(val\)")
    partition.write_text(splits.replace(" 2\n", " 0\n"))
    expect(r"no image is in partition 2 \(test\)")


def test_images_that_are_not_aligned_are_refused(root: Path) -> None:
    Image.new("RGB", (400, 600)).save(root / "img_align_celeba" / NAMES[1])
    with pytest.raises(DataError, match=r"000002\.jpg is 600x400, .*000001\.jpg is 218x178.*aligned"):
        load(root).train[0]
