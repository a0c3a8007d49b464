"""Recovery of a study from the database alone, after a stop or a killed driver."""

from dataclasses import dataclass

import optuna
from optuna.trial import TrialState as OptunaState

from gatefront.search.planning.search_space import SearchSpace
from gatefront.search.results.states import DONE_STATES, TrialState
from gatefront.search.sampling.optuna_study import (
    adopt,
    tell_complete,
    tell_failed,
    tell_stopped_early,
    unfinished_trials,
)
from gatefront.search.sampling.replicates import REPLICATE_OF
from gatefront.search.storage.study_store import StudyStore


@dataclass(frozen=True, slots=True)
class Recovery:
    """Trials of a study that is resumed.

    ``num_done`` trials are kept. ``adopted`` trials continue from their checkpoints. ``num_left`` trials are handed out
    in all, adopted ones included. ``replicates`` continue as well, but they are not counted with the trials of the
    search.
    """

    num_done: int
    adopted: tuple[optuna.Trial, ...]
    num_left: int
    replicates: tuple[optuna.Trial, ...] = ()


def recover(study: optuna.Study, store: StudyStore, space: SearchSpace, *, num_trials: int) -> Recovery:
    """Tell Optuna of the trials that a dead driver only stored, and collect those that it had handed out.

    The caller must hold the lease.
    """
    told = store.told_states()
    adopted: list[optuna.Trial] = []
    replicates: list[optuna.Trial] = []
    for found in unfinished_trials(study):
        trial = adopt(study, found, space)
        state = told.get(found.number, TrialState.QUEUED)
        if state is TrialState.COMPLETE:
            tell_complete(study, trial, store.stored_result(found.number), space.budgets)
        elif state is TrialState.FAILED:
            tell_failed(study, trial, space.budgets)
        elif state is TrialState.STOPPED_EARLY:
            tell_stopped_early(study, trial)
        else:
            (replicates if REPLICATE_OF in found.user_attrs else adopted).append(trial)
            if found.number in told:
                store.requeue_trial(found.number)
    num_done = sum(state in DONE_STATES for state in store.trial_states().values())
    num_left = max(0, num_trials - num_done)
    return Recovery(num_done, tuple(adopted[:num_left]), num_left, tuple(replicates))


def give_up_unowned(study: optuna.Study, store: StudyStore) -> None:
    """End the trials that Optuna counts as running and that were never handed out.

    No trial of the study may be left to do. A trial has no owner if the connection was lost before its creation was
    answered. Another trial was then created in its place.
    """
    handed_out = store.told_states()
    for found in unfinished_trials(study):
        if found.number not in handed_out:
            study.tell(found.number, state=OptunaState.FAIL)
