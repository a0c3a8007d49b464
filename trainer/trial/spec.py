"""TrialSpec: everything one trial needs to run, on any worker; plain JSON on the way there."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gatefront.spaces.architecture.architecture import Architecture
from gatefront.spaces.architecture.tasks import Task
from gatefront.spaces.budgets.budgets import Budgets, is_feasible
from gatefront.spaces.errors import GatefrontError
from gatefront.spaces.json_codec import OMIT_DEFAULT, from_json, to_json
from gatefront.trainer.checkpoints.content_hash import hash_json
from gatefront.trainer.checkpoints.initial_network import InitialNetwork
from gatefront.trainer.config import GateConfig, TrainConfig
from gatefront.trainer.data.dataset import DataSpec
from gatefront.trainer.reporting import ReferenceResult
from gatefront.trainer.trial.family_config import FamilyChoice

NETWORK_FILE = "network.pt"
"""What a trial delivers, in its folder."""


class TrialSpecError(GatefrontError, ValueError):
    """A trial's parts do not fit each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedReference:
    """A trained reference as a trial uses it: its metrics per task and its weights file.

    One that ``has_learned`` nothing starts a branch all the same, and no gain over it counts.
    """

    metrics: Mapping[str, float]
    path: str
    has_learned: bool = field(default=True, metadata=OMIT_DEFAULT)

    @classmethod
    def from_result(cls, result: ReferenceResult) -> "TrainedReference":
        return cls(metrics=dict(result.metrics), path=result.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialSpec:
    """One trial. ``single_task`` has a reference per task: it defines Δ_MTL and starts the task's own branch.

    ``hard_sharing`` starts the shared branch; without it that branch starts as the backbone does.
    ``budgets`` bound the network; no training can keep to their latency. ``flop_target``, at or under their FLOPs, is
    what this trial asks for; None: whatever its gates choose under the budget. ``initial``, of the same family, takes
    the place of all other initial weights, of gates, and of LOMT's search for layers.
    ``family`` trains another family in place of InterroGate, to which ``gates`` then mean nothing.
    """

    architecture: Architecture
    data: DataSpec
    train: TrainConfig
    gates: GateConfig
    budgets: Budgets
    single_task: Mapping[str, TrainedReference]
    hard_sharing: TrainedReference | None = None
    flop_target: int | None = None
    initial: InitialNetwork | None = None
    family: FamilyChoice | None = None

    def __post_init__(self) -> None:
        names = self.architecture.task_names
        if len(self.gates.tau) != len(names):
            raise TrialSpecError(f"gates.tau has {len(self.gates.tau)} targets for {len(names)} tasks.")
        if self.gates.sparsity == "expected_flops" and self.flop_target is None:
            raise TrialSpecError(
                'gates.sparsity "expected_flops" needs a flop_target, found none.',
                hint='Give the trial one, or choose the sparsity "hinge".',
            )
        most = self.budgets.flops
        if self.flop_target is not None and not is_feasible(self.flop_target, most):
            raise TrialSpecError(
                f"flop_target must be at most the flop_budget of {most:,}, found {self.flop_target:,}."
            )
        for name in names:
            if name not in self.single_task or name not in self.single_task[name].metrics:
                raise TrialSpecError(
                    f"single_task has no metric of task {name}.", hint="Train its single-task reference first."
                )

    @property
    def num_epochs(self) -> int:
        """Epochs over all phases: gates learn, the network is fine-tuned, points are derived; or LOMT's two steps."""
        if self.family is not None:
            searched = 0 if self.initial is not None else len(self.architecture.tasks) * self.family.search_epochs
            return self.train.epochs + searched
        return self.train.epochs + self.gates.finetune_epochs + self.gates.derived_points * self.gates.derived_epochs

    @property
    def flop_limit(self) -> int | None:
        """What the trial's own network may cost: its target, or else the budget."""
        return self.budgets.flops if self.flop_target is None else self.flop_target

    @property
    def ranked_tasks(self) -> tuple[Task, ...]:
        """The tasks that Δ_MTL is the mean of: those whose single-task reference has learned."""
        return tuple(task for task in self.architecture.tasks if self.single_task[task.name].has_learned)

    def single_task_metrics(self) -> dict[str, float]:
        """What Δ_MTL is measured against."""
        return {name: self.single_task[name].metrics[name] for name in self.architecture.task_names}

    def key(self, data_fingerprint: str) -> str:
        """Names the trial by its content, wherever its references lie and whatever device it runs on."""
        document = self.to_document() | {"train": self.train.recipe()}
        del document["data"]["cache"]
        for reference in (*document["single_task"].values(), document["hard_sharing"], document["initial"]):
            if reference is not None:
                del reference["path"]
        if document["initial"] is None:
            del document["initial"]  # keys of trials without one stay as earlier releases had them
        if document["family"] is None:
            del document["family"]
        return hash_json(document | {"data_fingerprint": data_fingerprint})

    def to_document(self) -> dict[str, Any]:
        """Return plain JSON types, the budgets under keys of their own; :meth:`from_document` reverses it.

        The latency budget is left out.
        """
        document = to_json(self)
        budgets = document.pop("budgets")
        return document | {"flop_budget": budgets["flops"], "param_budget": budgets["params"]}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "TrialSpec":
        """Return the specification that :meth:`to_document` wrote; raises what :func:`from_json` does."""
        fields = dict(document)
        budgets = {"flops": fields.pop("flop_budget"), "params": fields.pop("param_budget")}
        return from_json(cls, fields | {"budgets": budgets})
