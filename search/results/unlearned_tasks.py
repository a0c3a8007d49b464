"""Tasks whose single-task network has not learned. A gain over it means nothing, so Δ_MTL leaves them out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from gatefront.search.errors import ReferenceFailedError
from gatefront.search.results.records import StudyView, TaskRecord
from gatefront.search.results.reference_point import ReferencePoint
from gatefront.spaces import Task
from gatefront.trainer.metrics import beats_constant


@dataclass(frozen=True, slots=True, kw_only=True)
class UnlearnedTask:
    """Task whose single-task network scores ``value``, no better than the ``constant`` of one fixed prediction.

    ``metric`` is its name with unit. A task that ``is_ranked`` counts in Δ_MTL nevertheless, as the study asked.
    """

    name: str
    metric: str
    value: float
    constant: float
    is_ranked: bool

    @property
    def scores(self) -> str:
        """Text such as ``semseg (mIoU %: 0.41; of a constant prediction: 2.3)``."""
        return f"{self.name} ({self.metric}: {self.value:.3g}; of a constant prediction: {self.constant:.3g})"


def has_learned(task: TaskRecord, value: float, constant_metrics: Mapping[str, float]) -> bool:
    """Return False if the task's metric is no better than a constant prediction's; True if that is not known."""
    constant = constant_metrics.get(task.name)
    return constant is None or beats_constant(value, constant, higher_is_better=task.higher_is_better)


def unlearned_tasks(tasks: Sequence[TaskRecord], references: Iterable[ReferencePoint]) -> tuple[UnlearnedTask, ...]:
    """Return a study's tasks whose single-task network is trained and has not learned."""
    alone = next((point for point in references if point.kind == "single_task"), None)
    if alone is None:
        return ()
    return tuple(
        UnlearnedTask(
            name=task.name,
            metric=task.metric,
            value=alone.metrics[task.name],
            constant=alone.constant_metrics[task.name],
            is_ranked=task.name not in alone.unranked,
        )
        for task in tasks
        if task.name in alone.metrics and not has_learned(task, alone.metrics[task.name], alone.constant_metrics)
    )


def unlearned_sentences(view: StudyView) -> list[str]:
    """Return a notice of the view's unlearned tasks with a way out; empty while all have learned."""
    found = unlearned_tasks(view.summary.tasks, view.references)
    left_out = [task.scores for task in found if not task.is_ranked]
    if len(left_out) == len(view.summary.tasks):
        # The study failed for this reason, and its message names the tasks.
        return []
    ranked = [task.scores for task in found if task.is_ranked]
    sentences = []
    if left_out:
        sentences.append(f"Not learned alone, so left out of Δ_MTL: {', '.join(left_out)}. {_WAY_ON}")
    if ranked:
        sentences.append(
            f"Not learned alone: {', '.join(ranked)}. Δ_MTL counts {'it' if len(ranked) == 1 else 'them'} nevertheless "
            f"(rank_unlearned = true), so Δ_MTL says little. {_WAY_ON}"
        )
    return sentences


def require_ranked(tasks: Sequence[Task], left_out: Sequence[UnlearnedTask]) -> None:
    """Require that Δ_MTL has a task left to be the mean of.

    Args:
        tasks: the tasks of the study.
        left_out: the tasks that Δ_MTL leaves out.

    Raises:
        ReferenceFailedError: no task has learned alone; names each with its scores.
    """
    if len(left_out) < len(tasks):
        return
    scores = ", ".join(task.scores for task in left_out)
    raise ReferenceFailedError(
        f"no single-task network has learned, so Δ_MTL has nothing to be measured against: {scores}.",
        hint=f"{_WAY_ON} To rank on them all the same, as when a study is only tried out, set rank_unlearned = true in "
        "[study].",
    )


_WAY_ON = (
    "Check the labels with `gatefront doctor`, or train the references for longer or with another learning_rate "
    "(reference_epochs in [train])."
)
