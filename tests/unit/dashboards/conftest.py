"""A sample study that grows, and the fixtures that hand it out. Also used by the browser tests."""

import math
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gatefront.search.comparison import ComparisonTable, Subject, comparison_table
from gatefront.search.doctor.check import Check
from gatefront.search.errors import StudyNotFoundError
from gatefront.search.results.comparison_table import SystemRun
from gatefront.search.results.gate_history import EpochGates, GateHistory
from gatefront.search.results.records import (
    EpochPoint,
    HypervolumePoint,
    PointDetail,
    StudySummary,
    StudyView,
    TaskRecord,
    TrialDetail,
    TrialPoint,
)
from gatefront.search.results.reference_point import ReferencePoint
from gatefront.search.results.states import StudyState, TrialState
from gatefront.search.service.control.study_control import StartOptions
from gatefront.search.snapshots.study_status import StudyStatus
from gatefront.search.snapshots.system_status import DatabaseHealth, RunningTrial, StudyDisk, StudyLoad, SystemView
from gatefront.search.snapshots.trial_provenance import TrialProvenance
from gatefront.spaces.errors import GatefrontError
from gatefront.spaces.gating.gate_counts import GateCounts
from gatefront.spaces.gating.gate_map import GateMap, GateSite

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SINGLE_TASK_FLOPS = 2_700_000
FLOOR_FLOPS = 1_050_000
BUDGET = 1_215_000
NUM_TRIALS = 12

TASKS = (
    TaskRecord(name="left", kind="classification", metric="accuracy %", higher_is_better=True),
    TaskRecord(name="right", kind="classification", metric="accuracy %", higher_is_better=True),
    TaskRecord(name="orientation", kind="classification", metric="accuracy %", higher_is_better=True),
)
_SINGLE = {"left": 93.4, "right": 92.8, "orientation": 98.7}
_HARD = {"left": 80.1, "right": 79.6, "orientation": 90.3}
# (Δ_MTL, FLOPs, what was asked) of the points derived from trial 7: a dominated one, and one on the front.
_DERIVED = ((-9.5, 1_109_000, 1_110_000), (-5.9, 1_148_000, 1_150_000))
# (Δ_MTL, FLOPs) of the sample's complete trials; trials 3 and 8 end otherwise.
_VALUES = {
    0: (-10.4, 1_071_000), 1: (-7.9, 1_128_000), 2: (-6.1, 1_203_000), 4: (-9.8, 1_190_000), 5: (-5.2, 1_168_000),
    6: (-8.6, 1_098_000), 7: (-3.1, 1_212_000), 9: (-6.6, 1_120_000), 10: (-4.4, 1_193_000), 11: (-7.4, 1_150_000),
}  # fmt: skip


class SampleReader:
    """A `Reader` over the sample study; `grow` finishes its next trial."""

    def __init__(self, num_finished: int = NUM_TRIALS) -> None:
        self.num_finished = num_finished
        self.override: Callable[[StudyView], StudyView] = lambda view: view
        self.error: Exception | None = None
        self.num_views = 0
        self.comparisons: dict[str, ComparisonTable] = {}

    def grow(self) -> None:
        self.num_finished += 1

    def list_studies(self) -> tuple[StudySummary, ...]:
        self._raise()
        return (self._view().summary,)

    def view(self, study: str) -> StudyView:
        self._check(study)
        self.num_views += 1
        return self._view()

    def list_comparisons(self) -> tuple[str, ...]:
        self._raise()
        return tuple(self.comparisons)

    def comparison(self, name: str) -> ComparisonTable:
        self._raise()
        if name not in self.comparisons:
            raise StudyNotFoundError(f"there is no comparison {name!r}.")
        return self.comparisons[name]

    def comparison_revision(self, name: str) -> str:
        return str(len(self.comparison(name).lines))

    def revision(self, study: str) -> str:
        self._check(study)
        return self._view().revision

    def trial(self, study: str, number: int) -> TrialDetail:
        self._check(study)
        for point in self._view().points:
            if point.number == number:
                return sample_trial(point, [derived for derived in self._view().derived if derived.number == number])
        raise StudyNotFoundError(f"study {study!r} has no trial {number}.")

    def gate_history(self, study: str, number: int) -> GateHistory:
        return sample_gate_course(self.trial(study, number))

    def status(self, study: str) -> StudyStatus:
        self._check(study)
        summary = self._view().summary
        ended = (TrialState.COMPLETE, TrialState.FAILED, TrialState.STOPPED_EARLY)
        num_done = sum(summary.state_counts.get(state, 0) for state in ended)
        return StudyStatus(
            state=summary.state, num_trials=summary.num_trials, num_done=num_done, events=self._view().events
        )

    def provenance(self, study: str, number: int) -> TrialProvenance:
        point = self.trial(study, number).point
        return TrialProvenance(
            confirms=point.confirms, confirmed_by=(), started_from=None, initial="", references=("a", "b", "hard"),
            worker="node-1, process 4711", log="" if point.epoch == 0 else f"epoch {point.epoch} of 8: left 80.1\n",
            log_dir=f"/data/runs/digits/trials/{number}",
        )  # fmt: skip

    def system(self) -> SystemView:
        self._raise()
        return sample_system(self._view())

    def network_path(self, study: str, number: int, derived: int = 0) -> Path:
        self._check(study)
        return Path("/data/runs/digits/trials") / str(number) / "network.pt"

    def cache_dir(self, study: str) -> Path:
        self._check(study)
        return Path("/data/runs/cache")

    def study_file(self, study: str) -> str:
        self._check(study)
        return '[study]\nname = "digits"\nflop_budget = "45%"\n'

    def _view(self) -> StudyView:
        return self.override(sample_view(self.num_finished))

    def _check(self, study: str) -> None:
        self._raise()
        if study != "digits":
            raise StudyNotFoundError(f"there is no study {study!r}.", hint="`gatefront status` lists the studies.")

    def _raise(self) -> None:
        if self.error is not None:
            raise self.error


