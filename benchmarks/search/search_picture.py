"""Draws what `compare.py` measured: hypervolume against trials and against seconds of training, one row per space."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np

from gatefront.search.results.pareto import ReferenceFrame

if TYPE_CHECKING:
    from compare import Run

TITLES = {"hinge": "τ × λ_s, hinge", "expected_flops": "FLOP target × λ_s, expected FLOPs"}
# Colours of Okabe and Ito, told apart also by those who see fewer.
STYLES = {
    "auto": ("#000000", "-"),
    "tpe": ("#0072B2", "-"),
    "tpe-independent": ("#56B4E9", "-"),
    "nsga2": ("#009E73", "-"),
    "random": ("#999999", "-"),
    "grid": ("#D55E00", "-"),
    "plain TPE": ("#0072B2", ":"),
    "plain NSGA-II(50)": ("#009E73", ":"),
    "tpe, early stopping": ("#0072B2", "--"),
}


def draw(
    runs: Sequence["Run"], curves: Sequence[Sequence[float]], frames: Mapping[str, ReferenceFrame], path: Path
) -> None:
    """Mean over seeds; ``curves`` are the runs' hypervolumes after each trial. ``path`` ends in .png or .svg."""
    figure, axes = plt.subplots(len(frames), 2, figsize=(11, 4.2 * len(frames)), sharey="row", squeeze=False)
    for space, row in zip(frames, axes, strict=True):
        for way, (colour, line) in STYLES.items():
            own = [
                (run, values) for run, values in zip(runs, curves, strict=True) if (run.space, run.way) == (space, way)
            ]
            if not own:
                continue
            style = {"color": colour, "linestyle": line, "label": way, "linewidth": 1.6}
            row[0].plot(*_by_trials([values for _, values in own]), **style)
            row[1].plot(*_by_seconds(own), **style)
        row[0].set(title=TITLES.get(space, space), xlabel="trials", ylabel="feasible hypervolume")
        row[1].set(xlabel="seconds of training, all workers")
        for axis in row:
            axis.grid(alpha=0.3)
    axes[0][0].legend(fontsize=8, loc="lower right")
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110, metadata={"Software": None})


def _by_trials(curves: Sequence[Sequence[float]]) -> tuple[np.ndarray, np.ndarray]:
    length = min(map(len, curves))
    return np.arange(1, length + 1), np.mean([values[:length] for values in curves], axis=0)


def _by_seconds(own: Sequence[tuple["Run", Sequence[float]]]) -> tuple[np.ndarray, np.ndarray]:
    spent = [np.cumsum(run.seconds) for run, _ in own]
    grid = np.linspace(0, min(times[-1] for times in spent), 200)
    stairs = [
        np.asarray([0.0, *values])[np.searchsorted(times, grid, side="right")]
        for times, (_, values) in zip(spent, own, strict=True)
    ]
    return grid, np.mean(stairs, axis=0)
