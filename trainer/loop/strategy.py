"""Strategy: parts of a training besides minimizing its task losses."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor, nn
from torch.optim import Optimizer

from gatefront.trainer.loop.distillation import Distillation
from gatefront.trainer.reporting import Phase


class ExtraLoss(Protocol):
    """Named terms added to the task losses.

    It receives the task losses, detached. ``progress`` is the share of steps done.
    """

    def __call__(self, progress: float, losses: Sequence[Tensor], /) -> Mapping[str, Tensor]: ...


class Memory(Protocol):
    """State that a strategy learns besides parameters. Checkpoints store it."""

    def state(self) -> dict[str, float]: ...

    def restore(self, state: dict[str, float], /) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """Parts of a run besides minimizing its task losses.

    ``gate_parameters`` learn at ``gate_learning_rate``, without decay. ``after_step`` runs after each update, with the
    optimizer in its state after the step. ``memory`` is the state that must survive a restart besides the network.
    ``distillation`` adds the outputs of teachers to the labels. With ``keeps_best`` the network ends with the weights
    of its best epoch. A phase whose structure settles with its last step, such as that of learned gates, ends with its
    last weights.
    """

    phase: Phase = "train"
    gate_parameters: tuple[nn.Parameter, ...] = ()
    gate_learning_rate: float = 0.0
    extra_loss: ExtraLoss | None = None
    after_step: Callable[[Optimizer], None] | None = None
    memory: Memory | None = None
    keeps_best: bool = True
    distillation: Distillation | None = None
