"""Writes a study of thousands of trials into a store, as a long search leaves it: made-up results, real tables.

    python benchmarks/large_study.py sqlite:////tmp/large.db --trials 10000

Every 2nd complete trial has a derived point, every 10th its whole gate map, every 20th its epochs. The other benchmarks
and the soak test of the dashboards use it.
"""

import argparse
import json
import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import optuna
import sqlalchemy as sa
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, distribution_to_json
from optuna.storages import RDBStorage
from optuna.trial import TrialState as OptunaState

from gatefront.search.results.states import StudyState, TrialState
from gatefront.search.storage.database.engine import open_engine, open_optuna_storage
from gatefront.search.storage.database.migrate import upgrade_schema
from gatefront.search.storage.process_identity import process_identity
from gatefront.search.storage.study_store import StudyStore
from gatefront.search.storage.tables.schema import DerivedPointRow, EpochRow, StudyRow, TrialRow
from gatefront.spaces.gating.gate_map import GateMap, GateSite
from gatefront.spaces.json_codec import to_json
from gatefront.trainer.reporting import DerivedResult, EpochReport, ReferenceResult, TrialResult

NAME = "large"
TASKS = ("segmentation", "depth", "normals")
SINGLE_TASK, BUDGET, FLOOR = 3_000_000_000, 1_800_000_000, 1_000_000_000
EPOCHS = 20
START = datetime(2026, 3, 1, tzinfo=UTC)
METRICS = {"segmentation": 40.0, "depth": 0.60, "normals": 22.0}
SPACE: dict[str, BaseDistribution] = {
    "gates.lambda_s": FloatDistribution(0.01, 10.0, log=True),
    "gates.tau.depth": FloatDistribution(0.0, 1.0),
    "gates.tau.normals": FloatDistribution(0.0, 1.0),
    "train.optimizer": CategoricalDistribution(("adam", "sgd")),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LargeStudy:
    """A study that was written, and what it takes to go on with it."""

    url: str
    engine: sa.Engine
    storage: RDBStorage
    store: StudyStore

    def finish_one(self, number: int) -> None:
        """One more trial, from its first epoch to its result, as a driver writes it; ``number`` must be the next."""
        made = Made.of(number)
        study = optuna.load_study(study_name=NAME, storage=self.storage)
        study.add_trial(
            optuna.trial.create_trial(
                state=OptunaState.COMPLETE, params=made.params, distributions=SPACE,
                values=[made.result.delta_mtl, float(made.result.flops)],
            )
        )  # fmt: skip
        self.store.open_trial(number, seed=number, num_epochs=EPOCHS)
        self.store.start_attempt(number, "host:1")
        self.store.record_epoch(number, made.epoch(1))
        self.store.complete_trial(number, made.result)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--trials", type=int, default=10_000)
    arguments = parser.parse_args()
    write_large_study(arguments.url, arguments.trials)
    print(f"wrote a study of {arguments.trials:,} trials, {NAME!r}, to {arguments.url}")


def write_large_study(url: str, num_trials: int) -> LargeStudy:
    """A running study of ``num_trials`` that have ended; its driver is this process."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    engine, storage = open_engine(url), open_optuna_storage(url)
    upgrade_schema(engine)
    store = StudyStore.create(engine, _study_row(num_trials))
    _write_references(store)
    study = optuna.create_study(storage=storage, study_name=NAME, directions=["maximize", "minimize"])
    study_id = storage.get_study_id_from_name(study.study_name)
    with engine.begin() as connection:
        for first in range(0, num_trials, 1000):
            made = [Made.of(number) for number in range(first, min(first + 1000, num_trials))]
            _insert(connection, made, study_id)
    store.set_state(StudyState.RUNNING)
    return LargeStudy(url=url, engine=engine, storage=storage, store=store)


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """One made-up trial; the same number gives the same one."""

    number: int
    state: TrialState
    params: Mapping[str, Any]
    result: TrialResult

    @classmethod
    def of(cls, number: int) -> "Made":
        chance = random.Random(number)
        lambda_s = math.exp(chance.uniform(math.log(0.01), math.log(10.0)))
        taus = [chance.random(), chance.random()]
        params = {"gates.lambda_s": lambda_s, "gates.tau.depth": taus[0], "gates.tau.normals": taus[1],
                  "train.optimizer": chance.choice(("adam", "sgd"))}  # fmt: skip
        draw = chance.random()
        state = TrialState.COMPLETE
        if draw > 0.85:
            state = TrialState.FAILED if draw > 0.95 else TrialState.STOPPED_EARLY
        return cls(number=number, state=state, params=params, result=_result(number, taus, chance))

    def epoch(self, epoch: int) -> EpochReport:
        return EpochReport(
            epoch=epoch, num_epochs=EPOCHS, phase="train", losses=dict.fromkeys(TASKS, 1 / epoch), metrics=METRICS,
            learning_rate=1e-3, seconds=3.0, delta_mtl=-30 / epoch, flops=SINGLE_TASK - epoch * 60_000_000,
        )  # fmt: skip


def _result(number: int, taus: list[float], chance: random.Random) -> TrialResult:
    flops = int(FLOOR + (BUDGET - FLOOR) * min(1.0, sum(taus) / 2))
    per_task = {task: 4 * math.sqrt(flops / SINGLE_TASK) - 4 + chance.gauss(0, 1.0) for task in TASKS}
    derived = () if number % 2 else (_derived(number, flops, per_task, chance),)
    return TrialResult(
        metrics=_metrics(per_task), delta_per_task=per_task, delta_mtl=sum(per_task.values()) / 3, flops=flops,
        flop_budget=BUDGET, flops_before_cut=flops, num_parameters=flops // 60,
        gate_map=_gate_map(number, taus), seconds=60.0, device="cpu", train_flops=1e15, peak_memory_mib=900.0,
        environment={"python": "3.11", "platform": "Linux"}, network_path=f"trials/{number}/network.pt",
        derived=derived,
    )  # fmt: skip


def _derived(number: int, flops: int, above: Mapping[str, float], chance: random.Random) -> DerivedResult:
    smaller = FLOOR + (flops - FLOOR) // 2
    per_task = {task: value - chance.random() for task, value in above.items()}
    return DerivedResult(
        index=1, flop_target=smaller + 1000, metrics=_metrics(per_task), delta_per_task=per_task,
        delta_mtl=sum(per_task.values()) / 3, flops=smaller, num_parameters=smaller // 60,
        gate_map=_gate_map(number, [0.2, 0.2]), seconds=8.0, train_flops=1e14,
        network_path=f"trials/{number}/derived-1.pt",
    )  # fmt: skip


def _metrics(per_task: Mapping[str, float]) -> dict[str, float]:
    signs = {"segmentation": 1, "depth": -1, "normals": -1}
    return {task: METRICS[task] * (1 + signs[task] * value / 100) for task, value in per_task.items()}


def _gate_map(number: int, taus: list[float]) -> GateMap:
    sites = []
    for depth in range(33 if number % 10 == 0 else 2):
        shares = [0.1, *(tau * depth / 33 for tau in taus)]
        own = tuple("".join("1" if (c * 7) % 64 < share * 64 else "0" for c in range(64)) for share in shares)
        sites.append(GateSite(name=f"layer{1 + depth // 9}.{depth % 9}.conv", own=own, flops_per_channel=9e5))
    return GateMap(tasks=TASKS, sites=tuple(sites))


def _insert(connection: sa.Connection, made: list[Made], study_id: int) -> None:
    """What `StudyStore` and Optuna would have written one trial at a time."""
    last = connection.scalar(sa.text("SELECT coalesce(max(trial_id), 0) FROM trials"))
    ids = {one.number: last + position for position, one in enumerate(made, start=1)}
    connection.execute(sa.insert(TrialRow), [_trial_row(one) for one in made])
    derived = [row for one in made for row in _derived_rows(one)]
    epochs = [row for one in made for row in _epoch_rows(one)]
    connection.execute(sa.insert(DerivedPointRow), derived)
    connection.execute(sa.insert(EpochRow), epochs)
    states = {TrialState.COMPLETE: "COMPLETE", TrialState.STOPPED_EARLY: "PRUNED", TrialState.FAILED: "FAIL"}
    connection.execute(
        sa.text("INSERT INTO trials (trial_id, number, study_id, state) VALUES (:id, :number, :study, :state)"),
        [{"id": ids[o.number], "number": o.number, "study": study_id, "state": states[o.state]} for o in made],
    )
    connection.execute(
        sa.text(
            "INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json) "
            "VALUES (:trial, :name, :value, :distribution)"
        ),
        [
            {"trial": ids[o.number], "name": name, "value": SPACE[name].to_internal_repr(value),
             "distribution": distribution_to_json(SPACE[name])}
            for o in made for name, value in o.params.items()
        ],
    )  # fmt: skip
    connection.execute(
        sa.text(
            "INSERT INTO trial_values (trial_id, objective, value, value_type) "
            "VALUES (:trial, :objective, :value, 'FINITE')"
        ),
        [
            {"trial": ids[o.number], "objective": position, "value": value}
            for o in made if o.state is TrialState.COMPLETE
            for position, value in enumerate((o.result.delta_mtl, float(o.result.flops)))
        ],
    )  # fmt: skip


def _trial_row(one: Made) -> dict[str, Any]:
    complete = one.state is TrialState.COMPLETE
    document = json.loads(json.dumps(_document(one.result)))
    gate_map = document.pop("gate_map")
    started = START + timedelta(seconds=30 * one.number)
    return {
        "study": NAME, "number": one.number, "state": one.state, "seed": one.number, "attempts": 1,
        "cause": "the loss of task depth is NaN in epoch 3." * (one.state is TrialState.FAILED), "worker": "host:1",
        "epoch": EPOCHS if complete else 3, "num_epochs": EPOCHS, "started_at": started,
        "finished_at": started + timedelta(seconds=60 if complete else 9), "seconds": 60.0 if complete else 9.0,
        "result": document if complete else None, "gate_map": gate_map if complete else None,
    }  # fmt: skip


def _document(result: TrialResult | DerivedResult) -> dict[str, Any]:
    fields = {name: getattr(result, name) for name in type(result).__dataclass_fields__ if name != "derived"}
    return fields | {"gate_map": to_json(result.gate_map)}


def _derived_rows(one: Made) -> Iterator[dict[str, Any]]:
    for point in one.result.derived if one.state is TrialState.COMPLETE else ():
        document = _document(point)
        columns = {
            name: document.pop(name)
            for name in ("delta_mtl", "flops", "flop_target", "num_parameters", "seconds", "metrics", "gate_map")
        }
        yield {"study": NAME, "number": one.number, "derived": document.pop("index"), "result": document, **columns}


def _epoch_rows(one: Made) -> Iterator[dict[str, Any]]:
    for epoch in range(1, EPOCHS + 1) if one.number % 20 == 0 else ():
        report = one.epoch(epoch)
        yield {
            "study": NAME, "number": one.number, "attempt": 1,
            **{name: getattr(report, name) for name in type(report).__dataclass_fields__ if name in _EPOCH_COLUMNS},
        }  # fmt: skip


_EPOCH_COLUMNS = set(EpochRow.__table__.columns.keys())


def _write_references(store: StudyStore) -> None:
    for kind, tasks, flops, share in (
        *(("single_task", (task,), SINGLE_TASK // 3, 1.0) for task in TASKS),
        ("hard_sharing", TASKS, FLOOR, 0.95),
    ):
        result = ReferenceResult(
            kind=kind, key=f"{kind}-{tasks}", tasks=tasks,  # type: ignore[arg-type]
            metrics={task: METRICS[task] * share for task in tasks}, flops=flops, num_parameters=flops // 60,
            seconds=60.0, train_flops=1e15, path="x.pt", from_cache=False,
        )  # fmt: skip
        hard = kind == "hard_sharing"
        store.record_reference(
            kind if hard else f"{kind}/{tasks[0]}", result, is_baseline=True, delta_mtl=-5.0 if hard else None
        )


def _study_row(num_trials: int) -> StudyRow:
    metrics = (("mIoU %", True), ("RMSE m", False), ("mean angle deg", False))
    return StudyRow(
        name=NAME, file_text=f'[study]\nname = "{NAME}"\n', created_at=START, num_trials=num_trials + 100,
        num_workers=4, seed=0, flop_budget=BUDGET, flop_budget_text="60%", single_task_flops=SINGLE_TASK,
        hard_sharing_flops=FLOOR, floor_flops=FLOOR, ceiling_flops=SINGLE_TASK,
        tasks=[{"name": task, "kind": task, "metric": metric, "higher_is_better": higher}
               for task, (metric, higher) in zip(TASKS, metrics, strict=True)],
        data="rooms", backbone="smallconv", storage_dir="runs", state=StudyState.PREPARING,
        driver=process_identity(), heartbeat_at=datetime.now(UTC),
    )  # fmt: skip


if __name__ == "__main__":
    main()
