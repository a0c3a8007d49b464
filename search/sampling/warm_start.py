"""Warm start of a study from an earlier one: trials for the sampler, and a network to start from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, create_trial
from optuna.trial import TrialState as OptunaState

from gatefront.search.config.comparability import first_difference
from gatefront.search.config.family import INTERROGATE, FamilySection
from gatefront.search.config.parameters import Scalar
from gatefront.search.errors import LineageError
from gatefront.search.planning.search_space import FAMILY, FLOP_TARGET
from gatefront.search.planning.study_plan import StudyPlan
from gatefront.search.results.outcome import Outcome
from gatefront.search.results.records import StudyView, TrialPoint
from gatefront.search.results.states import TrialState
from gatefront.search.sampling.optuna_study import constraints_of
from gatefront.search.snapshots.reader import StudyReader
from gatefront.search.storage.optuna_internals import contains
from gatefront.spaces.budgets.budgets import is_feasible
from gatefront.spaces.json_codec import to_json
from gatefront.trainer.checkpoints.initial_network import InitialNetwork

INITIAL = "initial"
"""Optuna's attribute of a trial that starts from a network of an earlier study: its label and its file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InitialTrial:
    """Trial that starts from ``initial``, the network of the earlier front that is nearest to the new budget.

    Its ``family`` is that of the network.
    """

    params: Mapping[str, Scalar]
    initial: InitialNetwork
    family: str = INTERROGATE

    @property
    def attributes(self) -> dict[str, object]:
        return {INITIAL: to_json(self.initial)}


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmStart:
    """Trials and network that a study takes from an earlier one.

    ``trials`` are shown to the sampler and not stored. ``initial_trial`` None means that no network of the front fits.
    ``left_out`` are families of the earlier study that this one does not train. ``among_families`` is true if this
    study trains several.
    """

    study: str
    trials: tuple[FrozenTrial, ...]
    initial_trial: InitialTrial | None
    left_out: tuple[str, ...] = ()
    among_families: bool = False

    def __str__(self) -> str:
        said = f"{self.study}: {len(self.trials)} of its trials warm the sampler"
        if self.left_out:
            said += f", none of {' or '.join(self.left_out)}, which this study does not train"
        if self.initial_trial is None:
            return f"{said}; no network of its front suits as a beginning"
        of_family = f", of {self.initial_trial.family}," if self.among_families else ""
        return f"{said}; the first trial{of_family} goes on from the network of {self.initial_trial.initial.label}"


def begin_from(plan: StudyPlan, reader: StudyReader, earlier: str) -> WarmStart:
    """Return the warm start of a study that begins now.

    Raises:
        StudyNotFoundError: there is no such earlier study.
        LineageError: it asks another question, or has no complete trial that is of use here.
    """
    difference = first_difference(plan.config, reader.config(earlier))
    if difference is not None:
        raise LineageError(
            f"study {earlier!r} differs in {difference}: what it found says nothing here.",
            hint="Only [study], [early_stopping], the latency budget and the machine's settings in [train] may differ.",
        )
    warm_start = read_warm_start(plan, reader, earlier)
    if not warm_start.trials:
        raise LineageError(f"study {earlier!r} has no complete trial that this study could have proposed.")
    return warm_start


def read_warm_start(plan: StudyPlan, reader: StudyReader, earlier: str) -> WarmStart:
    """Return the warm start that the earlier study offers now, without trials voided since the start.

    Raises:
        StudyNotFoundError: there is no such earlier study.
    """
    view, there = reader.view(earlier), reader.config(earlier).family
    here = plan.config.family
    return WarmStart(
        study=earlier,
        trials=warm_trials(plan, view, there),
        initial_trial=_initial_trial(plan, view, there, reader),
        left_out=tuple(name for name in there.names if name not in here.names),
        among_families=len(here.names) > 1,
    )


def initial_trials_of(warm_start: WarmStart | None) -> list[tuple[Mapping[str, Scalar], Mapping[str, object]]]:
    """Return parameters and attributes of the trials that start from an earlier network: one, or none."""
    if warm_start is None or warm_start.initial_trial is None:
        return []
    return [(warm_start.initial_trial.params, warm_start.initial_trial.attributes)]


