"""RecordedTable: finished trials of a real study. Answers: simulated results of a trial anywhere in its space."""

import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from scipy.interpolate import RBFInterpolator

from gatefront.search.config.study_file import parse_study
from gatefront.search.errors import StudyFileError
from gatefront.search.planning.search_space import Params, SearchSpace
from gatefront.search.results.pareto import ReferenceFrame

# Smoothing of thin plates through standardized outcomes that best predicts the Δ_MTL of a place left out.
_SMOOTHING = 0.03


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedTrial:
    """Finished trial of a real study.

    ``epochs`` has Δ_MTL in percent, FLOPs and the seconds of each epoch, in order.
    """

    params: Mapping[str, float]
    delta_mtl: float
    flops: int
    seconds: float
    train_flops: float
    epochs: Sequence[tuple[float, int, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedTable:
    """Trials over all parameters that ``study``, a study file's text, leaves open. FLOPs are as in a study.

    ``seconds_per_flop`` is the recording's median pace, by training FLOPs. The median is taken because other work
    slowed single trials down.
    """

    name: str
    study: str
    single_task_flops: int
    floor_flops: int
    flop_budget: int
    hard_sharing_delta_mtl: float
    seconds_per_flop: float
    rows: Sequence[RecordedTrial]

    @property
    def frame(self) -> ReferenceFrame:
        """Frame that hypervolumes are measured against, as in the study that was recorded."""
        return ReferenceFrame(
            single_task_flops=self.single_task_flops, flops=self.flop_budget, delta_mtl=self.hard_sharing_delta_mtl
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Results of a simulated trial. ``expected_delta_mtl`` is without the noise of its seed.

    ``epochs`` has Δ_MTL and FLOPs after each epoch, ``shares`` the fraction of ``seconds`` that has passed by then.
    """

    delta_mtl: float
    flops: int
    seconds: float
    train_flops: float
    epochs: tuple[tuple[float, int], ...]
    shares: tuple[float, ...]
    expected_delta_mtl: float


def load_tables(path: Path) -> dict[str, RecordedTable]:
    """Return the tables of one recording by name."""
    document = json.loads(gzip.decompress(path.read_bytes()))
    trials = [row for table in document["tables"] for row in table["rows"]]
    pace = float(np.median([row["seconds"] / row["train_flops"] for row in trials]))
    tables = {}
    for table in document["tables"]:
        rows = [
            RecordedTrial(
                **{name: value for name, value in row.items() if name not in ("epochs", "seed")},
                epochs=[(delta, flops, seconds) for delta, flops, seconds in row["epochs"]],
            )
            for row in table["rows"]
        ]
        tables[table["name"]] = RecordedTable(**table | {"rows": rows, "seconds_per_flop": pace})
    return tables


class Answers:
    """Interpolation of a table by smoothing thin-plate splines over the unit cube of its parameters.

    Each number of a trial has a spline. A seed's noise is the deviation of one replicate from the mean of its
    replicates, taken at the nearest point that has some. All numbers take the noise of one replicate, because in
    training an epoch's deviation goes with that of the result.

    Raises:
        StudyFileError: the study file leaves open other parameters than the rows have, or none at all.
    """

    def __init__(self, table: RecordedTable) -> None:
        self.table = table
        self._space = SearchSpace(parse_study(table.study)).distributions()
        if not self._space or any(self._space.keys() != row.params.keys() for row in table.rows):
            raise StudyFileError(f"table {table.name!r} must record exactly the knobs {', '.join(self._space)}.")
        places = np.asarray([self._place(row.params) for row in table.rows])
        outcomes = np.asarray([_flat(row) for row in table.rows])
        self._mean, self._scale = outcomes.mean(axis=0), np.maximum(outcomes.std(axis=0), 1e-12)
        self._splines = RBFInterpolator(places, (outcomes - self._mean) / self._scale, smoothing=_SMOOTHING)
        self._noise = _noise_by_place(places, outcomes)
        self._shares = _median_shares(table.rows)

    def at(self, params: Params, *, seed: int) -> Answer:
        """Return the results of the trial with these parameters and this seed, the same at every call."""
        place = self._place(params)
        expected = self._splines(place[None])[0] * self._scale + self._mean
        rng = np.random.default_rng(seed)
        return self._answer(expected, expected + self._draw_noise(place, rng))

    def _answer(self, expected: npt.NDArray[np.float64], noisy: npt.NDArray[np.float64]) -> Answer:
        num_epochs = (len(noisy) - 3) // 2
        deltas, costs = noisy[3 : 3 + num_epochs], noisy[3 + num_epochs :]
        top = self.table.single_task_flops
        return Answer(
            delta_mtl=float(noisy[0]),
            flops=self._within(noisy[1], self.table.flop_budget),
            seconds=self.table.seconds_per_flop * float(expected[2]),
            train_flops=float(expected[2]),
            epochs=tuple((float(d), self._within(c, top)) for d, c in zip(deltas, costs, strict=True)),
            shares=self._shares,
            expected_delta_mtl=float(expected[0]),
        )

    def _within(self, flops: float, top: int) -> int:
        return round(min(top, max(self.table.floor_flops, flops)))

    def _draw_noise(self, place: npt.NDArray[np.float64], rng: np.random.Generator) -> npt.NDArray[np.float64]:
        _, deviations = min(self._noise, key=lambda known: float(((known[0] - place) ** 2).sum()))
        drawn: npt.NDArray[np.float64] = deviations[rng.integers(len(deviations))]
        return drawn

    def _place(self, params: Params) -> npt.NDArray[np.float64]:
        return np.asarray([_unit(distribution, params[name]) for name, distribution in self._space.items()])


def _flat(row: RecordedTrial) -> list[float]:
    deltas, costs, _ = zip(*row.epochs, strict=True)
    return [row.delta_mtl, row.flops, row.train_flops, *deltas, *costs]


def _median_shares(rows: Sequence[RecordedTrial]) -> tuple[float, ...]:
    """Return the fraction of a trial's time that has passed after each epoch."""
    seconds = np.asarray([[epoch[2] for epoch in row.epochs] for row in rows])
    typical = np.median(seconds / seconds.sum(axis=1, keepdims=True), axis=0).cumsum()
    return tuple((typical / typical[-1]).tolist())


def _noise_by_place(
    places: npt.NDArray[np.float64], outcomes: npt.NDArray[np.float64]
) -> list[tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]]:
    """Return each place that has replicates, with their deviations from the mean.

    The deviations are scaled up, because those from a mean of few replicates are too small.
    """
    found = []
    unique, group = np.unique(places, axis=0, return_inverse=True)
    for index, place in enumerate(unique):
        same = outcomes[group.ravel() == index]
        if len(same) > 1:
            found.append((place, (same - same.mean(axis=0)) * np.sqrt(len(same) / (len(same) - 1))))
    # Without replicates the noise is unknown, and none is drawn.
    return found or [(unique[0], np.zeros((1, outcomes.shape[1])))]


def _unit(distribution: BaseDistribution, value: float) -> float:
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices.index(value) / (len(distribution.choices) - 1)
    if not isinstance(distribution, FloatDistribution | IntDistribution):
        raise TypeError(f"a knob is a range or choices, found {distribution}")
    low, high = distribution.low, distribution.high
    if distribution.log:
        low, high, value = np.log(low), np.log(high), np.log(value)
    return float((value - low) / (high - low))