class SampleControl:
    """A `StudyControl` that notes what it is asked. ``held`` keeps the doctor before its last check until it is set."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []
        self.error: GatefrontError | None = None
        self.last_passes = True
        self.held = threading.Event()
        self.held.set()

    def examine(self, text: str, options: StartOptions) -> Iterator[Check]:
        self._note("examine", text, options)
        yield Check("networks", True, "floor 38.9 %, ceiling 100 % of single-task.")
        yield Check("disk", True, "20.1 GB free, about 0.2 GB needed.")
        self.held.wait(60)
        yield Check("first steps", self.last_passes, "one batch can be learned by heart.", ("left: 2.1 to 0.01",))

    def start(self, text: str, options: StartOptions, *, actor: str) -> str:
        self._note("start", text, options, actor)
        return "digits"

    def resume(self, study: str, *, workers: int | None = None, hours: float | None = None, actor: str) -> None:
        self._note("resume", study, workers, hours, actor)

    def stop(self, study: str, *, actor: str) -> None:
        self._note("stop", study, actor)

    def extend(self, study: str, more: int, *, actor: str) -> bool:
        self._note("extend", study, more, actor)
        return True

    def set_hours(self, study: str, hours: float | None, *, actor: str) -> None:
        self._note("set_hours", study, hours, actor)

    def void(self, study: str, number: int, reason: str, *, actor: str) -> None:
        self._note("void", study, number, reason, actor)

    def unvoid(self, study: str, number: int, *, actor: str) -> None:
        self._note("unvoid", study, number, actor)

    def _note(self, *call: object) -> None:
        if self.error is not None:
            raise self.error
        self.calls.append(call)


def sample_view(num_finished: int = NUM_TRIALS) -> StudyView:
    """The study after ``num_finished`` trials; while some are left, two more run."""
    numbers = range(min(num_finished + 2, NUM_TRIALS))
    raw = [_point(number, finished=number < num_finished) for number in numbers]
    raw_derived = [_derived_point(raw[7], index) for index in (1, 2)] if num_finished > 7 else []
    points = tuple(replace(point, on_front=_on_front(point, raw + raw_derived)) for point in raw)
    derived = tuple(replace(point, on_front=_on_front(point, raw + raw_derived)) for point in raw_derived)
    complete = [point for point in points if point.state is TrialState.COMPLETE]
    best = max(complete, key=lambda point: point.delta_mtl or -math.inf, default=None)
    state = StudyState.COMPLETE if num_finished >= NUM_TRIALS else StudyState.RUNNING
    history = _history(complete)
    summary = StudySummary(
        name="digits", state=state, message="", created_at=START, num_trials=NUM_TRIALS,
        state_counts=dict(Counter(point.state for point in points)), flop_budget=BUDGET, flop_budget_text="45%",
        single_task_flops=SINGLE_TASK_FLOPS, floor_flops=FLOOR_FLOPS, tasks=TASKS,
        best_trial=best.number if best else None, best_label=best.label if best else None,
        best_delta_mtl=best.delta_mtl if best else None,
        hypervolume=history[-1].hypervolume if history else None, seconds_spent=41.0 + 19.0 * num_finished,
        eta_seconds=None if state is StudyState.COMPLETE else 9.5 * (NUM_TRIALS - num_finished),
        data="digits", backbone="smallconv", storage_dir="runs",
    )  # fmt: skip
    return StudyView(
        revision=f"{num_finished}",
        summary=summary,
        points=points,
        references=sample_references(),
        hypervolume=history,
        derived=derived,
    )


def sample_system(view: StudyView) -> SystemView:
    summary = view.summary
    running = [point for point in view.points if point.state is TrialState.RUNNING]
    load = StudyLoad(
        study="digits", state=summary.state, message="", driver="node-0, process 17", heartbeat_at=START,
        num_workers=2, num_running=len(running), num_queued=0, num_left=summary.num_trials - len(view.points),
    )  # fmt: skip
    database = DatabaseHealth(
        kind="SQLite", address="sqlite:////data/gatefront.db", latency_ms=0.4, num_bytes=1_400_000, schema="0008"
    )
    return SystemView(
        at=START + timedelta(seconds=4),
        database=database,
        loads=(load,) if summary.state is StudyState.RUNNING else (),
        running=tuple(
            RunningTrial(
                study="digits", number=point.number, worker="node-1, process 4711", epoch=point.epoch,
                num_epochs=8, attempts=1, started_at=point.started_at, is_lost=False,
            )
            for point in running
        ),
        disks=(StudyDisk(study="digits", folder=Path("/data/runs/digits"), quota=22_000_000),),
    )  # fmt: skip


def sample_references() -> tuple[ReferencePoint, ...]:
    return (
        ReferencePoint(kind="single_task", flops=SINGLE_TASK_FLOPS, delta_mtl=0.0, metrics=_SINGLE,
                       num_parameters=61_234, seconds=21.0),
        ReferencePoint(kind="hard_sharing", flops=FLOOR_FLOPS, delta_mtl=-12.3, metrics=_HARD,
                       num_parameters=24_010, seconds=20.0),
    )  # fmt: skip


def _point(number: int, *, finished: bool) -> TrialPoint:
    state = TrialState.RUNNING if not finished else {3: TrialState.FAILED}.get(number, TrialState.COMPLETE)
    if finished and number == 8:
        state = TrialState.STOPPED_EARLY
    delta, flops = _VALUES[number] if state is TrialState.COMPLETE else (None, None)
    metrics = {name: value * (1 + (delta or 0.0) / 100) for name, value in _SINGLE.items()} if delta else {}
    epoch = {TrialState.COMPLETE: 8, TrialState.RUNNING: 3, TrialState.FAILED: 2, TrialState.STOPPED_EARLY: 4}[state]
    return TrialPoint(
        number=number, state=state, delta_mtl=delta, flops=flops,
        cause="the loss of task right is NaN in epoch 3; lower train.learning_rate." * (state is TrialState.FAILED),
        num_parameters=31_000 + 500 * number if delta else None, metrics=metrics,
        params={"learning_rate": 0.0031 * (1 + number / 10), "lambda_s": 1.7, "tau_left": 0.25, "tau_right": 0.31},
        on_front=False, is_feasible=state is TrialState.COMPLETE, epoch=epoch, num_epochs=8,
        started_at=START + timedelta(seconds=19 * number),
        finished_at=START + timedelta(seconds=19 * number + 38) if finished else None,
        seconds=37.6 if finished else None,
    )  # fmt: skip


def _derived_point(trial: TrialPoint, index: int) -> TrialPoint:
    delta, flops, asked = _DERIVED[index - 1]
    return replace(
        trial, derived=index, delta_mtl=delta, flops=flops, flop_target=asked, seconds=6.2,
        metrics={name: value * (1 + delta / 100) for name, value in _SINGLE.items()},
        num_parameters=30_000 + index,
    )  # fmt: skip


def _on_front(point: TrialPoint, points: list[TrialPoint]) -> bool:
    if point.delta_mtl is None or point.flops is None:
        return False
    return not any(
        other.delta_mtl is not None
        and other.flops is not None
        and other.delta_mtl >= point.delta_mtl
        and other.flops <= point.flops
        and other.label != point.label
        for other in points
    )


def _history(complete: list[TrialPoint]) -> tuple[HypervolumePoint, ...]:
    history, value = [], 0.0
    for position, point in enumerate(complete, start=1):
        value = max(value, (12.3 + (point.delta_mtl or -12.3)) * 0.05)
        assert point.finished_at is not None
        history.append(
            HypervolumePoint(
                num_complete=position, trial=point.number, finished_at=point.finished_at, hypervolume=value
            )
        )
    return tuple(history)


def sample_gate_map(number: int = 7) -> GateMap:
    """20 sites; tasks keep more of their own channels towards the heads."""
    names = ["stem"] + [f"stage{s}.block{b}.conv{c}" for s in (1, 2, 3) for b in (0, 1, 2) for c in (1, 2)]
    names.append("last")
    sites = []
    for depth, name in enumerate(names):
        channels = 4 * 2 ** min(depth // 6, 3)
        own = []
        for task in range(3):
            wish = 0.9 * (depth / 19) ** (1.2 + task) * (0.6 + number / 18)
            own.append(
                "".join("1" if (c * 7 + task * 3) % channels < wish * channels else "0" for c in range(channels))
            )
        sites.append(GateSite(name=name, own=tuple(own), flops_per_channel=1500.0))
    return GateMap(tasks=tuple(task.name for task in TASKS), sites=tuple(sites))


def sample_gate_course(detail: TrialDetail) -> GateHistory:
    """Gates close from epoch to epoch; the last two are the trial's own, cut and frozen. Trial 0 is an old one."""
    number = detail.point.number
    gates = [GateCounts.of(sample_gate_map(number + 2 * max(0, 7 - epoch))) for epoch in range(1, 9)]
    epochs = tuple(
        EpochGates(epoch=epoch.epoch, phase=epoch.phase, gates=gates[epoch.epoch - 1]) for epoch in detail.epochs
    )
    return GateHistory(num_epochs=8, epochs=epochs if number else ())


