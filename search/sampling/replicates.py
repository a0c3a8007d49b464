"""Replicates: the best trials of a finished search again with other seeds, to tell luck from merit."""

from collections import Counter

import optuna
from optuna.trial import TrialState as OptunaState
from optuna.trial import create_trial

from gatefront.search.results.pareto import pareto_front
from gatefront.search.results.records import StudyView, TrialPoint
from gatefront.search.results.states import TrialState
from gatefront.search.storage.optuna_internals import begin_trial

REPLICATE_OF = "confirms"
"""Attribute of a replicate: the number of the trial that it repeats with another seed."""


def due_replicates(view: StudyView, *, points: int, seeds: int) -> list[int]:
    """Return the trials to repeat, with one entry per missing replicate, the best trial's first.

    The chosen trials are those of the best ``points`` points on the front as measured. Results of replicates do not
    change the choice, as it would otherwise move from one lucky trial to the next. A void replicate is replaced, a
    failed one is not.
    """
    front = _measured_front(view)
    chosen = list(dict.fromkeys(point.number for point in front[:points]))
    known = Counter(
        replicate.confirms
        for replicate in view.replicates
        if not replicate.derived and replicate.state is not TrialState.VOID
    )
    return [number for number in chosen for _ in range(seeds - known[number])]


def start_replicate(study: optuna.Study, number: int) -> optuna.Trial:
    """Create a running trial with the parameters of trial ``number``. It is never queued, so no search receives it."""
    (original,) = [found for found in study.get_trials(deepcopy=False) if found.number == number]
    attributes = {**original.user_attrs, REPLICATE_OF: number}
    replicate = create_trial(
        state=OptunaState.RUNNING,
        params=original.params,
        distributions=original.distributions,
        user_attrs=attributes,
    )
    return begin_trial(study, replicate)


def _measured_front(view: StudyView) -> list[TrialPoint]:
    """Return the front as measured, the best Δ_MTL first."""
    feasible = [point for point in view.all_points if point.is_feasible and point.delta_mtl is not None]
    front = pareto_front([(point.delta_mtl or 0.0, point.flops or 0) for point in feasible])
    on_front = [point for point, is_on in zip(feasible, front, strict=True) if is_on]
    return sorted(on_front, key=lambda point: -(point.delta_mtl or 0.0))
