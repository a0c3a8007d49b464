"""What the doctor counts and draws of labels, against labels written out."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from gatefront.search.doctor.brightness import Brightness
from gatefront.search.doctor.check import Check
from gatefront.search.doctor.contact_sheet import draw_contact_sheet
from gatefront.search.doctor.label_checks import check_labels
from gatefront.search.doctor.label_counts import LabelCounts, evenly_spaced
from gatefront.search.doctor.label_pictures import UNKNOWN, class_color, image_picture, label_picture
from gatefront.search.doctor.label_words import label_words
from gatefront.search.doctor.legend import lay_out_legend
from gatefront.search.doctor.sheet_font import drawable, load_font
from gatefront.spaces import Task
from gatefront.trainer.data import IGNORE_INDEX, DataDescription, MultiTaskData, Sample
from gatefront.trainer.data.transforms.augmentation import Augmentation, augment

NAN = float("nan")
SEMSEG = Task(name="semseg", kind="segmentation", num_outputs=4)
DEPTH = Task(name="depth", kind="depth", num_outputs=1)
NORMALS = Task(name="normals", kind="normals", num_outputs=3)
EDGES = Task(name="edges", kind="edges", num_outputs=1)
ANIMAL = Task(name="animal", kind="classification", num_outputs=2)
LOOK = Task(name="look", kind="multilabel", num_outputs=3)
TASKS = (SEMSEG, DEPTH, NORMALS, EDGES, ANIMAL, LOOK)
NAMES = {"semseg": ("grass", "water", "cat", "dog"), "animal": ("cat", "dog"), "look": ("wet", "striped", "old")}

DOWN = torch.tensor([0.0, -1.0, 0.0]).view(3, 1, 1).expand(3, 2, 3)
LABELS = {
    "semseg": torch.tensor([[0, 0, 0], [2, 2, IGNORE_INDEX]]),
    "depth": torch.tensor([[[1.0, 2.0, 3.0], [NAN, NAN, 6.0]]]),
    "normals": DOWN,
    "edges": torch.tensor([[[1.0, 0.0, 0.0], [0.0, 0.0, NAN]]]),
    "animal": torch.tensor(1),
    "look": torch.tensor([1.0, 0.0, NAN]),
}
OTHER = {
    "semseg": torch.tensor([[1, 1, 1], [3, 3, 3]]),
    "depth": torch.tensor([[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]]),
    "normals": DOWN,
    "edges": torch.tensor([[[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]]),
    "animal": torch.tensor(0),
    "look": torch.tensor([0.0, 1.0, 1.0]),
}
"""With the labels above, every class and every answer occurs."""


class Listed(Dataset[Sample]):
    def __init__(self, *labels: Mapping[str, Tensor]) -> None:
        self._labels = labels

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, index: int) -> Sample:
        return Sample(torch.full((3, 2, 3), float(index)), self._labels[index])


def data_of(train: Dataset[Sample], val: Dataset[Sample]) -> MultiTaskData:
    description = DataDescription(
        tasks=TASKS, in_channels=3, input_size=(2, 3), mean=(0.5,) * 3, std=(0.25,) * 3, num_train=1, num_val=1,
        class_names=NAMES,
    )  # fmt: skip
    return MultiTaskData(description=description, train=train, val=val, fingerprint="")


def counted(task: Task, *labels: Tensor | None) -> LabelCounts:
    counts = LabelCounts(task)
    for label in labels:
        counts.add(label)
    return counts


def test_classes_are_shared_out_over_known_pixels() -> None:
    counts = counted(SEMSEG, LABELS["semseg"], None, torch.full((2, 3), IGNORE_INDEX))
    assert (counts.num_samples, counts.num_labelled, counts.num_foreign) == (3, 1, 0)
    assert counts.share_known == pytest.approx(5 / 6)
    assert counts.shares() == pytest.approx([3 / 5, 0, 2 / 5, 0])


def test_answers_are_shared_out_by_attribute() -> None:
    counts = counted(LOOK, LABELS["look"], torch.tensor([1.0, 1.0, NAN]))
    assert counts.shares() == pytest.approx([1.0, 0.5, 0.0])
    assert counted(EDGES, LABELS["edges"]).shares() == pytest.approx([1 / 5])


def test_ranges_leave_gaps_out() -> None:
    counts = counted(DEPTH, LABELS["depth"])
    assert (counts.low, counts.high, counts.mean) == pytest.approx((1.0, 6.0, 3.0))
    assert counts.share_known == pytest.approx(4 / 6)
    lengths = counted(NORMALS, DOWN, torch.where(torch.arange(3) == 0, torch.nan, 1.5 * DOWN))
    assert (lengths.shortest, lengths.longest) == pytest.approx((1.0, 1.5))
    assert lengths.share_known == pytest.approx(10 / 12)


def check(task: Task, *labels: Tensor) -> tuple[bool, str]:
    """The check of a task whose training labels are these, and whose validation labels are good."""
    train = Listed(*({task.name: label} for label in labels))
    found = {c.name: c for c in check_labels(TASKS, data_of(train, Listed(LABELS, OTHER)))}
    return found[f"labels of {task.name}"].passed, found[f"labels of {task.name}"].detail


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_good_labels_pass(task: Task) -> None:
    passed, detail = check(task, LABELS[task.name], OTHER[task.name])
    assert passed, detail
    assert "labelled: 100 % of training, 100 % of validation" in detail


@pytest.mark.parametrize(
    ("task", "label", "message"),
    [
        (SEMSEG, torch.tensor([[0, 4, 9], [0, 0, -1]]), "3 training values are no class of the task"),
        (ANIMAL, torch.tensor(2), "1 training values are no class of the task"),
        (
            DEPTH,
            torch.tensor([[[1.0, -2.0, torch.inf], [1.0, 1.0, NAN]]]),
            "2 training values are negative or infinite",
        ),
        (NORMALS, 0.9 * DOWN, "training normals have lengths from 0.9 to 0.9, expected 1"),
        (NORMALS, torch.inf * DOWN.abs().clamp(min=1), "18 training values are infinite"),
        (EDGES, torch.full((1, 2, 3), 255.0), "6 training values are neither 0 nor 1"),
        (LOOK, torch.tensor([-1.0, 1.0, 1.0]), "1 training values are neither 0 nor 1"),
        (DEPTH, torch.full((1, 2, 3), NAN), "no training sample that was looked at has a label"),
    ],
)
def test_values_that_no_label_holds_fail(task: Task, label: Tensor, message: str) -> None:
    passed, detail = check(task, label)
    assert not passed
    assert message in detail


TWO_OF_FOUR = torch.tensor([[0, 0, 0], [2, 2, 2]])
FROM_ONE = torch.tensor([[1, 1, 2], [2, 3, 3]])


@pytest.mark.parametrize(
    ("task", "label", "message"),
    [
        (
            SEMSEG,
            torch.tensor([[0, 0, 0], [0, IGNORE_INDEX, IGNORE_INDEX]]),
            "training labels have no class but 0 (grass), and 33.3 % of the pixels are ignored; see sample 0",
        ),
        (ANIMAL, torch.tensor(1), "training labels have no class but 1 (dog); see sample 0"),
        (LOOK, torch.tensor([1.0, 0.0, NAN]), "every attribute has one answer only in training labels; see sample 0"),
        (EDGES, torch.zeros(1, 2, 3), "no pixel of the training labels is 1; see sample 0"),
        (EDGES, torch.ones(1, 2, 3), "every pixel of the training labels is 1; see sample 0"),
        (DEPTH, torch.full((1, 2, 3), 2.5), "training depth is 2.5 everywhere; see sample 0"),
    ],
)
def test_check_labels_one_value_only_fails(task: Task, label: Tensor, message: str) -> None:
    passed, detail = check(task, label)
    assert not passed
    assert message in detail


@pytest.mark.parametrize(
    ("label", "ignored", "message"),
    [
        (FROM_ONE, (), "class 0 (grass) occurs in no label, as if the files counted from 1"),
        (FROM_ONE, (0,), ""),
        (TWO_OF_FOUR, (), "no classes but 0 (grass) and 2 (cat) occur; see sample 0"),
        (torch.tensor([[0, 0, 0], [1, 1, 1]]), (), ""),
        (TWO_OF_FOUR, (1, 3), ""),
    ],
)
def test_check_labels_odd_class_numbers_fail(label: Tensor, ignored: tuple[int, ...], message: str) -> None:
    split = Listed({"semseg": label})
    data = data_of(split, split)
    data = replace(data, description=replace(data.description, ignored_classes={"semseg": ignored}))
    (_, _, found) = check_labels((SEMSEG,), data)
    assert found.passed == (not message)
    assert message in found.detail


def test_check_labels_classes_of_few_images_or_with_names_may_lack_the_first() -> None:
    animal = Task(name="animal", kind="classification", num_outputs=3)
    one, two = {"animal": torch.tensor(1)}, {"animal": torch.tensor(2)}
    for names, count, passed in (
        (("cat", "dog", "cow"), 4, True),
        (("0", "1", "2"), 4, False),
        (("0", "1", "2"), 3, True),
    ):
        split = Listed(*[one, two] * count)
        data = data_of(split, split)
        data = replace(data, description=replace(data.description, class_names={"animal": names}))
        assert [check.passed for check in check_labels((animal,), data)] == [True, True, passed]


NO_TEST = "; validation only, as there is no test split"


def test_coverage_and_unseen_classes_are_told_per_split() -> None:
    checks = {c.name: c for c in check_labels(TASKS, data_of(Listed(LABELS, {}, {}, {}), Listed(LABELS)))}
    assert checks["samples"].detail == "4 for training, 1 for validation" + NO_TEST
    semseg = checks["labels of semseg"]
    assert "labelled: 25 % of training, 100 % of validation; of their pixels 83.33 %, 83.33 %" in semseg.more[0]
    assert semseg.more[1:3] == ("training  grass: 60 %, cat: 40 %", "training  never seen: water, dog")
    assert checks["labels of look"].more[1:3] == ("training  wet: 100 %", "training  never yes: striped, old")
    assert checks["labels of depth"].more == ("training  1 to 6, mean 3", "validation  1 to 6, mean 3")


def test_large_splits_are_looked_at_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gatefront.search.doctor.label_checks._MOST_SAMPLES", 2)
    samples = [LABELS if index in (0, 5) else {} for index in range(10)]
    checks = {c.name: c for c in check_labels(TASKS, data_of(Listed(*samples), Listed(LABELS)))}
    assert checks["samples"].detail == "10 for training (2 of them looked at), 1 for validation" + NO_TEST
    assert "labelled: 100 % of training" in checks["labels of animal"].more[0]
    assert evenly_spaced(10, 3) == [0, 3, 6]
    assert evenly_spaced(3, 10) == [0, 1, 2]


def test_pictures_show_what_labels_say() -> None:
    semseg = label_picture(SEMSEG, LABELS["semseg"])
    assert tuple(semseg[1, 2]) == UNKNOWN
    assert len({tuple(semseg[0, 0]), tuple(semseg[1, 0]), UNKNOWN}) == 3
    depth = label_picture(DEPTH, LABELS["depth"])
    assert depth[0].tolist() == [[0] * 3, [51] * 3, [102] * 3]
    assert depth[1].tolist() == [list(UNKNOWN), list(UNKNOWN), [255] * 3]
    assert label_picture(NORMALS, DOWN)[0, 0].tolist() == [128, 0, 128]
    edges = label_picture(EDGES, LABELS["edges"])
    assert edges[0, 0].tolist() == [255] * 3
    assert tuple(edges[1, 2]) == UNKNOWN
    description = data_of(Listed(), Listed()).description
    assert np.array_equal(image_picture(torch.zeros(3, 2, 3), description), np.full((2, 3, 3), 128))


def test_class_colours_differ() -> None:
    task = Task(name="many", kind="segmentation", num_outputs=60)
    colours = label_picture(task, torch.arange(60).view(6, 10)).reshape(-1, 3)
    assert len({tuple(colour) for colour in colours.tolist()} | {UNKNOWN}) == 61


def test_whole_image_labels_are_words() -> None:
    sample = Sample(torch.zeros(3, 2, 3), LABELS)
    assert label_words((ANIMAL, LOOK), sample, NAMES) == ["animal: dog", "look:", "  wet", "  1 ?"]
    assert label_words((ANIMAL, LOOK), Sample(sample.image, {}), NAMES) == ["animal: ?", "look: ?"]
    assert label_words((ANIMAL,), Sample(sample.image, {"animal": torch.tensor(7)}), {}) == [
        "animal: 7, which is no class"
    ]


def test_the_sheet_has_a_row_per_sample_and_shows_changed_ones(tmp_path: Path) -> None:
    plain = data_of(Listed(LABELS, {}), Listed(LABELS))
    sizes = []
    for data in (plain, augment(plain, Augmentation(flip=True))):
        path = tmp_path / "new" / "sheet.png"
        shown = draw_contact_sheet(TASKS, data, path)
        assert shown.passed
        assert str(path) in shown.detail
        with Image.open(path) as sheet:
            sizes.append(sheet.size)
            colours = {colour for _, colour in sheet.getcolors(maxcolors=1 << 20) or []}
        assert {UNKNOWN, (215, 215, 215)} <= colours  # unknown pixels, and whole labels that are not there
        # The legend has every class, also those that no sample shows.
        assert {class_color(number) for number in range(SEMSEG.num_outputs)} <= colours
    assert sizes[1][0] == sizes[0][0]
    assert sizes[1][1] > sizes[0][1]


def test_lay_out_legend_names_every_color_and_stays_within_the_width() -> None:
    font, description = load_font(11), data_of(Listed(), Listed()).description
    entries, height = lay_out_legend((SEMSEG, DEPTH, ANIMAL), description, 120, font)
    assert [entry.text for entry in entries] == [
        "semseg:", "0 grass", "1 water", "2 cat", "3 dog", "no label",
        "depth:", "black is …n metres", "no label",
    ]  # fmt: skip
    assert [entry.color for entry in entries[1:5]] == [class_color(number) for number in range(4)]
    assert entries[0].color is None
    assert all(entry.left + font.getlength(entry.text) <= 120 for entry in entries)
    assert all(0 <= entry.top < height for entry in entries)


def test_lay_out_legend_depth_has_the_unit_of_the_data() -> None:
    description = replace(data_of(Listed(), Listed()).description, depth_unit="inverse depth")
    texts = [entry.text for entry in lay_out_legend((DEPTH,), description, 900, load_font(11))[0]]
    assert texts[1] == "black is the smallest and white the largest value of each image, in inverse depth"


def test_drawable_text_has_only_known_characters_and_keeps_both_ends() -> None:
    font = load_font(11)
    assert drawable("größe 層", font) == "größe \\u5c64"
    shown = drawable("task-" + 200 * "x" + "-end", font, 100)
    assert font.getlength(shown) <= 100
    assert shown.startswith("task-xx")
    assert shown.endswith("xx-end")


def check_of(task: Task, train: Tensor, val: Tensor, **changes: Any) -> Check:
    data = data_of(Listed({task.name: train}), Listed({task.name: val}))
    data = replace(data, description=replace(data.description, **changes))
    return list(check_labels((task,), data))[-1]


def test_check_labels_normals_without_a_negative_component_fail() -> None:
    coded = torch.tensor([0.6, 0.8, 0.0]).view(3, 1, 1).expand(3, 2, 3)
    found = check_of(NORMALS, coded, coded)
    assert not found.passed
    assert found.detail == (
        "no normal has a negative component, as if (n + 1) / 2 were stored where n is read; see sample 0"
    )
    assert check_of(NORMALS, DOWN, coded).passed


def test_check_labels_depth_in_millimetres_fails_unless_it_is_no_depth_in_metres() -> None:
    depth = torch.tensor([[[900.0, 1200.0, 3000.0], [2000.0, 700.0, 4000.0]]])
    found = check_of(DEPTH, depth, LABELS["depth"])
    assert found.detail.startswith("training depth is 1,967 metres on average, as if the files counted millimetres")
    assert check_of(DEPTH, depth / 1000, LABELS["depth"]).passed
    assert check_of(DEPTH, depth, LABELS["depth"], depth_unit="inverse depth").passed


def test_check_labels_negative_depth_names_the_key_for_missing_values() -> None:
    depth = torch.tensor([[[-1.0, 2.0, 3.0], [-1.0, 5.0, 6.0]]])
    found = check_of(DEPTH, depth, LABELS["depth"])
    assert found.detail.startswith(
        "2 training values are negative or infinite (if -1 stands for no depth: `missing = -1`"
    )
    infinite = check_of(DEPTH, depth.abs() / torch.tensor([0.0, 1.0, 1.0]), LABELS["depth"])
    assert "`missing = inf`" in infinite.detail


@pytest.mark.parametrize(
    ("pixels", "passed", "message"),
    [
        (torch.linspace(0, 1, 18), True, "values from 0 to 1, of 0 for black and 1 for white"),
        (torch.linspace(0, 4095 / 65535, 18), False, "all images are almost black"),
        (torch.linspace(0, 1 / 255, 18), False, "all images are almost black"),
        (torch.full((18,), 0.5), False, "every pixel of every image is the same"),
    ],
)
def test_brightness_dark_or_even_images_fail(pixels: Tensor, passed: bool, message: str) -> None:
    description = data_of(Listed(), Listed()).description
    brightness = Brightness(description)
    brightness.add((pixels.view(3, 2, 3) - 0.5) / 0.25)
    assert brightness.check().passed is passed
    assert message in brightness.check().detail