def sample_comparison() -> ComparisonTable:
    """Three systems, two of them from two seeds each."""
    runs = [("single-task", 0, 0.0, SINGLE_TASK_FLOPS), ("single-task", 1, 0.0, SINGLE_TASK_FLOPS),
            ("hard sharing, uniform", 0, -12.3, FLOOR_FLOPS), ("hard sharing, uniform", 1, -11.1, FLOOR_FLOPS),
            ("InterroGate, task weights", 0, -3.1, BUDGET)]  # fmt: skip
    return comparison_table(
        Subject(name="digits", data="digits", tasks=TASKS),
        [
            SystemRun(
                system=system, seed=seed, metrics={name: value * (1 + delta / 100) for name, value in _SINGLE.items()},
                delta_per_task=dict.fromkeys(_SINGLE, delta), delta_mtl=delta, flops=flops, num_parameters=flops // 40,
                train_flops=2e12, seconds=60.0,
            )
            for system, seed, delta, flops in runs
        ],
    )  # fmt: skip


def sample_trial(point: TrialPoint, derived: Sequence[TrialPoint] = ()) -> TrialDetail:
    complete = point.state is TrialState.COMPLETE
    deltas = {name: 100 * (point.metrics[name] - _SINGLE[name]) / _SINGLE[name] for name in point.metrics}
    if complete:
        deltas = {
            "left": deltas["left"] - 0.8,
            "right": deltas["right"] - 1.4,
            "orientation": deltas["orientation"] + 5.2,
        }
    return TrialDetail(
        study="digits", point=point, delta_per_task=deltas,
        flops_before_cut=(point.flops or 0) + 96_000 if complete else None,
        gate_map=sample_gate_map(point.number) if complete else None,
        epochs=tuple(_epoch(e, point) for e in range(1, point.epoch + 1)), seed=1000 + point.number,
        environment={"python": "3.11.9", "torch": "2.13.0", "gatefront": "0.1.0", "platform": "Linux x86_64"},
        device="cpu" if complete else "", train_flops=4.1e11 if complete else None,
        peak_memory_mib=312.0 if complete else None, attempts=1,
        pull_command=f"gatefront pull digits --trial {point.number} -o digits-{point.number}",
        derived=tuple(_derived_detail(found) for found in derived),
    )  # fmt: skip


