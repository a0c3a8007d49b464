"""Words of the slider over a trial's epochs: the epoch that it shows and what the tasks keep, or why it shows none."""

from gatefront.search.results.formats import format_names
from gatefront.search.results.gate_history import EpochGates, GateHistory
from gatefront.search.results.records import TrialDetail
from gatefront.search.results.states import TrialState

_PHASES = {
    "train": "while the gates learn",
    "finetune": "with the gates frozen for fine-tuning",
    "derive": "with the gates frozen after a further cut",
}


def epoch_sentence(course: GateHistory, shown: EpochGates) -> str:
    """Return a sentence about one epoch.

    For example: ``Epoch 3 of 8, while the gates learn: left keeps 43 % of its channels for itself, right 21 %.``
    """
    gates = shown.gates
    shares = [f"{100 * gates.own_share(t):.0f} %" for t in range(len(gates.tasks))]
    first, *others = zip(gates.tasks, shares, strict=True)
    words = [f"{first[0]} keeps {first[1]} of its channels for itself", *(f"{task} {share}" for task, share in others)]
    phase = _PHASES.get(shown.phase, shown.phase)
    return f"Epoch {shown.epoch} of {course.num_epochs}, {phase}: {format_names(words)}."


def no_course_sentence(detail: TrialDetail) -> str:
    """Return why there is no epoch to show."""
    if detail.epochs:
        return (
            "No gates were kept of this trial's epochs: it was trained by an earlier gatefront, or its family has none."
        )
    if detail.point.state in (TrialState.QUEUED, TrialState.RUNNING):
        return "The first map is there with the end of the first epoch."
    return "No epoch was finished, so there are no gates to show."
