"""What early stopping reads and writes of epochs: the same in both databases."""

import math
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from search.queries import StudyReader
from search.records import TrialState
from search.storage.epochs import RungEpoch
from search.storage.repository import DONE_STATES, StudyStore
from search.storage.schema import StudyRow, TrialRow
from trainer.reporting import EpochReport, Phase

# One PostgreSQL server for all tests.
pytestmark = pytest.mark.xdist_group("store")

NewRow = Callable[..., StudyRow]


def _epoch(
    epoch: int, delta_mtl: float | None, flops: int | None, *, phase: Phase = "train", seconds: float = 2.0
) -> EpochReport:
    return EpochReport(
        epoch=epoch,
        num_epochs=9,
        phase=phase,
        losses={},
        metrics={},
        learning_rate=0.1,
        seconds=seconds,
        delta_mtl=delta_mtl,
        flops=flops,
    )


@pytest.fixture
def store(engine: sa.Engine, new_row: NewRow) -> StudyStore:
    """A study with four trials under way, beside another one that must not be mistaken for it."""
    for name in ("digits", "other"):
        store = StudyStore.create(engine, new_row(name))
        for number in range(4):
            store.open_trial(number, seed=number, num_epochs=9)
            store.start_attempt(number, "host/ns/1/2")
        store.record_epoch(0, _epoch(3, 99.0, 1))
    return StudyStore(engine, "digits")


def test_rungs_have_what_was_learned_at_them(engine: sa.Engine, store: StudyStore) -> None:
    flops = 3_000_000_000_000  # over 32 bits
    for number, epoch, delta in ((2, 3, -1.0), (0, 3, 1.5), (0, 1, 9.0), (1, 3, -2.0), (2, 9, 0.5)):
        store.record_epoch(number, _epoch(epoch, delta, flops))
    store.record_epoch(3, _epoch(3, math.nan, flops))
    store.record_epoch(3, _epoch(9, 1.0, flops, phase="finetune"))
    with Session(engine) as session, session.begin():
        session.execute(sa.update(TrialRow).where(TrialRow.number == 1).values(state=TrialState.VOID))
    assert store.rung_epochs([3, 9]) == [
        RungEpoch(0, 3, 1.5, flops),
        RungEpoch(2, 3, -1.0, flops),
        RungEpoch(2, 9, 0.5, flops),
    ]
    assert store.rung_epochs([]) == []


def test_stopped_trial_is_done_and_has_cost_its_epochs(store: StudyStore, url: str) -> None:
    store.record_epoch(1, _epoch(1, 0.0, 5, seconds=2.0))
    # Its worker died after the second epoch, which the next attempt trained again.
    store.record_epoch(1, _epoch(2, 0.0, 5, seconds=90.0))
    store.record_epoch(1, _epoch(2, 0.0, 5, seconds=3.0))
    store.stop_trial_early(1, "place 7 of the 9 trials")
    store.stop_trial_early(2, "place 8 of the 9 trials")
    view = StudyReader(url).view("digits")
    stopped, at_once = view.points[1], view.points[2]
    assert (stopped.state, stopped.cause) == (TrialState.STOPPED_EARLY, "place 7 of the 9 trials")
    assert stopped.state in DONE_STATES
    assert stopped.finished_at is not None
    assert (stopped.seconds, at_once.seconds) == (5.0, 0.0)
    assert not stopped.on_front


def test_epochs_of_trials_under_way_are_paid_for(store: StudyStore, url: str) -> None:
    before = StudyReader(url).view("digits").summary.seconds_spent
    assert before == 2.0
    store.record_epoch(1, _epoch(1, 0.0, 5, seconds=2.5))
    store.requeue_trial(1)
    assert StudyReader(url).view("digits").summary.seconds_spent == before + 2.5
    store.stop_trial_early(1, "stopped")
    assert StudyReader(url).view("digits").summary.seconds_spent == before + 2.5


def test_another_seed_is_known_as_such(engine: sa.Engine, store: StudyStore) -> None:
    with Session(engine) as session, session.begin():
        session.execute(sa.update(TrialRow).where(TrialRow.number == 3).values(confirms=0))
    assert [store.is_confirmation(number) for number in range(4)] == [False, False, False, True]
