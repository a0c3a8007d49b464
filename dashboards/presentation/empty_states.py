"""Sentences for each state of a study or trial, with the next step."""

from collections import Counter
from collections.abc import Mapping
from itertools import pairwise

from gatefront.search.results.empty_front import all_failed_sentence, over_budget_sentence
from gatefront.search.results.formats import format_names
from gatefront.search.results.records import StudySummary, StudyView, TrialDetail
from gatefront.search.results.states import StudyState, TrialState
from gatefront.search.results.unlearned_tasks import unlearned_sentences

# A lost trial is not over: `resume` runs it again.
_ENDED = {TrialState.COMPLETE, TrialState.STOPPED_EARLY, TrialState.FAILED, TrialState.VOID}
_OVER = {StudyState.STOPPED, StudyState.FAILED, StudyState.LOST}

_UNFINISHED = (
    (TrialState.RUNNING, "running"),
    (TrialState.QUEUED, "waiting for a worker"),
    (TrialState.LOST, "lost with the worker"),
)
NO_STUDIES = (
    "There is no study in this database yet. `gatefront start STUDY.toml` starts one; it appears here by itself."
)


def study_sentence(summary: StudySummary) -> str | None:
    """Return what a person should know of the study as a whole, or None if all is well."""
    reason = f" {summary.message}" if summary.message else ""
    match summary.state:
        case StudyState.FAILED:
            return f"The study failed:{reason or ' no cause was recorded.'}"
        case StudyState.LOST:
            return (
                "The process that drives this study no longer answers; what had finished is kept."
                f"{reason} `gatefront resume {summary.name}` goes on from here."
            )
        case StudyState.STOPPED:
            return f"The study was stopped.{reason} `gatefront resume {summary.name}` goes on from here."
        case StudyState.STOPPING:
            return f"The study is stopping: trials that run are brought to a checkpoint.{reason}"
        case _:
            return None


def references_sentence(view: StudyView) -> str:
    """Return which references still train, as far as the records show it. The driver's own message takes precedence."""
    message = f" {view.summary.message}" if view.summary.message else ""
    missing = format_names(missing_references(view))
    named = f" Still to come: {missing}." if missing and not message else ""
    return f"The references that define Δ_MTL are training.{message}{named} Trials start when they are done."


def missing_references(view: StudyView) -> list[str]:
    """Return the names of the references that have no result yet, in the order in which they train."""
    kinds = {reference.kind for reference in view.references}
    missing = []
    if "single_task" not in kinds:
        missing.append(f"the single-task networks ({format_names([task.name for task in view.summary.tasks])})")
    if "hard_sharing" not in kinds:
        missing.append("hard sharing")
    return missing


def front_sentence(view: StudyView) -> str | None:
    """Return why the front has no point, or None as soon as it has one."""
    if view.front:
        return None
    counts = Counter(point.state for point in view.points)
    ended = sum(counts[state] for state in _ENDED)
    failed = counts[TrialState.FAILED]
    if view.summary.state is StudyState.PREPARING and not ended:
        return references_sentence(view)
    if not ended and view.summary.state in _OVER:
        return "No trial had finished when the study ended, so nothing is on the front."
    if not ended:
        return f"No trial has finished yet: {_unfinished(counts)}. The first point appears when one ends."
    if failed == ended:
        return all_failed_sentence(view)
    if counts[TrialState.COMPLETE] and not any(p.is_feasible for p in view.all_points):
        return over_budget_sentence(view)
    return (
        f"Nothing is on the front yet: {_ended(counts)}. "
        "Only complete trials can be on it; stopped, failed and void ones cannot."
    )


def unlearned_sentence(view: StudyView) -> str | None:
    """Return a sentence about tasks that have not learned alone, which Δ_MTL leaves out, or None if there are none."""
    return " ".join(unlearned_sentences(view)) or None


def page_sentence(view: StudyView) -> str | None:
    """Return the notices at the top of a study's page, or None: its state, and the tasks that its Δ_MTL leaves out."""
    return " ".join(filter(None, (study_sentence(view.summary), unlearned_sentence(view)))) or None


