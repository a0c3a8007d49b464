"""GridSampler: every combination of a few values per parameter, in an order whose first points span the grid."""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from gatefront.search.config.parameters import Scalar
from gatefront.search.errors import StudyFileError
from gatefront.search.storage.optuna_internals import set_system_attribute

_PLACE = "gatefront:grid_place"
# No study tries a larger grid, and ordering it would take longer than a trial.
_MAX_POINTS = 100_000


class GridSampler(optuna.samplers.BaseSampler):
    """Sampler of the papers' grid. After all points were proposed it starts again, with another seed per trial.

    Every trial that it proposed stores its place in the grid, so a resumed study continues at the first free place.
    Enqueued trials take no place. The sampler gives values that they lack from the grid's first point.

    Args:
        space: the distribution of each parameter.
        points_per_range: number of values per range, both ends included; choices stay as they are.
        num_trials: number of points in an order that spans the grid; further ones follow in plain order.

    Raises:
        StudyFileError: the grid has over 100,000 points.
    """

    def __init__(self, space: Mapping[str, BaseDistribution], *, points_per_range: int, num_trials: int) -> None:
        values = {name: grid_values(distribution, points_per_range) for name, distribution in space.items()}
        size = math.prod(map(len, values.values()))
        if size > _MAX_POINTS:
            raise StudyFileError(
                f"the grid has {size:,} points, and at most {_MAX_POINTS:,} are ordered.",
                hint="Fix some knobs, lower study.grid_points, or choose another study.sampler.",
            )
        self._points = _spread(values, num_trials)

    @property
    def points(self) -> Sequence[Mapping[str, Scalar]]:
        """All points, in the order in which they are proposed."""
        return self._points

    def infer_relative_search_space(
        self, study: optuna.Study, trial: optuna.trial.FrozenTrial
    ) -> dict[str, BaseDistribution]:
        return {}

    def sample_relative(
        self, study: optuna.Study, trial: optuna.trial.FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return {}

    def before_trial(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
        if "fixed_params" not in trial.system_attrs:
            taken = {other.system_attrs.get(_PLACE) for other in study.get_trials(deepcopy=False)}
            place = next(place for place in itertools.count() if place not in taken)
            set_system_attribute(study, trial, _PLACE, place)

    def sample_independent(
        self,
        study: optuna.Study,
        trial: optuna.trial.FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        place: int = trial.system_attrs.get(_PLACE, 0)
        return self._points[place % len(self._points)][param_name]


def grid_values(distribution: BaseDistribution, num_points: int) -> tuple[Scalar, ...]:
    """Return a parameter's values in the grid: evenly spaced ones of a range, on its own scale, or every choice."""
    if isinstance(distribution, CategoricalDistribution):
        return tuple(distribution.choices)  # type: ignore[arg-type]  # a parameter's choices are never None
    if not isinstance(distribution, FloatDistribution | IntDistribution):
        raise TypeError(f"a knob is a range or choices, found {distribution}")
    low, high = distribution.low, distribution.high
    spaced = np.geomspace(low, high, num_points) if distribution.log else np.linspace(low, high, num_points)
    if isinstance(distribution, IntDistribution):
        return tuple(dict.fromkeys(round(value) for value in spaced.tolist()))
    inner = [min(high, max(low, value)) for value in spaced.tolist()[1:-1]]
    return (low, *inner, high)


def _spread(values: Mapping[str, Sequence[Scalar]], num_first: int) -> list[dict[str, Scalar]]:
    """Return all combinations. Each of the first ``num_first`` is the one farthest from all before it.

    Distances are Euclidean, with every parameter's values evenly spaced between 0 and 1 in the order given.
    """
    places = np.asarray(list(itertools.product(*(np.linspace(0, 1, len(options)) for options in values.values()))))
    combinations = [dict(zip(values, options, strict=True)) for options in itertools.product(*values.values())]
    order = [0]
    distance = ((places - places[0]) ** 2).sum(axis=1)
    while len(order) < min(num_first, len(combinations)):
        farthest = int(distance.argmax())
        order.append(farthest)
        distance = np.minimum(distance, ((places - places[farthest]) ** 2).sum(axis=1))
    rest = sorted(set(range(len(combinations))) - set(order))
    return [combinations[index] for index in (*order, *rest)]
