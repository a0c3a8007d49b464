"""FlopControl: gates driven to a target cost by dual ascent on their expected cost."""

from collections.abc import Sequence

from torch import Tensor

from gatefront.spaces.budgets.expected_flops import expected_flops
from gatefront.spaces.budgets.flop_budget import project_to_budget
from gatefront.spaces.networks.interrogate import InterroGateNetwork
from gatefront.trainer.trial.gated.loss_shares import LossShares

_APPROACH = 0.9  # share of the steps in which the wanted cost sinks from the first one to the target
_BINARISE = (0.3, 0.9)  # share of the steps in which the temperature falls
_COLDEST = 0.25
_DUAL_STEPS = 5.0  # a residual of one encoder that lasted the whole run would raise lambda by this many rho
_SETTLE = 0.9  # from this share of the steps on, the gates are held at the target
_STEPS_BETWEEN = 10  # ... every so many steps
_LOSS = "loss of task "


class FlopControl:
    """Penalty ``lambda r + rho r^2 / 2`` with ``r = (E - B) / encoder``, and ``lambda += eta rho r`` after a step.

    E is :func:`expected_flops`, B the wanted FLOPs, and r counts encoders. B falls linearly from the gates' first cost
    to ``target`` over nearly the whole run. A gate that closes early no longer trains the layers behind it and is
    judged on little evidence. lambda may fall below zero, which raises a network under its target up to it.

    Meanwhile the temperature of E falls, so that the expected cost approaches the cost of the hard gates. In the last
    tenth of the run a projection removes the remaining difference: the logits nearest to zero change sign until the
    hard gates have the target cost. The weights then train with the very gates that will be frozen.

    The gradient of E on each task's gates is weighted by the task's share of the loss. A gate is therefore kept for the
    relative loss that it saves its own task, which is what Δ_MTL counts. Tasks with small losses would otherwise lose
    all their channels.

    This is a method of multipliers (Hestenes 1969; Bertsekas, "Constrained Optimization and Lagrange Multiplier
    Methods"). The hinge of InterroGate (arXiv 2402.16848, Eq. 4) only approximates a wanted cost.
    """

    def __init__(self, network: InterroGateNetwork, target: int, *, rho: float, num_steps: int) -> None:
        self._network = network
        self._target = target
        self._rho = rho
        self._num_steps = num_steps
        self._step = 0
        self._multiplier = 0.0
        self._first_cost: float | None = None
        self._residual: Tensor | None = None
        self._loss_shares = LossShares()

    def loss(self, progress: float, losses: Sequence[Tensor]) -> Tensor:
        """Return the penalty at this step. ``progress`` is the share of steps done, ``losses`` are the tasks'."""
        expected = expected_flops(
            self._network.cost,
            self._network.channel_gates(),
            temperature=temperature_at(progress),
            pressure=self._loss_shares.update(losses),
        )
        if self._first_cost is None:
            self._first_cost = float(expected.detach())
        wanted = self._target + (self._first_cost - self._target) * max(0.0, 1 - progress / _APPROACH)
        residual = (expected - wanted) / self._network.cost.encoder
        self._residual = residual.detach()
        return (self._multiplier * residual + 0.5 * self._rho * residual.square()).float()

    def after_step(self) -> None:
        """Move lambda one step along the residual of :meth:`loss`. Late in the run also project."""
        if self._residual is not None:
            self._multiplier += _DUAL_STEPS / self._num_steps * self._rho * float(self._residual)
        self._step += 1
        is_last = self._step == self._num_steps
        if self._step >= _SETTLE * self._num_steps and (is_last or self._step % _STEPS_BETWEEN == 0):
            self._network.set_gate_pattern(project_to_budget(self._network, self._target))

    def state(self) -> dict[str, float]:
        """Return the state that a checkpoint must keep for an exact resume."""
        numbers = {"multiplier": self._multiplier, "first_cost": self._first_cost or 0.0, "step": float(self._step)}
        return numbers | {f"{_LOSS}{task}": loss for task, loss in enumerate(self._loss_shares.state())}

    def restore(self, state: dict[str, float]) -> None:
        self._multiplier = state["multiplier"]
        self._first_cost = state["first_cost"] or None
        self._step = int(state["step"])
        self._loss_shares.restore([loss for key, loss in state.items() if key.startswith(_LOSS)])


def temperature_at(progress: float) -> float:
    """Return the temperature, which is 1 at first and then falls linearly to its lowest value."""
    start, end = _BINARISE
    share = min(max((progress - start) / (end - start), 0.0), 1.0)
    return 1.0 + share * (_COLDEST - 1.0)