def _derived_detail(point: TrialPoint) -> PointDetail:
    deltas = {name: (point.delta_mtl or 0.0) + shift for name, shift in zip(_SINGLE, (-0.8, -1.4, 2.2), strict=True)}
    return PointDetail(
        point=point, delta_per_task=deltas, gate_map=sample_gate_map(point.number - 2 * point.derived),
        train_flops=5.2e10, pull_command=f"gatefront pull digits --trial {point.label} -o digits-{point.label}",
    )  # fmt: skip


def _epoch(epoch: int, point: TrialPoint) -> EpochPoint:
    rise = 1 - math.exp(-epoch / 2)
    losses = {name: 2.2 * math.exp(-epoch / 3) + 0.05 * index for index, name in enumerate(_SINGLE)}
    metrics: Mapping[str, float] = {name: value * (0.55 + 0.38 * rise) for name, value in _SINGLE.items()}
    return EpochPoint(
        epoch=epoch, phase="finetune" if epoch == 8 else "train",
        losses=losses | {"sparsity": 0.4 / epoch},
        metrics=metrics, delta_mtl=-45 + 38 * rise, flops=int(2_600_000 - 1_400_000 * min(1.0, epoch / 7)),
    )  # fmt: skip


@pytest.fixture
def reader() -> SampleReader:
    return SampleReader()


@pytest.fixture
def control() -> SampleControl:
    return SampleControl()


@pytest.fixture
def view() -> StudyView:
    return sample_view()


@pytest.fixture
def make_reader() -> Callable[[int], SampleReader]:
    return SampleReader


@pytest.fixture
def trial_of() -> Callable[[TrialPoint], TrialDetail]:
    return sample_trial
