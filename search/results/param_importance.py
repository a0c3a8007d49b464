"""Importance of each parameter of a study for its outcomes, by PED-ANOVA."""

import logging
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

from gatefront.search.results.records import StudyView, TrialPoint
from gatefront.search.results.states import TrialState

_FEWEST = 8
_MOST = 1000
_WIDE = 100.0


def parameter_importances(view: StudyView) -> dict[str, dict[str, float]]:
    """Return for each outcome, ``delta_mtl`` and ``flops``, the importance of each parameter. Importances sum to 1.

    The method is that of S. Watanabe et al., PED-ANOVA, IJCAI 2023, in Optuna's implementation, over the newest
    thousand complete trials. The result is empty for fewer than eight trials, and if no parameter varies.
    """
    points = [p for p in view.points if p.state is TrialState.COMPLETE and p.delta_mtl is not None][-_MOST:]
    space = parameter_space(points)
    points = [point for point in points if all(name in point.params for name in space)]
    if len(points) < _FEWEST or not space:
        return {}
    study = _study_of(points, space)
    return {
        "delta_mtl": _shares(study, list(space), 0),
        "flops": _shares(study, list(space), 1),
    }


def parameter_space(points: Sequence[TrialPoint]) -> dict[str, BaseDistribution]:
    """Return the parameters that most of the trials have and that vary, with the range that was tried."""
    names = {name for point in points for name in point.params}
    space: dict[str, BaseDistribution] = {}
    for name in sorted(names):
        values = [point.params[name] for point in points if name in point.params]
        if 2 * len(values) >= len(points) and len(set(values)) > 1:
            space[name] = _distribution(values)
    return space


def _distribution(values: Sequence[Any]) -> BaseDistribution:
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return CategoricalDistribution(tuple(sorted(set(values), key=str)))
    low, high = float(min(values)), float(max(values))
    # A parameter that spans decades was searched on a logarithmic scale.
    return FloatDistribution(low, high, log=low > 0 and high / low >= _WIDE)


def _study_of(points: Sequence[TrialPoint], space: Mapping[str, BaseDistribution]) -> optuna.Study:
    logger = logging.getLogger("optuna")
    level, logger.level = logger.level, logging.WARNING
    try:
        study = optuna.create_study(directions=["maximize", "minimize"])
    finally:
        logger.level = level
    study.add_trials(
        optuna.trial.create_trial(
            params={name: _value(point.params[name], space[name]) for name in space},
            distributions=dict(space),
            values=[point.expected_delta_mtl or 0.0, float(point.flops or 0)],
        )
        for point in points
    )
    return study


def _value(value: Any, distribution: BaseDistribution) -> Any:
    return float(value) if isinstance(distribution, FloatDistribution) else value


def _shares(study: optuna.Study, names: list[str], objective: int) -> dict[str, float]:
    """Return importances for the best tenth in one objective. The evaluator takes low values as good."""
    sign = (-1, 1)[objective]
    with warnings.catch_warnings():
        # It warns on every call that low values are good.
        warnings.filterwarnings("ignore", message="PedAnova")
        found = get_param_importances(
            study,
            evaluator=PedAnovaImportanceEvaluator(),
            params=names,
            target=lambda trial: sign * trial.values[objective],
        )
    return {name: float(found[name]) for name in names}
