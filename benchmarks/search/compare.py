"""How good is a front after so many trials, or seconds of training, by who proposes the trials?

    OMP_NUM_THREADS=1 python benchmarks/search/compare.py [--seeds 10] [--jobs 2] [--ways "hinge: grid" ...]

Replays whole studies from the table that `record.py` made: the real searcher, gate and samplers, two workers on a
virtual clock. Each way runs with ten seeds, which draw the sampler's numbers and the trials' noise. What was run before
is read from the results file. Printed: the feasible hypervolume after so many trials, and after as many seconds of
training as so many whole trials take on average; mean over seeds with the 95 % interval of the mean. A front is
chosen by what the trials showed, and valued by what they would show on average over seeds, so luck does not count.
"""

import argparse
import json
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import optuna
from optuna.samplers import BaseSampler, NSGAIISampler

from gatefront.search.config.early_stopping import StoppingRule
from gatefront.search.config.study_file import parse_study
from gatefront.search.driver.early_stopping import EarlyStopping
from gatefront.search.driver.simulation import Answers, RecordedTable, SimulatedStudy, load_tables
from gatefront.search.planning.search_space import SearchSpace
from gatefront.search.results.pareto import ReferenceFrame, hypervolume, pareto_front
from gatefront.search.results.states import TrialState
from gatefront.search.sampling.grid_sampler import GridSampler
from gatefront.search.storage.database.open import open_store

FOLDER = Path(__file__).parent
WORKERS = 2
AT_TRIALS = (12, 32, 64, 100)


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way to search. ``is_plain``: as Optuna has it, without the points that gatefront tries first."""

    sampler: str = "auto"
    trials: int = 64
    is_plain: bool = False
    stops_early: bool = False
    grid_points: int | None = None
    make: Callable[[int], BaseSampler] | None = None


WAYS = {
    # Of so many trials "auto" makes "gp", and of the longer studies "tpe".
    "auto": Way(trials=32),
    "tpe": Way(sampler="tpe"),
    "tpe-independent": Way(sampler="tpe-independent"),
    "nsga2": Way(sampler="nsga2"),
    "random": Way(sampler="random", trials=100),
    "grid": Way(sampler="grid", trials=100, grid_points=10),
    "plain TPE": Way(sampler="tpe-independent", is_plain=True),
    "plain NSGA-II(50)": Way(sampler="nsga2", trials=100, is_plain=True, make=lambda seed: NSGAIISampler(seed=seed)),
    "tpe, early stopping": Way(sampler="tpe", stops_early=True),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One study: what each trial showed, is worth on average, and took; in the order in which they ended."""

    space: str
    way: str
    seed: int
    states: list[str]
    shown: list[float]
    expected: list[float]
    flops: list[int]
    seconds: list[float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", type=Path, default=FOLDER / "digits.json.gz")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--ways", nargs="+", help='only these, e.g. "hinge: grid"; default: all')
    parser.add_argument("--results", type=Path, default=Path("runs/search-comparison.jsonl"))
    parser.add_argument("--picture", type=Path, help="also draw hypervolume against trials and seconds")
    arguments = parser.parse_args()
    tables = load_tables(arguments.table)
    wanted = arguments.ways or [f"{space}: {way}" for space in tables for way in WAYS]
    runs = _run_all(arguments, [tuple(name.split(": ", 1)) for name in wanted])
    for space, table in tables.items():
        _print_table(space, table, [run for run in runs if run.space == space])
    if arguments.picture is not None:
        from search_picture import draw

        frames = {space: table.frame for space, table in tables.items()}
        draw(runs, [curve(run, frames[run.space]) for run in runs], frames, arguments.picture)


def _run_all(arguments: argparse.Namespace, wanted: Sequence[tuple[str, ...]]) -> list[Run]:
    """Every run that is wanted; those that the results file lacks are made now, seed by seed."""
    arguments.results.parent.mkdir(parents=True, exist_ok=True)
    lines = arguments.results.read_text().splitlines() if arguments.results.exists() else []
    known = {(run.space, run.way, run.seed): run for run in (Run(**json.loads(line)) for line in lines)}
    keys = [(space, way, seed) for seed in range(arguments.seeds) for space, way in wanted]
    missing = [key for key in keys if key not in known]
    with ProcessPoolExecutor(arguments.jobs) as pool, arguments.results.open("a") as file:
        for run in pool.map(_replay, [arguments.table] * len(missing), missing):
            known[run.space, run.way, run.seed] = run
            file.write(json.dumps({name: getattr(run, name) for name in Run.__dataclass_fields__}) + "\n")
            file.flush()
    return [known[key] for key in keys]


