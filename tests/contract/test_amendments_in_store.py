"""Events, voids and extensions in the store, in both kinds of database, also one of an earlier release."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy.orm import Session

from gatefront.search.errors import AmendmentError, StudyNotFoundError
from gatefront.search.results.states import StudyState, TrialState
from gatefront.search.service.amendments import extend, unvoid_trial, void_trial
from gatefront.search.snapshots.reader import StudyReader
from gatefront.search.storage.database import migrate
from gatefront.search.storage.lease import Lease
from gatefront.search.storage.study_store import StudyStore
from gatefront.search.storage.tables.schema import StudyRow, TrialRow

NewRow = Callable[..., StudyRow]

# One PostgreSQL server for all tests.
pytestmark = pytest.mark.xdist_group("store")


@pytest.fixture
def store(engine: sa.Engine, new_row: NewRow) -> StudyStore:
    store = StudyStore.create(engine, new_row())
    store.open_trial(0, params={}, seed=0, num_epochs=3)
    store.fail_trial(0, "the loss is NaN")
    store.open_trial(1, params={}, seed=1, num_epochs=3)
    return store


def test_void_and_back(store: StudyStore, engine: sa.Engine, url: str) -> None:
    void_trial(engine, "digits", 0, "  a broken GPU ")
    assert store.trial_states() == {0: TrialState.VOID, 1: TrialState.QUEUED}
    assert store.told_states() == {0: TrialState.FAILED, 1: TrialState.QUEUED}
    assert store.void_trials() == {0}
    assert StudyReader(url).view("digits").points[0].cause == "a broken GPU"
    with pytest.raises(AmendmentError, match="void already"):
        void_trial(engine, "digits", 0, "again")
    assert unvoid_trial(engine, "digits", 0) is TrialState.FAILED
    assert store.trial_states() == store.told_states() == {0: TrialState.FAILED, 1: TrialState.QUEUED}
    assert store.void_trials() == frozenset()
    with pytest.raises(AmendmentError, match="not void"):
        unvoid_trial(engine, "digits", 0)
    events = StudyReader(url).view("digits").events
    assert [(event.kind, event.detail) for event in events] == [
        ("voided", "trial 0: a broken GPU"),
        ("unvoided", "trial 0"),
    ]
    assert all(abs((event.at - datetime.now(UTC)).total_seconds()) < 600 for event in events)


def test_what_is_refused_leaves_no_trace(store: StudyStore, engine: sa.Engine, url: str) -> None:
    revision = StudyReader(url).revision("digits")
    with pytest.raises(AmendmentError, match="QUEUED"):
        void_trial(engine, "digits", 1, "why")
    with pytest.raises(AmendmentError, match="at least 1 more, found 0"):
        extend(engine, "digits", 0)
    with pytest.raises(StudyNotFoundError, match="no trial 9"):
        void_trial(engine, "digits", 9, "why")
    with pytest.raises(StudyNotFoundError, match="no study 'other'"):
        extend(engine, "other", 1)
    view = StudyReader(url).view("digits")
    assert (view.revision, view.events) == (revision, ())


@pytest.mark.parametrize(
    ("state", "driven", "after"),
    [
        (StudyState.COMPLETE, False, StudyState.STOPPED),
        (StudyState.STOPPED, False, StudyState.STOPPED),
        (StudyState.FAILED, False, StudyState.FAILED),
        (StudyState.RUNNING, True, StudyState.RUNNING),
    ],
)
def test_extending(
    store: StudyStore, engine: sa.Engine, url: str, state: StudyState, driven: bool, after: StudyState
) -> None:
    store.set_state(state)
    if driven:
        Lease(engine, "digits").acquire()
    assert extend(engine, "digits", 3) is driven
    summary = StudyReader(url).view("digits").summary
    assert (summary.num_trials, summary.state) == (7, after)


def test_events_are_of_their_study(store: StudyStore, engine: sa.Engine, url: str, new_row: NewRow) -> None:
    StudyStore.create(engine, new_row("other"))
    extend(engine, "digits", 1)
    assert StudyReader(url).view("other").events == ()


def test_a_database_of_before_is_upgraded_when_read(store: StudyStore, engine: sa.Engine, url: str) -> None:
    _downgrade(engine, "0005")
    assert "gatefront_events" not in sa.inspect(engine).get_table_names()
    view = StudyReader(url).view("digits")
    assert (view.points[0].state, view.events, view.summary.started_from) == (TrialState.FAILED, (), None)
    void_trial(engine, "digits", 0, "why")
    with Session(engine) as session:
        assert session.get_one(TrialRow, ("digits", 0)).voided_from == TrialState.FAILED


def _downgrade(engine: sa.Engine, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(migrate.__file__).replace("migrate.py", "migrations"))
    scripts = ScriptDirectory.from_config(config)
    back = EnvironmentContext(config, scripts, fn=lambda current, _: scripts._downgrade_revs(revision, current))
    with engine.begin() as connection, back as environment:
        environment.configure(connection=connection, version_table=migrate.VERSION_TABLE)
        environment.run_migrations()
