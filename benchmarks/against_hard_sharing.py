"""Does a gated network under a FLOP budget beat sharing everything, trained alike? Runs whole studies and says.

    python benchmarks/against_hard_sharing.py [--study studies/digits.toml] [--seeds 0 1 2] [--folder runs/margin]

One study per seed. Per seed: Δ_MTL of hard sharing and of the best trial under the budget, their difference in
points, the same for the median of the trials near the budget (no luck of the draw), the size of the front, and the
largest training FLOPs of any trial (with the single-task and shared networks that initialised it) as a share of
hard sharing's. A study that is already complete in the folder is read.
"""

import argparse
import re
import statistics
import subprocess
import sys
from pathlib import Path

from sqlalchemy.orm import Session

from search.queries import StudyReader
from search.records import StudyState, StudyView
from search.storage.engine import open_readonly_engine
from search.storage.schema import ReferenceRow

NEAR_BUDGET = 0.93
"""Share of the budget from which a trial counts as one that used it."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", type=Path, default=Path("studies/digits.toml"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--folder", type=Path, default=Path("runs/margin"))
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    url = f"sqlite:///{arguments.folder.resolve()}/gatefront.db"
    margins = []
    print(
        "seed | hard sharing | best trial | margin, points | of the median trial | at | front points | "
        "training FLOPs against hard sharing's"
    )
    for seed in arguments.seeds:
        name = f"seed{seed}"
        _run(arguments.study, name, seed, url, arguments.folder)
        margins.append(_print_row(StudyReader(url).view(name), seed, url))
    spread = f" (from {min(margins):.2f} to {max(margins):.2f})" if len(margins) > 1 else ""
    print(f"mean margin of {len(margins)} seeds: {statistics.mean(margins):.2f} points{spread}")


def _run(study: Path, name: str, seed: int, url: str, folder: Path) -> None:
    reader = StudyReader(url)
    known = (
        {summary.name: summary.state for summary in reader.list_studies()} if (folder / "gatefront.db").exists() else {}
    )
    if known.get(name) is StudyState.COMPLETE:
        return
    text = re.sub(r'(?m)^name = "\w+"', f'name = "{name}"', study.read_text(), count=1)
    file = folder / f"{name}.toml"
    file.write_text(re.sub(r"(?m)^seed = \d+", f"seed = {seed}", text, count=1))
    gatefront = str(Path(sys.executable).parent / "gatefront")
    subprocess.run([gatefront, "start", str(file), "--db", url, "--storage", str(folder), "--plain"], check=True)


def _print_row(view: StudyView, seed: int, url: str) -> float:
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
        f"{_training_share(view, url):.2f}"
    )
    return margin


def _training_share(view: StudyView, url: str) -> float:
    """The dearest trial's training FLOPs, with all that initialised it, over hard sharing's."""
    with Session(open_readonly_engine(url)) as session:
        rows = session.query(ReferenceRow).filter(ReferenceRow.study == view.summary.name).all()
        cost = {row.role.split(" / ")[1]: 0.0 for row in rows}
        for row in rows:
            cost[row.role.split(" / ")[1]] += float(row.result["train_flops"])
    reader = StudyReader(url)
    trials = (reader.trial(view.summary.name, point.number) for point in view.points)
    dearest = max(sum(network.train_flops or 0.0 for network in trial.networks) for trial in trials)
    return (dearest + cost["single_task"] + cost.get("shared_init", 0.0)) / cost["hard_sharing"]


if __name__ == "__main__":
    main()
