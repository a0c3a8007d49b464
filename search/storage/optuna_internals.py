"""All uses of Optuna beyond its documented API. Each minor release may change it."""

from collections.abc import Callable, Container
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy as sa
from optuna.distributions import BaseDistribution
from optuna.storages._rdb import models
from optuna.trial import FrozenTrial
from optuna.trial import TrialState as OptunaState

STORAGE_METHODS = (
    "create_new_study",
    "set_study_system_attr",
    "set_study_user_attr",
    "get_study_id_from_name",
    "get_study_name_from_id",
    "get_study_directions",
    "get_study_user_attrs",
    "get_study_system_attrs",
    "get_all_studies",
    "_create_new_trial",
    "_set_trial_param",
    "set_trial_user_attr",
    "set_trial_system_attr",
    "get_trial",
    "get_trial_id_from_study_id_trial_number",
    "_get_trials",
)
"""Methods of ``RDBStorage`` that Optuna's cache in front of it calls on behalf of a study.

Each is one transaction. All may be repeated except the creation of a trial. If its response is lost, the trial is
RUNNING without an owner until its driver's session ends.
"""

MIGRATIONS = Path(optuna.__file__).parent / "storages" / "_rdb" / "alembic"
"""Optuna's Alembic scripts."""

STORED_STUDIES: sa.Table = models.StudyModel.__table__
STORED_TRIALS: sa.Table = models.TrialModel.__table__
"""Optuna's tables, used by `gatefront db check` alone. Results are read from our tables."""


class StudyWithTrials(optuna.Study):
    """Study of the same storage whose samplers see ``trials_of`` the stored trials instead of the stored ones."""

    def __init__(self, study: optuna.Study, trials_of: Callable[[list[FrozenTrial]], list[FrozenTrial]]) -> None:
        # Both share the cache of trials for the length of one `ask`.
        self.__dict__.update(study.__dict__)
        self._trials_of = trials_of

    def _get_trials(
        self, deepcopy: bool = True, states: Container[OptunaState] | None = None, use_cache: bool = False
    ) -> list[FrozenTrial]:
        found = self._trials_of(super()._get_trials(deepcopy=deepcopy, use_cache=use_cache))
        return [trial for trial in found if states is None or trial.state in states]


def trial_handle(study: optuna.Study, trial: FrozenTrial) -> optuna.Trial:
    """Return the handle of an unfinished trial, as ``ask`` returned it."""
    return optuna.Trial(study, trial._trial_id)


def begin_trial(study: optuna.Study, template: FrozenTrial) -> optuna.Trial:
    """Store ``template`` as a new trial and return its handle. No other process can receive this trial."""
    return optuna.Trial(study, study._storage.create_new_trial(study._study_id, template_trial=template))


def set_system_attribute(study: optuna.Study, trial: FrozenTrial, name: str, value: Any) -> None:
    """Store an attribute of a trial that only samplers use."""
    study._storage.set_trial_system_attr(trial._trial_id, name, value)


def contains(distribution: BaseDistribution, value: Any) -> bool:
    """Return whether a distribution contains the value."""
    try:
        return distribution._contains(distribution.to_internal_repr(value))
    except ValueError:
        return False  # a category that it does not list
