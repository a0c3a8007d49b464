"""Is the front that a study finds worth more than everything else that could have been trained for the same?

    python benchmarks/fronts_of_families.py [--study studies/digits.toml] [--seeds 0 1 2]
        [--folder runs/margin] [--comparison sqlite:///runs/gatefront.db] [--of digits]

Per seed: the feasible hypervolume of one whole study's points, and that of all other systems of `gatefront compare`
on the same study file (`--seeds 3`, run before; its database is `--comparison`) taken together: hard sharing with
every weighting, cross-stitch, MTAN, ETR-NLP, LOMT; `--of` names the comparison of another study file on the same data.
The study is cut off where its training, with the single-task and shared networks that its trials started from, has cost
as many FLOPs as those rows. Once up to the study's budget, and once up to the single-task cost, where dearer systems
count too. Hypervolume is over the hard-sharing network that the study file's own settings train; its unit is the
fraction of the single-task cost × percentage points of Δ_MTL.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import Session
from whole_study import finished_trials, run_whole_study

from gatefront.search.config.study_file import read_study_file
from gatefront.search.results.comparison_table import SINGLE_TASK, SystemRun
from gatefront.search.results.outcome import Point
from gatefront.search.results.pareto import hypervolume
from gatefront.search.results.records import StudyView
from gatefront.search.snapshots.reader import StudyReader
from gatefront.search.snapshots.study_view import reference_frame
from gatefront.search.storage.database.engine import open_readonly_engine
from gatefront.search.storage.tables.schema import ComparisonRow, ReferenceRow

OWN = "InterroGate"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", type=Path, default=Path("studies/digits.toml"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--folder", type=Path, default=Path("runs/margin"))
    parser.add_argument("--comparison", default="sqlite:///runs/gatefront.db")
    parser.add_argument("--of", help="the comparison's name; default: the study's")
    arguments = parser.parse_args()
    name = arguments.of or read_study_file(arguments.study)[1].study.name
    print("seed | up to | other systems | trials of the study | training FLOPs, study : others | study | others")
    for seed in arguments.seeds:
        others = [run for run in _runs(arguments.comparison, name, seed) if _is_rival(run)]
        if not others:
            raise SystemExit(f"no comparison of {name} with seed {seed}: gatefront compare STUDY.toml --seeds 3")
        reader, view = run_whole_study(arguments.study, seed, arguments.folder)
        limit = sum(run.train_flops for run in others)
        trials, points, cost = _affordable(reader, view, limit)
        rivals: list[Point] = [(run.delta_mtl, run.flops) for run in others]
        frame = reference_frame(view.summary, view.references)
        if frame is None:
            raise SystemExit(f"study {view.summary.name} has no hard-sharing network")
        for up_to, wide in (("budget", frame), ("single-task", replace(frame, flops=frame.single_task_flops))):
            ours, theirs = hypervolume(points, wide), hypervolume(rivals, wide)
            print(f"{seed} | {up_to} | {len(others)} | {trials} | {cost / limit:.2f} | {ours:.3f} | {theirs:.3f}")


def _is_rival(run: SystemRun) -> bool:
    return run.system != SINGLE_TASK and not run.system.startswith(OWN)


def _runs(url: str, name: str, seed: int) -> list[SystemRun]:
    query = sa.select(ComparisonRow).where(ComparisonRow.name == name, ComparisonRow.seed == seed)
    with Session(open_readonly_engine(url)) as session:
        return [SystemRun.from_json(row.result["run"]) for row in session.scalars(query)]


def _affordable(reader: StudyReader, view: StudyView, limit: float) -> tuple[int, list[Point], float]:
    """How many trials, in the order in which they ended, ``limit`` pays for; their points; and what they cost."""
    with Session(open_readonly_engine(reader.url)) as session:
        rows = session.scalars(sa.select(ReferenceRow).where(ReferenceRow.study == view.summary.name)).all()
    # Hard sharing of equal compute is what a study is measured against; no trial starts from it.
    spent = sum(float(row.result["train_flops"]) for row in rows if "hard_sharing" not in row.role)
    points: list[Point] = []
    number = 0
    for trial in finished_trials(reader, view, in_flops=True):
        if spent + trial.whole_cost > limit:
            break
        spent += trial.whole_cost
        number += 1
        points.extend(trial.points)
    return number, points, spent


if __name__ == "__main__":
    main()
