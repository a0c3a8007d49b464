"""Reasons why a study or trial cannot be changed now, shown beside disabled buttons."""

from gatefront.search.results.states import DONE_STATES, DRIVEN_STATES, StudyState, TrialState
from gatefront.search.snapshots.study_status import StudyStatus

_NO_DRIVER = "no driver is running"


def study_refusals(status: StudyStatus) -> dict[str, str]:
    """Return the reasons against each change of the study, by the change's name. A change that is not named works."""
    refused: dict[str, str] = {}
    if status.state is StudyState.STOPPING:
        refused |= dict.fromkeys(("stop", "hours"), "it is stopping already")
        refused["resume"] = "it is still stopping"
    elif status.state in DRIVEN_STATES:
        refused["resume"] = "its driver is at work"
    else:
        refused["hours"] = _NO_DRIVER
        # The service may be about to resume a lost study, and stopping prevents that.
        if status.state is not StudyState.LOST:
            refused["stop"] = _NO_DRIVER
    if status.state is StudyState.COMPLETE and status.num_done >= status.num_trials:
        refused["resume"] = "all its trials are done; add some first"
    return refused


def trial_refusals(state: TrialState) -> dict[str, str]:
    """Return the reasons against declaring a trial void and against the withdrawal."""
    if state is TrialState.VOID:
        return {"void": "it is void already"}
    if state not in DONE_STATES:
        return {"void": "it has not finished", "unvoid": "it is not void"}
    return {"unvoid": "it is not void"}


def refusal_sentence(refused: dict[str, str], names: dict[str, str]) -> str:
    """Return the reasons as a sentence, with changes of the same reason together.

    For example: ``Stop and Hour cap: no driver is running.``
    """
    by_reason: dict[str, list[str]] = {}
    for key, name in names.items():
        if key in refused:
            by_reason.setdefault(refused[key], []).append(name)
    return " ".join(f"{' and '.join(found)}: {reason}." for reason, found in by_reason.items())
