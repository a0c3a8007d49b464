"""Does a gated network under a FLOP budget beat sharing everything, trained alike? Runs whole studies and says.

    python benchmarks/against_hard_sharing.py [--study studies/digits.toml] [--seeds 0 1 2] [--folder runs/margin]

One study per seed. Per seed: Δ_MTL of hard sharing and of the best trial under the budget, their difference in
points, the same for the median of the trials near the budget (no luck of the draw), the size of the front, and the
largest training FLOPs of any trial (with the single-task and shared networks that initialised it) as a share of
hard sharing's. A study that is already complete in the folder is read.
"""

import argparse
import statistics
from pathlib import Path

from sqlalchemy.orm import Session
from whole_study import run_whole_study

from gatefront.search.results.records import StudyView
from gatefront.search.snapshots.reader import StudyReader
from gatefront.search.storage.database.engine import open_readonly_engine
from gatefront.search.storage.tables.schema import ReferenceRow

NEAR_BUDGET = 0.93
"""Share of the budget from which a trial counts as one that used it."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", type=Path, default=Path("studies/digits.toml"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--folder", type=Path, default=Path("runs/margin"))
    arguments = parser.parse_args()
    margins = []
    print(
        "seed | hard sharing | best trial | margin, points | of the median trial | at | front points | "
        "training FLOPs against hard sharing's"
    )
    for seed in arguments.seeds:
        reader, view = run_whole_study(arguments.study, seed, arguments.folder)
        margins.append(_print_row(reader, view, seed))
    spread = f" (from {min(margins):.2f} to {max(margins):.2f})" if len(margins) > 1 else ""
    print(f"mean margin of {len(margins)} seeds: {statistics.mean(margins):.2f} points{spread}")


def _print_row(reader: StudyReader, view: StudyView, seed: int) -> float:
    summary = view.summary
    hard = next(point for point in view.references if point.kind == "hard_sharing").delta_mtl
    best = view.best
    if best is None or best.delta_mtl is None or best.flops is None:
        raise SystemExit(f"study {summary.name} has no best trial")
    front = sum(point.on_front for point in view.all_points)
    margin = best.delta_mtl - hard
    share = best.flops / summary.single_task_flops
    budget = summary.flop_budget or summary.single_task_flops
    near = [p.delta_mtl for p in view.points if p.delta_mtl is not None and (p.flops or 0) >= NEAR_BUDGET * budget]
    median = statistics.median(near) - hard
    print(
        f"{seed} | {hard:.2f} % | {best.delta_mtl:.2f} % | {margin:.2f} | {median:.2f} | {share:.1%} | {front} | "
        f"{_training_share(reader, view):.2f}"
    )
    return margin


def _training_share(reader: StudyReader, view: StudyView) -> float:
    """The dearest trial's training FLOPs, with all that initialised it, over hard sharing's."""
    with Session(open_readonly_engine(reader.url)) as session:
        rows = session.query(ReferenceRow).filter(ReferenceRow.study == view.summary.name).all()
        cost = {row.role.split(" / ")[1]: 0.0 for row in rows}
        for row in rows:
            cost[row.role.split(" / ")[1]] += float(row.result["train_flops"])
    trials = (reader.trial(view.summary.name, point.number) for point in view.points)
    dearest = max(sum(network.train_flops or 0.0 for network in trial.networks) for trial in trials)
    return (dearest + cost["single_task"] + cost.get("shared_init", 0.0)) / cost["hard_sharing"]


if __name__ == "__main__":
    main()
