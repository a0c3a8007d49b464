"""Effective configuration of a study: its study file with the values that replaced the file's."""

import json

from gatefront.search.config.distillation import DistillationSection
from gatefront.search.config.latency import LatencyRule
from gatefront.search.config.overrides import StudyOverrides
from gatefront.search.config.parameters import max_value
from gatefront.search.config.study_config import StudyConfig
from gatefront.search.config.study_file import check_study, parse_study
from gatefront.search.storage.tables.schema import StudyRow

_KNOWS_TEST = "knows_test_split"
"""Mark of a stored configuration that was written by a release whose data have a test split."""

_DISTILLATION = "distillation"
"""Table that every stored configuration has since there is one."""


def load_config(row: StudyRow) -> StudyConfig:
    """Return the configuration that the study runs with.

    Raises:
        StudyFileError: an earlier release allowed something that this one does not.
    """
    if row.config is None:
        return _with_earlier_data(_as_begun(_config_of_earlier_release(row)))
    document = json.loads(row.config)
    knows_test = document.pop(_KNOWS_TEST, False)
    config = check_study(document) if _DISTILLATION in document else _as_begun(check_study(document))
    return config if knows_test else _with_earlier_data(config)


def store_config(row: StudyRow, config: StudyConfig) -> None:
    """Store the configuration that the study runs with, with the row's number of trials."""
    config = StudyOverrides(trials=row.num_trials).apply(config)
    # Defaults are left out because some rules, such as that of `grid_points`, apply to written values only.
    document = config.model_dump(mode="json", exclude_unset=True)
    document[_DISTILLATION] = config.distillation.model_dump(mode="json")
    row.config = json.dumps(document | {_KNOWS_TEST: True})


def _as_begun(config: StudyConfig) -> StudyConfig:
    """Return the configuration of a study that a release without distillation began, with that release's defaults.

    Its trials would else differ from those that are trained already. All its trainings ended with their last epoch.
    """
    train = config.train.model_copy(update={"keep": "last"})
    if "reference_epochs" not in train.model_fields_set:
        train = train.model_copy(update={"reference_epochs": max_value(train.epochs)})
    return config.model_copy(update={_DISTILLATION: DistillationSection(weight=0.0), "train": train})


def _with_earlier_data(config: StudyConfig) -> StudyConfig:
    """Return the configuration with the data as they were before there was a test split.

    All trials of a study are trained and measured on the same samples.
    """
    # Imported here, because torch comes with the sources of data and takes seconds.
    from gatefront.trainer.data.registry import earlier_options

    options = earlier_options(config.data.name, config.data.options)
    return config.model_copy(update={"data": config.data.model_copy(update={"options": options})})


def _config_of_earlier_release(row: StudyRow) -> StudyConfig:
    """Return the study file with the values that releases before schema 0011 stored in separate columns."""
    overrides = StudyOverrides(
        flop_budget=row.flop_budget_text or None,
        param_budget=row.param_budget_text or None,
        latency_budget_ms=None if row.latency is None else LatencyRule(**row.latency).budget_ms,
        trials=row.num_trials,
        workers=row.num_workers,
    )
    return overrides.apply(parse_study(row.file_text))
