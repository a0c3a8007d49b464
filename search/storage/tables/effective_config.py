"""Effective configuration of a study: its study file with the values that replaced the file's."""

import json

from gatefront.search.config.latency import LatencyRule
from gatefront.search.config.overrides import StudyOverrides
from gatefront.search.config.study_config import StudyConfig
from gatefront.search.config.study_file import check_study, parse_study
from gatefront.search.storage.tables.schema import StudyRow


def load_config(row: StudyRow) -> StudyConfig:
    """Return the configuration that the study runs with.

    Raises:
        StudyFileError: an earlier release allowed something that this one does not.
    """
    return _config_of_earlier_release(row) if row.config is None else check_study(json.loads(row.config))


def store_config(row: StudyRow, config: StudyConfig) -> None:
    """Store the configuration that the study runs with, with the row's number of trials."""
    config = StudyOverrides(trials=row.num_trials).apply(config)
    # Defaults are left out because some rules, such as that of `grid_points`, apply to written values only.
    row.config = json.dumps(config.model_dump(mode="json", exclude_unset=True))


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
