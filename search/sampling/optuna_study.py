"""Optuna's part of a study: its objectives, its sampler, its named constraints."""

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Literal

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState as OptunaState

from gatefront.search.config.parameters import Scalar
from gatefront.search.config.study_config import Objective
from gatefront.search.errors import RefusedResultError
from gatefront.search.planning.search_space import FAMILY, SearchSpace
from gatefront.search.results.outcome import Outcome
from gatefront.search.sampling.samplers import make_sampler
from gatefront.search.storage.optuna_internals import trial_handle
from gatefront.spaces.budgets.budgets import Budgets

FLOP_CONSTRAINT, LATENCY_CONSTRAINT, TRAINED_CONSTRAINT = "flops", "latency", "trained"
_DIRECTIONS: dict[Objective, Literal["maximize", "minimize"]] = {
    "delta_mtl": "maximize",
    "flops": "minimize",
    "latency": "minimize",
}

_TRAINED, _UNTRAINABLE = -1.0, 1.0


def open_study(
    storage: optuna.storages.BaseStorage,
    space: SearchSpace,
    *,
    num_trials: int,
    initial_trials: Sequence[tuple[Mapping[str, Scalar], Mapping[str, object]]] = (),
) -> optuna.Study:
    """Create the Optuna study, or load it to resume. Enqueue the first points only when it is created.

    The ``initial_trials`` come before these points. Each holds parameters, and attributes that name the network from
    which its trial starts.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    section = space.config.study
    study = optuna.create_study(
        storage=storage,
        study_name=section.name,
        directions=[_DIRECTIONS[name] for name in section.objectives],
        load_if_exists=True,
    )
    trials = study.get_trials(deepcopy=False)
    study.sampler = make_sampler(space, num_trials=num_trials, num_known=len(trials))
    if not trials:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            study.set_metric_names(list(section.objectives))
        for params, attributes in initial_trials:
            study.enqueue_trial(dict(params), user_attrs=dict(attributes))
        # The grid begins with its own corners.
        points = [] if section.sampler == "grid" else space.first_points()
        for point in points[: max(0, num_trials - len(initial_trials))]:
            study.enqueue_trial(point)
    return study


def ask(study: optuna.Study, space: SearchSpace) -> optuna.Trial:
    """Return the next trial with all its parameters: an enqueued one if there is one, else a sampled one."""
    trial = study.ask()
    _complete(trial, space)
    return trial


def _complete(trial: optuna.Trial, space: SearchSpace) -> None:
    """Sample the parameters that the trial lacks. After the family is chosen, sample only that family's."""
    open_parameters = space.distributions()
    if FAMILY in open_parameters:
        _suggest(trial, FAMILY, open_parameters[FAMILY])
        open_parameters = space.distributions(str(trial.params[FAMILY]))
    for name, distribution in open_parameters.items():
        if name not in trial.params:
            _suggest(trial, name, distribution)


def unfinished_trials(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    """Return the trials that were asked for and have no result, in order of their number."""
    found = study.get_trials(deepcopy=False, states=(OptunaState.RUNNING,))
    return sorted(found, key=lambda trial: trial.number)


def adopt(study: optuna.Study, found: optuna.trial.FrozenTrial, space: SearchSpace) -> optuna.Trial:
    """Return an unfinished trial's handle. Sample parameters that it lacks because its driver was killed in ``ask``."""
    trial = trial_handle(study, found)
    _complete(trial, space)
    return trial


def tell_complete(study: optuna.Study, trial: optuna.Trial, outcome: Outcome, budgets: Budgets) -> None:
    """Store all objectives of a trial, after one constraint per budget and one that it trained.

    A constraint of at most 0 is feasible. GPSampler needs the same constraints of every trial, so each one has them
    all.

    Raises:
        RefusedResultError: latency has a budget or is an objective, and there is none.
    """
    values = [outcome.delta_mtl, float(outcome.flops)]
    if len(study.directions) > len(values):
        values.append(_latency(trial, outcome))
    if budgets.latency_ms is not None:
        _latency(trial, outcome)
    for name, value in constraints_of(outcome, budgets).items():
        trial.set_constraint(name, value)
    study.tell(trial, values)


def constraints_of(outcome: Outcome, budgets: Budgets) -> dict[str, float]:
    """Return a complete trial's constraints: one per budget and one that it trained. At most 0 is feasible."""
    found: dict[str, float] = {}
    if budgets.flops is not None:
        found[FLOP_CONSTRAINT] = outcome.flops / budgets.flops - 1.0
    if budgets.latency_ms is not None:
        slowest = math.inf if outcome.latency_ms is None else outcome.latency_ms
        found[LATENCY_CONSTRAINT] = slowest / budgets.latency_ms - 1.0
    return found | {TRAINED_CONSTRAINT: _TRAINED}


def _latency(trial: optuna.Trial, outcome: Outcome) -> float:
    if outcome.latency_ms is None:
        raise RefusedResultError(f"trial {trial.number} has no latency_ms, and the study is about it.")
    return outcome.latency_ms


def mark_untrainable(trial: optuna.Trial) -> None:
    """Mark a trial whose point itself causes its failure.

    Call this before the failure is stored, so that a resumed study knows it.
    """
    trial.set_constraint(TRAINED_CONSTRAINT, _UNTRAINABLE)


def tell_failed(study: optuna.Study, trial: optuna.Trial, budgets: Budgets) -> None:
    """Store a failed trial. Samplers ignore it, unless its point was marked untrainable and breaks a constraint.

    The values of an untrainable point are the worst of the study so far. GPSampler fits them with all others, and other
    samplers use the constraint alone. The trial is FAILED in our tables in either case, and no front reads these
    values.
    """
    if trial.constraints.get(TRAINED_CONSTRAINT, _TRAINED) <= 0:
        study.tell(trial, state=OptunaState.FAIL)
        return
    if budgets.flops is not None:
        trial.set_constraint(FLOP_CONSTRAINT, 0.0)
    if budgets.latency_ms is not None:
        trial.set_constraint(LATENCY_CONSTRAINT, 0.0)
    study.tell(trial, _worst_values(study, budgets))


def _worst_values(study: optuna.Study, budgets: Budgets) -> list[float]:
    """Return the worst value per objective. Without any complete trial, it is no gain at full cost."""
    told = study.get_trials(deepcopy=False, states=(OptunaState.COMPLETE,))
    known = [trial.values for trial in told] or [[0.0, float(budgets.flops or 0), budgets.latency_ms or 0.0]]
    columns = list(zip(*known, strict=True))[: len(study.directions)]
    return [min(columns[0]), *(max(column) for column in columns[1:])]


def tell_stopped_early(study: optuna.Study, trial: optuna.Trial) -> None:
    """Store a trial that was stopped early, without values.

    Values of an unfinished training would count beside final ones. Optuna stores such a trial as PRUNED. TPE ranks it
    below every complete one, and other samplers ignore it.
    """
    study.tell(trial, state=OptunaState.PRUNED)


def _suggest(trial: optuna.Trial, name: str, distribution: BaseDistribution) -> None:
    if isinstance(distribution, FloatDistribution):
        trial.suggest_float(name, distribution.low, distribution.high, log=distribution.log)
    elif isinstance(distribution, IntDistribution):
        trial.suggest_int(name, distribution.low, distribution.high, log=distribution.log)
    elif isinstance(distribution, CategoricalDistribution):
        trial.suggest_categorical(name, distribution.choices)
