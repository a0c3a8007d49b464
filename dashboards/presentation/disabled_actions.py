"""Which changes a study or trial cannot take now, and why: the words beside a button that does nothing."""

from gatefront.search.results.states import DONE_STATES, DRIVEN_STATES, StudyState, TrialState
from gatefront.search.snapshots.study_status import StudyStatus

_NO_DRIVER = "no driver is running"


def study_refusals(status: StudyStatus) -> dict[str, str]:
    """Why the study cannot be changed so, by the change's name; what is not named works."""
    refused: dict[str, str] = {}
    if status.state is StudyState.STOPPING:
        refused |= dict.fromkeys(("stop", "hours"), "it is stopping already")
        refused["resume"] = "it is still stopping"
    elif status.state in DRIVEN_STATES:
        refused["resume"] = "its driver is at work"
    else:
        refused["hours"] = _NO_DRIVER
        # One that was lost may be about to be resumed by the service: stopping ends that.
        if status.state is not StudyState.LOST:
            refused["stop"] = _NO_DRIVER
    if status.state is StudyState.COMPLETE and status.num_done >= status.num_trials:
        refused["resume"] = "all its trials are done; add some first"
    return refused


def trial_refusals(state: TrialState) -> dict[str, str]:
    """The same for declaring a trial void and taking that back."""
    if state is TrialState.VOID:
        return {"void": "it is void already"}
    if state not in DONE_STATES:
        return {"void": "it has not finished", "unvoid": "it is not void"}
    return {"unvoid": "it is not void"}


def refusal_sentence(refused: dict[str, str], names: dict[str, str]) -> str:
    """``Stop and Hour cap: no driver is running.``: changes with the same reason together."""
    by_reason: dict[str, list[str]] = {}
    for key, name in names.items():
        if key in refused:
            by_reason.setdefault(refused[key], []).append(name)
    return " ".join(f"{' and '.join(found)}: {reason}." for reason, found in by_reason.items())
