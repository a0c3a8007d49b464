"""Whole studies on `digits`, really trained: does the order hold that `compare.py` finds on the recorded table?

    python benchmarks/search/whole_studies.py [--seeds 0 1 2] [--ways auto random grid] [--space hinge] [--workers 1]

One study of `digits.toml` per seed and way, over one of the spaces of `record.py`: 32 trials of the default, of random
points, and the papers' grid of 10 x 10. Studies of one seed share their single-task and shared networks. Printed: the
feasible hypervolume after so many trials, in the order in which they ended, and after as many seconds of training
as the default's trials took. Fronts are valued by what their trials showed, so a lucky seed counts here. A study that
is complete in the folder is read, one that is not goes on.
"""

import argparse
import statistics
import subprocess
import sys
from pathlib import Path

from record import FOLDER, SPACES

from gatefront.search.results.records import StudyView
from gatefront.search.results.states import StudyState, TrialState
from gatefront.search.snapshots.reader import StudyReader

TRIALS = {"auto": 32, "tpe": 32, "nsga2": 32, "random": 32, "grid": 100}
GATEFRONT = str(Path(sys.executable).parent / "gatefront")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--ways", nargs="+", default=["auto", "random", "grid"], choices=tuple(TRIALS))
    parser.add_argument("--space", default="hinge", choices=tuple(SPACES))
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=Path("runs/whole-studies"))
    arguments = parser.parse_args()
    print("seed | way | trials | after 12 | after 32 | after all | in the default's seconds", flush=True)
    found: dict[str, list[tuple[float, ...]]] = {}
    for seed in arguments.seeds:
        views = {way: _run(way, seed, arguments) for way in ("auto", *arguments.ways)}
        seconds = sum(_seconds(views["auto"]).values())
        for way in arguments.ways:
            values = _values(views[way], seconds)
            found.setdefault(way, []).append(values)
            print(f"{seed} | {way} | {TRIALS[way]} | " + " | ".join(f"{value:.3f}" for value in values), flush=True)
    for way, rows in found.items():
        means = (statistics.mean(column) for column in zip(*rows, strict=True))
        print(f"mean | {way} | {TRIALS[way]} | " + " | ".join(f"{mean:.3f}" for mean in means))


def _run(way: str, seed: int, arguments: argparse.Namespace) -> StudyView:
    """The study's view once all its trials are done."""
    folder: Path = arguments.folder
    folder.mkdir(parents=True, exist_ok=True)
    name, url = f"{arguments.space}-{way}-{seed}".replace("_", "-"), f"sqlite:///{folder.resolve()}/gatefront.db"
    reader = StudyReader(url)
    known = {summary.name: summary.state for summary in reader.list_studies()}
    if known.get(name) is not StudyState.COMPLETE:
        file = folder / f"{name}.toml"
        file.write_text(_study_file(way, name, seed, arguments.space))
        where = ["--workers", str(arguments.workers), "--db", url, "--quiet"]
        command = ["resume", name] if name in known else ["start", str(file), "--storage", str(folder)]
        subprocess.run([GATEFRONT, *command, *where], check=True, stdout=sys.stderr)
    view = reader.view(name)
    if view.summary.state is not StudyState.COMPLETE:
        raise SystemExit(f"study {name} was stopped; run the same command to go on")
    return view


def _study_file(way: str, name: str, seed: int, space: str) -> str:
    grid = "grid_points = 10\n" if way == "grid" else ""
    section = f'name = "{name}"\nsampler = "{way}"\ntrials = {TRIALS[way]}\nconfirm_points = 0\n{grid}'
    text = (FOLDER / "digits.toml").read_text()
    return text.replace('name = "recorded"\n', section, 1).replace("seed = 0", f"seed = {seed}", 1) + SPACES[space]


def _seconds(view: StudyView) -> dict[int, float]:
    return {point.number: point.seconds or 0.0 for point in view.trials if point.state is TrialState.COMPLETE}


def _values(view: StudyView, seconds: float) -> tuple[float, ...]:
    """Hypervolume after 12, after 32 and after all trials, and after so many seconds of training."""
    history = [point.hypervolume for point in view.hypervolume]
    took, spent, in_time = _seconds(view), 0.0, 0.0
    for point in view.hypervolume:
        spent += took[point.trial]
        if spent > seconds:
            break
        in_time = point.hypervolume
    return history[min(12, len(history)) - 1], history[min(32, len(history)) - 1], history[-1], in_time


if __name__ == "__main__":
    main()
