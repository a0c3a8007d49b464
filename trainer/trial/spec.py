"""TrialSpec: everything one trial needs to run on any worker. It is sent as plain JSON."""

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
from gatefront.trainer.config import DistillationConfig, GateConfig, TrainConfig
from gatefront.trainer.data.dataset import DataSpec
from gatefront.trainer.reporting import ReferenceResult
from gatefront.trainer.trial.family_config import FamilyChoice

NETWORK_FILE = "network.pt"
"""Name of the file with the delivered network, in the trial's folder."""


class TrialSpecError(GatefrontError, ValueError):
    """Error for parts of a trial that do not fit each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedReference:
    """Trained reference as a trial uses it: its metrics per task and its weights file.

    A reference without ``has_learned`` still initializes a branch, but no gain over it counts.
    """

    metrics: Mapping[str, float]
    path: str
    has_learned: bool = field(default=True, metadata=OMIT_DEFAULT)

    @classmethod
    def from_result(cls, result: ReferenceResult) -> "TrainedReference":
        return cls(metrics=dict(result.metrics), path=result.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialSpec:
    """Specification of a trial.

    ``single_task`` has a reference per task, which defines Δ_MTL and initializes the task's own branch.
    ``hard_sharing`` initializes the shared branch; None leaves the backbone's initial weights. ``budgets`` bound the
    network, except that no training can keep a latency. ``flop_target`` is the trial's own target, at or under their
    FLOPs; None means that only the budget bounds its gates. ``initial``, of the same family, replaces all other initial
    weights, gates, and LOMT's search for layers. ``family`` trains another family instead of InterroGate, for which
    ``gates`` have no meaning. ``distillation`` trains against the outputs of the single-task references as well.
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
    distillation: DistillationConfig | None = field(default=None, metadata=OMIT_DEFAULT)

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
        """Limit of the FLOPs of the trial's own network: its target, else the budget; None without either."""
        return self.budgets.flops if self.flop_target is None else self.flop_target

    @property
    def ranked_tasks(self) -> tuple[Task, ...]:
        """Tasks that Δ_MTL averages over: those whose single-task reference has learned."""
        return tuple(task for task in self.architecture.tasks if self.single_task[task.name].has_learned)

    def single_task_metrics(self) -> dict[str, float]:
        """Return the metrics that Δ_MTL is measured against."""
        return {name: self.single_task[name].metrics[name] for name in self.architecture.task_names}

    def key(self, data_fingerprint: str) -> str:
        """Return a hash that names the trial by its content, independent of its references' paths and its device."""
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
        """Return plain JSON types with each budget under its own key. :meth:`from_document` reverses it.

        The latency budget is left out.
        """
        document = to_json(self)
        budgets = document.pop("budgets")
        return document | {"flop_budget": budgets["flops"], "param_budget": budgets["params"]}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "TrialSpec":
        """Return the specification that :meth:`to_document` wrote. Raise the errors of :func:`from_json`."""
        fields = dict(document)
        budgets = {"flops": fields.pop("flop_budget"), "params": fields.pop("param_budget")}
        return from_json(cls, fields | {"budgets": budgets})
