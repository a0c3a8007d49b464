"""What early stopping reads and writes of epochs: the same in both databases."""

import math
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from gatefront.search.errors import StudyNotFoundError
from gatefront.search.results.gate_history import EpochGates
from gatefront.search.results.states import DONE_STATES, TrialState
from gatefront.search.snapshots.reader import StudyReader
from gatefront.search.storage.study_store import StudyStore
from gatefront.search.storage.tables.epochs import RungEpoch
from gatefront.search.storage.tables.schema import EpochGatesRow, StudyRow, TrialRow
from gatefront.spaces.gating.gate_counts import GateCounts, SiteCounts
from gatefront.trainer.reporting import EpochReport, Phase

# One PostgreSQL server for all tests.
pytestmark = pytest.mark.xdist_group("store")

NewRow = Callable[..., StudyRow]


def _epoch(
    epoch: int,
    delta_mtl: float | None,
    flops: int | None,
    *,
    phase: Phase = "train",
    seconds: float = 2.0,
    gates: GateCounts | None = None,
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
        gates=gates,
    )


def _gates(*own: tuple[int, int]) -> GateCounts:
    sites = (
        SiteCounts(name=f"layer{depth}.conv", num_channels=1536, flops_per_channel=1.5e9, own=counts)
        for depth, counts in enumerate(own)
    )
    return GateCounts(tasks=("left", "right"), sites=tuple(sites))


@pytest.fixture
def store(engine: sa.Engine, new_row: NewRow) -> StudyStore:
    """A study with four trials under way, beside another one that must not be mistaken for it."""
    for name in ("digits", "other"):
        store = StudyStore.create(engine, new_row(name))
        for number in range(4):
            store.open_trial(number, params={}, seed=number, num_epochs=9)
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
    assert [store.is_replicate(number) for number in range(4)] == [False, False, False, True]


def test_gates_of_every_epoch_come_back_as_they_were_reported(store: StudyStore, url: str) -> None:
    wide, narrow, cut = _gates((1536, 0), (7, 1536)), _gates((12, 0), (0, 3)), _gates((0, 0), (0, 3))
    store.record_epoch(1, _epoch(1, 0.0, 5, gates=wide))
    # The worker died behind its second epoch, and the next attempt ended it with other gates.
    store.record_epoch(1, _epoch(2, 0.0, 5, gates=wide))
    store.record_epoch(1, _epoch(2, 0.0, 5, gates=narrow))
    store.record_epoch(1, _epoch(3, 0.0, 5, phase="finetune", gates=cut))
    course = StudyReader(url).gate_history("digits", 1)
    assert course.num_epochs == 9
    assert course.epochs == (
        EpochGates(epoch=1, phase="train", gates=wide),
        EpochGates(epoch=2, phase="train", gates=narrow),
        EpochGates(epoch=3, phase="finetune", gates=cut),
    )


def test_trials_without_gates_and_those_before_them_have_no_course(store: StudyStore, url: str) -> None:
    store.record_epoch(1, _epoch(1, 0.0, 5))
    store.record_epoch(2, _epoch(1, 0.0, 5, gates=GateCounts(tasks=("left",), sites=())))
    for number in (1, 2, 3):
        assert StudyReader(url).gate_history("digits", number).epochs == ()
    with pytest.raises(StudyNotFoundError, match="no trial 9"):
        StudyReader(url).gate_history("digits", 9)


def test_gates_of_an_epoch_take_a_few_hundred_bytes(engine: sa.Engine, store: StudyStore) -> None:
    """Of a network of 50 sites and three tasks: ten thousand trials of tens of epochs stay within a few hundred MB."""
    sites = (
        SiteCounts(name=f"stage{depth}.block.conv", num_channels=512, flops_per_channel=1.0, own=(500, 7, 64))
        for depth in range(50)
    )
    store.record_epoch(1, _epoch(1, 0.0, 5, gates=GateCounts(tasks=("a", "b", "c"), sites=tuple(sites))))
    with Session(engine) as session:
        size = session.scalar(sa.select(sa.func.length(sa.cast(EpochGatesRow.own, sa.Text))))
    assert size is not None
    assert 0 < size < 900