def confirmation_sentence(view: StudyView) -> str:
    """Return what the intervals of the front are, and which neighbors they leave undecided."""
    front = sorted(view.front, key=lambda p: (p.flops or 0, p.number, p.derived))
    if all(point.confirmation is None for point in front):
        return "Each point was trained once: a small difference may be luck."
    tied = [f"{one.label} and {other.label}" for one, other in pairwise(front) if other.label in one.tied_with]
    verdict = f" Tied: {format_names(tied)}." if tied else ""
    return f"±: 95 % interval of the mean over repeats with other seeds; other points were trained once.{verdict}"


def hypervolume_sentence(view: StudyView) -> str | None:
    """Return why there is no hypervolume, or none above zero. Otherwise the result is None."""
    if not view.hypervolume:
        return "The hypervolume is drawn from the first trial on that finishes within the budget."
    if all(point.hypervolume == 0 for point in view.hypervolume):
        return "Zero so far: no trial within the budget is better than hard sharing."
    return None


def trial_sentence(detail: TrialDetail) -> str | None:
    """Return what a person should know of this trial, or None for a complete one."""
    point = detail.point
    again = f" It was tried {detail.attempts} times." if detail.attempts > 1 else ""
    cause = f" Cause: {point.cause}" if point.cause else " No cause was recorded."
    match point.state:
        case TrialState.QUEUED:
            return "This trial waits for a free worker."
        case TrialState.RUNNING:
            return f"This trial is running: {point.epoch} of {point.num_epochs} epochs done.{again}"
        case TrialState.STOPPED_EARLY:
            return (
                f"This trial was stopped early after {point.epoch} of {point.num_epochs} epochs; "
                f"it takes no part in the front.{f' Cause: {point.cause}' if point.cause else ''}"
            )
        case TrialState.FAILED:
            return f"This trial failed after {point.epoch} of {point.num_epochs} epochs.{cause}{again}"
        case TrialState.LOST:
            return f"The worker of this trial no longer answers.{cause}{again}"
        case TrialState.VOID:
            return f"This trial was declared void and takes no part in the front.{cause}"
        case _ if point.confirms is not None:
            return (
                f"This trial repeats trial {point.confirms} with another seed, to tell luck from merit. "
                "It is on no front itself, and the sampler does not know it."
            )
        case _:
            return None


def map_sentence(detail: TrialDetail) -> str | None:
    """Return why there is no gate map, or None if there is one."""
    if detail.gate_map is not None:
        return None
    if detail.point.state in (TrialState.QUEUED, TrialState.RUNNING):
        return "The gate map appears when the trial has finished: until then its gates still move."
    if detail.point.state is TrialState.COMPLETE:
        return "This trial's family has no gates: what its tasks share is not chosen channel by channel."
    return "This trial did not finish, so it has no final gates to show."


def curves_sentence(detail: TrialDetail) -> str | None:
    if detail.epochs:
        return None
    if detail.point.state in (TrialState.QUEUED, TrialState.RUNNING):
        return "The curves begin with the end of the first epoch."
    return "No epoch was finished, so there are no curves."


def pull_sentence(detail: TrialDetail) -> str | None:
    """Return why this trial cannot be pulled, or None if it can."""
    state = detail.point.state
    if state is TrialState.COMPLETE:
        return None
    if state in (TrialState.QUEUED, TrialState.RUNNING):
        return "It can be pulled when it has finished."
    return "Only a complete trial can be pulled."


def _unfinished(counts: Mapping[TrialState, int]) -> str:
    parts = [f"{counts[state]} {word}" for state, word in _UNFINISHED if counts[state]]
    return format_names(parts) or "the first are being set up"


def _ended(counts: Mapping[TrialState, int]) -> str:
    words = {
        TrialState.COMPLETE: "complete",
        TrialState.STOPPED_EARLY: "stopped early",
        TrialState.FAILED: "failed",
        TrialState.VOID: "void",
    }
    return format_names([f"{counts[state]} {word}" for state, word in words.items() if counts[state]])
