"""Figures on the test split in the store: beside the validation figures, seen by no choice, in both databases."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import sqlalchemy as sa
from alembic.runtime.environment import EnvironmentContext

from gatefront.search.driver.measurement_on_test import unmeasured_networks
from gatefront.search.errors import StudyNotFoundError
from gatefront.search.results.split_figures import SplitFigures
from gatefront.search.snapshots.reader import StudyReader
from gatefront.search.storage.database import migrate
from gatefront.search.storage.study_store import StudyStore
from gatefront.search.storage.tables.schema import StudyRow
from gatefront.trainer.reporting import NetworkResult, ReferenceResult, TrialResult

# One PostgreSQL server for all tests.
pytestmark = pytest.mark.xdist_group("store")


def reference(**changes: object) -> ReferenceResult:
    result = ReferenceResult(
        kind="single_task", key="alone", tasks=("a",), metrics={"a": 90.0}, flops=3 * 10**12, num_parameters=10,
        seconds=3.0, train_flops=1e9, path="x.pt", from_cache=False, test_metrics={"a": 88.0},
    )  # fmt: skip
    return replace(result, **changes)  # type: ignore[arg-type]


def delivered(delta_mtl: float, flops: int) -> TrialResult:
    fields = {
        "metrics": {"a": 90.0}, "delta_per_task": {"a": delta_mtl}, "delta_mtl": delta_mtl, "num_parameters": 5,
        "gate_map": None, "seconds": 1.0, "train_flops": 1.0, "network_path": "n.pt",
    }  # fmt: skip
    derived = NetworkResult(index=1, flops=flops // 2, **fields)  # type: ignore[arg-type]
    return TrialResult(
        flops=flops, flop_budget=None, flops_before_cut=flops, device="cpu", peak_memory_mib=1.0, environment={},
        derived=(derived,), **fields,
    )  # type: ignore[arg-type]  # fmt: skip


def figures(delta_mtl: float) -> SplitFigures:
    return SplitFigures(delta_mtl=delta_mtl, delta_per_task={"a": delta_mtl}, metrics={"a": 80.0 + delta_mtl})


@pytest.fixture
def store(engine: sa.Engine, new_row: Callable[..., StudyRow]) -> StudyStore:
    store = StudyStore.create(engine, new_row())
    store.record_reference("alone", reference(), is_baseline=True)
    hard = reference(kind="hard_sharing", key="hard", test_metrics={"a": 80.0})
    store.record_reference("hard", hard, is_baseline=True, delta_mtl=-5.0, test_delta_mtl=-9.0)
    return store


def complete(store: StudyStore, number: int, delta_mtl: float, *, confirms: int | None = None) -> None:
    store.open_trial(number, seed=number, num_epochs=1, params={}, confirms=confirms)
    store.complete_trial(number, delivered(delta_mtl, 10**12))


def confirmed_study(store: StudyStore) -> None:
    complete(store, 0, -1.0)
    complete(store, 1, -3.0)
    complete(store, 2, -2.0, confirms=0)
    complete(store, 3, -4.0, confirms=0)


def test_references_have_figures_on_both_splits(store: StudyStore, url: str) -> None:
    alone, hard = StudyReader(url).view("digits").references
    assert (alone.test_metrics, alone.test_delta_mtl, alone.test_gap) == ({"a": 88.0}, 0.0, 0.0)
    assert (hard.test_metrics, hard.test_delta_mtl, hard.test_gap) == ({"a": 80.0}, -9.0, -4.0)


def test_studies_without_a_test_split_have_validation_figures_only(
    engine: sa.Engine, url: str, new_row: Callable[..., StudyRow]
) -> None:
    store = StudyStore.create(engine, new_row())
    store.record_reference("alone", reference(test_metrics={}), is_baseline=True)
    confirmed_study(store)
    view = StudyReader(url).view("digits")
    assert not view.has_test_split
    assert view.references[0].test_delta_mtl is None
    assert unmeasured_networks(view) == []


def test_confirmed_networks_and_their_repeats_are_due_until_they_are_measured(store: StudyStore, url: str) -> None:
    reader = StudyReader(url)
    confirmed_study(store)
    due = [(0, 0), (0, 1), (2, 0), (3, 0), (2, 1), (3, 1)]
    assert unmeasured_networks(reader.view("digits")) == due
    for key in due[:4]:
        store.record_test_figures(*key, figures(-3.0))
    assert unmeasured_networks(reader.view("digits")) == due[4:]


def test_a_reader_that_has_the_study_in_memory_sees_new_figures(store: StudyStore, url: str) -> None:
    confirmed_study(store)
    reader = StudyReader(url)
    before = reader.view("digits")
    assert [point.test_delta_mtl for point in before.points] == [None, None]
    store.record_test_figures(0, 0, figures(-2.5))
    point = reader.view("digits").points[0]
    assert point.on_test == figures(-2.5)
    assert (point.test_delta_mtl, point.test_gap, point.test_half_width) == (-2.5, -1.5, None)
    store.record_test_figures(2, 0, figures(-3.0))
    store.record_test_figures(3, 0, figures(-7.0))
    point = reader.view("digits").points[0]
    assert point.test_confirmation is not None
    # The mean of both repeats on the test split, against their mean on the validation split.
    assert (point.test_delta_mtl, point.test_gap, point.test_confirmation.seeds) == (-5.0, -2.0, 2)
    assert reader.view("digits").points[0] == StudyReader(url).view("digits").points[0]
    assert reader.trial("digits", 0).point == point


def test_figures_on_the_test_split_change_no_choice(store: StudyStore, url: str) -> None:
    confirmed_study(store)
    before = StudyReader(url).view("digits")
    for key, delta_mtl in (((0, 0), -90.0), ((0, 1), -90.0), ((1, 0), 90.0), ((2, 0), -90.0), ((3, 0), -90.0)):
        store.record_test_figures(*key, figures(delta_mtl))
    after = StudyReader(url).view("digits")
    assert [(p.label, p.on_front, p.confirmation) for p in after.all_points] == [
        (p.label, p.on_front, p.confirmation) for p in before.all_points
    ]
    assert (after.summary.best_label, after.summary.best_delta_mtl, after.summary.hypervolume) == (
        before.summary.best_label, before.summary.best_delta_mtl, before.summary.hypervolume,
    )  # fmt: skip


def test_a_trial_completed_again_loses_the_figures_of_its_earlier_networks(store: StudyStore, url: str) -> None:
    confirmed_study(store)
    store.record_test_figures(0, 0, figures(-2.5))
    store.record_test_figures(1, 0, figures(-3.5))
    store.complete_trial(0, delivered(-1.5, 10**12))
    points = StudyReader(url).view("digits").points
    assert [point.on_test for point in points] == [None, figures(-3.5)]


def test_figures_of_an_unknown_trial_are_refused(store: StudyStore) -> None:
    with pytest.raises(StudyNotFoundError, match="no trial 7"):
        store.record_test_figures(7, 0, figures(0.0))


def test_the_table_comes_and_goes_with_the_migration(store: StudyStore, engine: sa.Engine, url: str) -> None:
    confirmed_study(store)
    store.record_test_figures(0, 0, figures(-2.5))
    downgrade(engine, "0011")
    assert not sa.inspect(engine).has_table("gatefront_test_figures")
    view = StudyReader(url).view("digits")
    assert [point.on_test for point in view.points] == [None, None]
    assert len(unmeasured_networks(view)) == 6


def downgrade(engine: sa.Engine, revision: str) -> None:
    """Back to an earlier release's schema, by the migrations' own way back."""
    config, scripts = migrate.load_migrations()
    back = EnvironmentContext(config, scripts, fn=lambda current, _: scripts._downgrade_revs(revision, current))
    with engine.begin() as connection, back as environment:
        environment.configure(connection=connection, version_table=migrate.VERSION_TABLE)
        environment.run_migrations()
