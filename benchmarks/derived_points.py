"""What do derived points add to a front, and what do they cost?

    python benchmarks/derived_points.py [--study studies/digits.toml] [--seeds 0 1 2] [--folder runs/margin]

Whole studies whose trials derive points. The sampler is told of the trials' own points only, so one study shows both
searches: with its own points alone, and with all. Printed per seed: the hypervolume of the own points after
all trials; that of all points after as many trials as the same cost allows; and that of all points after all
trials, with what they cost more. Cost is counted twice, in training FLOPs and in seconds, without the
references, which both searches need. A study that is already complete in the folder is read.
"""

import argparse
import statistics
from pathlib import Path

from whole_study import Finished, finished_trials, run_whole_study

from gatefront.search.results.pareto import ReferenceFrame, hypervolume
from gatefront.search.snapshots.study_view import reference_frame


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", type=Path, default=Path("studies/digits.toml"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--folder", type=Path, default=Path("runs/margin"))
    arguments = parser.parse_args()
    print("seed | cost in | trials | own points | all points, same cost | all points, all trials | costs more by")
    gains = []
    for seed in arguments.seeds:
        reader, view = run_whole_study(arguments.study, seed, arguments.folder)
        frame = reference_frame(view.summary, view.references)
        if frame is None:
            raise SystemExit(f"study {view.summary.name} has no hard-sharing network")
        for unit in ("training FLOPs", "seconds"):
            trials = list(finished_trials(reader, view, in_flops=unit == "training FLOPs"))
            own, equal, everything = _compare(trials, frame)
            more = sum(trial.whole_cost for trial in trials) / sum(trial.own_cost for trial in trials) - 1
            print(f"{seed} | {unit} | {len(trials)} | {own:.3f} | {equal:.3f} | {everything:.3f} | {more:.0%}")
            gains.append(equal / own - 1)
    print(f"mean gain in hypervolume at the same cost: {statistics.mean(gains):+.1%}")


def _compare(trials: list[Finished], frame: ReferenceFrame) -> tuple[float, float, float]:
    """Hypervolumes: own points; all points of as many trials as cost the same; all points."""
    affordable, spent, limit = 0, 0.0, sum(trial.own_cost for trial in trials)
    while affordable < len(trials) and spent + trials[affordable].whole_cost <= limit:
        spent += trials[affordable].whole_cost
        affordable += 1
    return (
        hypervolume([trial.points[0] for trial in trials], frame),
        hypervolume([point for trial in trials[:affordable] for point in trial.points], frame),
        hypervolume([point for trial in trials for point in trial.points], frame),
    )


if __name__ == "__main__":
    main()
