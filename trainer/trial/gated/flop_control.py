"""FlopControl: gates driven to a wanted cost by dual ascent on what they are expected to cost."""

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
    """``lambda r + rho r^2 / 2`` with ``r = (E - B) / encoder``, and ``lambda <- lambda + eta rho r`` after a step.

    E is :func:`expected_flops`, B the wanted FLOPs, r is counted in encoders. B sinks evenly from what the gates
    cost at first to ``target``, over nearly the whole run: a gate that is shut early no longer trains what is
    behind it, and is judged on little. lambda may fall below zero: a network under its target is drawn up to it.
    Meanwhile the temperature of E falls, so that what is expected comes close to what the hard gates cost. What is
    still missing in the last tenth is made up by projection: the logits nearest to zero change sign until the
    hard gates cost what was asked, and the weights train on under the very gates that will be frozen.

    E presses on each task's gates by the task's share of the loss. A gate is then kept for what it saves of its own
    task's loss, relatively, which is what Δ_MTL counts; else tasks with small losses give up all that is theirs.

    A method of multipliers (Hestenes 1969; Bertsekas, "Constrained Optimization and Lagrange Multiplier Methods"):
    the hinge of InterroGate (arXiv 2402.16848, Eq. 4) only approximates a wanted cost.
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
        """The penalty at this step; ``progress`` is the share of the run's steps done, ``losses`` are the tasks'."""
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
        """One step of lambda along the residual that :meth:`loss` found; late in the run the projection too."""
        if self._residual is not None:
            self._multiplier += _DUAL_STEPS / self._num_steps * self._rho * float(self._residual)
        self._step += 1
        is_last = self._step == self._num_steps
        if self._step >= _SETTLE * self._num_steps and (is_last or self._step % _STEPS_BETWEEN == 0):
            self._network.set_gate_pattern(project_to_budget(self._network, self._target))

    def state(self) -> dict[str, float]:
        """What a checkpoint must keep for the run to go on as if it had never stopped."""
        numbers = {"multiplier": self._multiplier, "first_cost": self._first_cost or 0.0, "step": float(self._step)}
        return numbers | {f"{_LOSS}{task}": loss for task, loss in enumerate(self._loss_shares.state())}

    def restore(self, state: dict[str, float]) -> None:
        self._multiplier = state["multiplier"]
        self._first_cost = state["first_cost"] or None
        self._step = int(state["step"])
        self._loss_shares.restore([loss for key, loss in state.items() if key.startswith(_LOSS)])


def temperature_at(progress: float) -> float:
    """1 at first, then falling linearly to its coldest."""
    start, end = _BINARISE
    share = min(max((progress - start) / (end - start), 0.0), 1.0)
    return 1.0 + share * (_COLDEST - 1.0)