def warm_trials(plan: StudyPlan, view: StudyView, there: FamilySection) -> tuple[FrozenTrial, ...]:
    """Return the earlier study's complete trials as trials of this one, with its constraints.

    ``there`` is the earlier study's [family]. A trial's target remains the same FLOPs, which is another share of
    another budget. Trials are left out if this study could not propose them, or if they exceed its budget of
    parameters. Numbers are below 0, so no trial of this study shares them.
    """
    space = plan.search_space.distributions()
    possible = (_as_trial(plan, view, point, there, space) for point in view.points)
    found = [trial for trial in possible if trial is not None]
    for number, trial in enumerate(found, start=-len(found)):
        trial.number = number
    return tuple(found)


def _as_trial(
    plan: StudyPlan,
    view: StudyView,
    point: TrialPoint,
    there: FamilySection,
    space: Mapping[str, BaseDistribution],
) -> FrozenTrial | None:
    params = _translated(plan, point, point.flop_target, _family_of(point, there))
    if params is None or point.delta_mtl is None or point.flops is None or not _has_few_parameters(plan, point):
        return None
    outcome = Outcome(point.delta_mtl, point.flops, point.latency_ms)
    values = [outcome.delta_mtl, float(outcome.flops)]
    if "latency" in plan.config.study.objectives:
        if outcome.latency_ms is None:
            return None
        values.append(outcome.latency_ms)
    return create_trial(
        state=OptunaState.COMPLETE,
        values=values,
        params=params,
        distributions={name: space[name] for name in params},
        constraints=constraints_of(outcome, plan.budgets),
        user_attrs={"inherited_from": f"{view.summary.name} {point.label}"},
    )


def _initial_trial(plan: StudyPlan, view: StudyView, there: FamilySection, reader: StudyReader) -> InitialTrial | None:
    """Return a trial from the front's network nearest to this study's budget whose file exists; None if none fits."""
    limit = plan.ceiling if plan.budgets.flops is None else plan.budgets.flops
    front = [point for point in view.front if _has_few_parameters(plan, point)]
    for point in sorted(front, key=lambda point: (abs((point.flops or 0) - limit), -(point.expected_delta_mtl or 0.0))):
        path = reader.network_path(view.summary.name, point.number, point.derived)
        family = _family_of(point, there)
        # A gated network can close gates until it fits. Other networks cannot shrink.
        fits = family == INTERROGATE or is_feasible(point.flops or 0, plan.budgets.flops)
        params = _translated(plan, point, None, family)
        if fits and params is not None and path.is_file():
            label = f"{view.summary.name} {point.label}"
            return InitialTrial(params=params, initial=InitialNetwork(label=label, path=str(path)), family=family)
    return None


def _family_of(point: TrialPoint, there: FamilySection) -> str:
    """Return the family of a point. A study of one family does not sample it."""
    return str(point.params.get(FAMILY, there.names[0]))


def _translated(plan: StudyPlan, point: TrialPoint, flop_target: int | None, family: str) -> dict[str, Any] | None:
    """Return the point's parameters in this study; None if this study cannot have them.

    The target is ``flop_target``, or the highest of this study for None.
    """
    if point.state is not TrialState.COMPLETE or family not in plan.config.family.names:
        return None
    space = plan.search_space.distributions(family)
    params = {name: family if name == FAMILY else point.params.get(name) for name in space}
    if FLOP_TARGET in space:
        try:
            share = plan.search_space.share_of_target(point.params, flop_target or 0)
        except KeyError:
            return None
        params[FLOP_TARGET] = plan.search_space.highest_target if flop_target is None else share
    is_possible = all(value is not None and contains(space[name], value) for name, value in params.items())
    return params if is_possible else None


def _has_few_parameters(plan: StudyPlan, point: TrialPoint) -> bool:
    return plan.budgets.params is None or (point.num_parameters or 0) <= plan.budgets.params
