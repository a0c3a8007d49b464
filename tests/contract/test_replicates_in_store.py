"""Repeats in the store: counted apart from the trials they confirm, in both kinds of database."""

from collections.abc import Callable

import optuna
import pytest
import sqlalchemy as sa
from optuna.distributions import FloatDistribution

from gatefront.search.results.states import TrialState
from gatefront.search.sampling.replicates import due_replicates, start_replicate
from gatefront.search.service.amendments import void_trial
from gatefront.search.snapshots.reader import StudyReader
from gatefront.search.storage.database.engine import open_optuna_storage
from gatefront.search.storage.study_store import StudyStore
from gatefront.search.storage.tables.schema import StudyRow
from gatefront.trainer.reporting import TrialResult

# One PostgreSQL server for all tests.
pytestmark = pytest.mark.xdist_group("store")

BUDGET = 1_500_000_000_000


def test_repeats_are_told_apart_and_make_the_mean(
    engine: sa.Engine, url: str, new_row: Callable[..., StudyRow], new_result: Callable[[float], TrialResult]
) -> None:
    store = StudyStore.create(engine, new_row())
    study = optuna.create_study(
        storage=open_optuna_storage(url), study_name="digits", directions=["maximize", "minimize"]
    )
    reader = StudyReader(url)

    def finish(trial: optuna.Trial, delta_mtl: float, confirms: int | None = None) -> None:
        store.open_trial(trial.number, params=trial.params, seed=trial.number, num_epochs=3, confirms=confirms)
        store.start_attempt(trial.number, "host:1")
        store.complete_trial(trial.number, new_result(delta_mtl))
        study.tell(trial, [delta_mtl, BUDGET])

    finish(study.ask({"gates.tau": FloatDistribution(0, 1)}), -2.0)
    due = due_replicates(reader.view("digits"), points=1, seeds=2)
    assert due == [0, 0]
    for number, delta_mtl in zip(due, (-3.0, -5.0), strict=True):
        finish(start_replicate(study, number), delta_mtl, confirms=number)

    assert store.trial_states() == {0: TrialState.COMPLETE}
    assert store.trial_states(replicates=True) == {1: TrialState.COMPLETE, 2: TrialState.COMPLETE}
    assert set(store.told_states()) == {0, 1, 2}
    view = reader.view("digits")
    (point,) = view.points
    assert point.confirmation is not None
    assert (point.delta_mtl, point.expected_delta_mtl, point.confirmation.seeds) == (-2.0, -4.0, 2)
    assert [
        (replicate.number, replicate.confirms, replicate.params == point.params) for replicate in view.replicates
    ] == [
        (1, 0, True),
        (2, 0, True),
    ]
    assert view.summary.best_delta_mtl == -4.0
    assert due_replicates(view, points=1, seeds=2) == []
    # Each trial's own page says the same as the study's.
    assert reader.trial("digits", 0).point == point
    assert reader.trial("digits", 2).point == view.replicates[1]

    void_trial(engine, "digits", 2, "the wrong data")
    view = reader.view("digits")
    assert view.points[0].confirmation is None
    assert due_replicates(view, points=1, seeds=2) == [0]