def _replay(path: Path, key: tuple[str, str, int]) -> Run:
    space, name, seed = key
    table, way = load_tables(path)[space], WAYS[name]
    stopping = _stopping(table, space) if way.stops_early else None
    with tempfile.TemporaryDirectory() as folder, _first_points(way):
        engine, _ = open_store(f"sqlite:///{folder}/gatefront.db")
        # Optuna's own tables in memory: the same proposals in a fifth of the time.
        database = (engine, optuna.storages.InMemoryStorage())
        study = SimulatedStudy(
            Answers(table), _config(table, way, seed), database, num_workers=WORKERS, stopping=stopping
        )
        if way.make is not None:
            study.study.sampler = way.make(seed)
        finished = study.run()
    return Run(
        space=space,
        way=name,
        seed=seed,
        states=[str(trial.state) for trial in finished],
        shown=[round(trial.answer.delta_mtl, 4) for trial in finished],
        expected=[round(trial.answer.expected_delta_mtl, 4) for trial in finished],
        flops=[trial.answer.flops for trial in finished],
        seconds=[round(trial.seconds, 3) for trial in finished],
    )


def _config(table: RecordedTable, way: Way, seed: int) -> Any:
    config = parse_study(table.study)
    # Seeds far apart: a trial's own seed is the study's and its number.
    changes = {"sampler": way.sampler, "trials": way.trials, "seed": 1000 * seed}
    if way.grid_points is not None:
        changes["grid_points"] = way.grid_points
    return config.model_copy(update={"study": config.study.model_copy(update=changes)})


def _stopping(table: RecordedTable, space: str) -> EarlyStopping:
    return EarlyStopping(StoppingRule(), flop_budget=table.flop_budget if space == "hinge" else None)


def _first_points(way: Way) -> Any:
    return patch.object(SearchSpace, "first_points", return_value=[]) if way.is_plain else nullcontext()


def curve(run: Run, frame: ReferenceFrame) -> list[float]:
    """The hypervolume after each trial: of the front that the trials showed, at its expected worth."""
    values: list[float] = []
    shown: list[tuple[float, int]] = []
    expected: list[tuple[float, int]] = []
    for state, delta, mean, flops in zip(run.states, run.shown, run.expected, run.flops, strict=True):
        if state == TrialState.COMPLETE:
            shown.append((delta, flops))
            expected.append((mean, flops))
        front = [point for point, is_on in zip(expected, pareto_front(shown), strict=True) if is_on]
        values.append(hypervolume(front, frame))
    return values


def after_seconds(run: Run, values: Sequence[float], seconds: float) -> float | None:
    """The hypervolume once the workers have spent so many seconds; None: the study was over before."""
    spent = np.cumsum(run.seconds)
    if spent[-1] < seconds:
        return None
    done = int(np.searchsorted(spent, seconds, side="right"))
    return values[done - 1] if done else 0.0


def _print_table(space: str, table: RecordedTable, runs: Sequence[Run]) -> None:
    mean_seconds = float(np.mean([row.train_flops for row in table.rows])) * table.seconds_per_flop
    heads = [f"{n} trials" for n in AT_TRIALS] + [f"{n * mean_seconds:.0f} s" for n in AT_TRIALS]
    print(f"\n{space}\n\n| way | {' | '.join(heads)} |\n|{' --- |' * (len(heads) + 1)}")
    for way in dict.fromkeys(run.way for run in runs):
        own = [(run, curve(run, table.frame)) for run in runs if run.way == way]
        by_trials = [[values[n - 1] for _, values in own if len(values) >= n] for n in AT_TRIALS]
        by_time = [[after_seconds(run, values, n * mean_seconds) for run, values in own] for n in AT_TRIALS]
        cells = [_cell(found, len(own)) for found in (*by_trials, *by_time)]
        print(f"| {way} | {' | '.join(cells)} |")
    print(f"\nThe best there is, of 10,201 points: {_best_there_is(table):.3f}.")


def _best_there_is(table: RecordedTable) -> float:
    """The hypervolume of the expected outcomes at 101 x 101 places of the space."""
    answers = Answers(table)
    places = GridSampler(
        SearchSpace(parse_study(table.study)).distributions(), points_per_range=101, num_trials=1
    ).points
    found = [answers.at(params, seed=0) for params in places]
    return hypervolume([(answer.expected_delta_mtl, answer.flops) for answer in found], table.frame)


def _cell(found: Sequence[float | None], num_runs: int) -> str:
    known = [value for value in found if value is not None]
    if not known or len(known) < num_runs:
        return "–"
    half = 1.96 * float(np.std(known, ddof=1)) / len(known) ** 0.5 if len(known) > 1 else 0.0
    return f"{np.mean(known):.3f} ± {half:.3f}"


if __name__ == "__main__":
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    main()
