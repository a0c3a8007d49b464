"""Running a study file from start to end, once per seed, for the benchmarks that judge whole studies."""

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gatefront.search.results.outcome import Point
from gatefront.search.results.records import StudyView
from gatefront.search.results.states import StudyState, TrialState
from gatefront.search.snapshots.reader import StudyReader


@dataclass(frozen=True, slots=True)
class Finished:
    """One complete trial: the points it brought, its own first, and what it cost without and with the others."""

    points: tuple[Point, ...]
    own_cost: float
    whole_cost: float


def run_whole_study(study: Path, seed: int, folder: Path) -> tuple[StudyReader, StudyView]:
    """The study with this seed, named ``seed<seed>``, in ``folder``. A study that is complete there already is read."""
    folder.mkdir(parents=True, exist_ok=True)
    url, name = f"sqlite:///{folder.resolve()}/gatefront.db", f"seed{seed}"
    reader = StudyReader(url)
    known = {summary.name: summary.state for summary in reader.list_studies()}
    if known.get(name) is not StudyState.COMPLETE:
        # A benchmark has seeds of its own, so no trial is repeated within a study.
        named = f'name = "{name}"\nconfirm_points = 0'
        text = re.sub(r'(?m)^name = "[^"]+"', named, study.read_text(), count=1)
        file = folder / f"{name}.toml"
        file.write_text(re.sub(r"(?m)^seed = \d+", f"seed = {seed}", text, count=1))
        gatefront = str(Path(sys.executable).parent / "gatefront")
        subprocess.run([gatefront, "start", str(file), "--db", url, "--storage", str(folder), "--plain"], check=True)
    return reader, reader.view(name)


def finished_trials(reader: StudyReader, view: StudyView, *, in_flops: bool) -> Iterator[Finished]:
    """Complete trials in the order in which they finished; they cost training FLOPs, or seconds."""
    complete = [point for point in view.points if point.state is TrialState.COMPLETE]
    for trial in sorted(complete, key=lambda point: (str(point.finished_at), point.number)):
        networks = reader.trial(view.summary.name, trial.number).networks
        costs = [(network.train_flops if in_flops else network.point.seconds) or 0.0 for network in networks]
        points = tuple(
            (network.point.delta_mtl, network.point.flops)
            for network in networks
            if network.point.delta_mtl is not None and network.point.flops is not None
        )
        yield Finished(points, costs[0], sum(costs))
