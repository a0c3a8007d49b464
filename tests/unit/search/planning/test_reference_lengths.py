"""Lengths of references: as written, or automatic from that of the longest trial."""

import pytest

from gatefront.search.config.study_config import StudyConfig
from gatefront.search.config.study_file import parse_study
from gatefront.search.errors import StudyFileError
from gatefront.search.planning.reference_lengths import (
    ReferenceLength,
    hard_sharing_length,
    shared_init_length,
    single_task_length,
)

STUDY = '[study]\nname = "s"\n[data]\nname = "digits"\n'


def study(train: str, more: str = "") -> StudyConfig:
    return parse_study(f"{STUDY}[train]\n{train}\n{more}")


def test_default_begins_with_the_longest_trial() -> None:
    config = study("epochs = {choices = [2, 5]}", "[gates]\nfinetune_epochs = 3")
    automatic = ReferenceLength(8, is_auto=True)
    assert single_task_length(config) == shared_init_length(config) == hard_sharing_length(config) == automatic
    assert automatic.most_epochs == 8 + 16 + 32 + 64


def test_written_epochs_are_kept() -> None:
    config = study('epochs = 2\nreference_epochs = 6\nhard_sharing_epochs = 4\nshared_init_epochs = "auto"')
    assert single_task_length(config) == ReferenceLength(6)
    assert hard_sharing_length(config) == ReferenceLength(4)
    assert shared_init_length(config) == ReferenceLength(3, is_auto=True)
    assert ReferenceLength(6).most_epochs == 6


def test_network_of_the_shared_branch_trains_as_the_single_tasks_do() -> None:
    assert shared_init_length(study("reference_epochs = 6")) == ReferenceLength(6)


def test_without_gates_nothing_is_fine_tuned_and_no_branch_is_shared() -> None:
    config = study("epochs = 2", '[family]\nname = "mtan"')
    assert single_task_length(config) == ReferenceLength(2, is_auto=True)
    assert shared_init_length(config) is None
    assert shared_init_length(study("epochs = 2", '[gates]\nshared_init = "random"')) is None


@pytest.mark.parametrize("value", ['"long"', "0", "1.5"])
def test_other_lengths_are_refused(value: str) -> None:
    found = value.strip('"')
    with pytest.raises(StudyFileError, match=rf"train.reference_epochs: must be .*at least 1, or .auto.*{found}"):
        study(f"reference_epochs = {value}")
