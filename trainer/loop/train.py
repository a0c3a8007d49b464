"""The one training loop of every network of gatefront. Differences are arguments."""

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from gatefront.spaces.architecture.tasks import Task
from gatefront.trainer.checkpoints.checkpoint import Checkpoint, CheckpointSlot, read_checkpoint, write_checkpoint
from gatefront.trainer.config import TrainConfig
from gatefront.trainer.data.dataset import Batch, MultiTaskData
from gatefront.trainer.data.loader import epoch_batches, num_samples, steps_per_epoch
from gatefront.trainer.data.training_batches import TrainingBatches
from gatefront.trainer.loop.evaluation import evaluate
from gatefront.trainer.loop.loss_log import LossLog
from gatefront.trainer.loop.micro_batches import micro_batches
from gatefront.trainer.loop.optimizers import build_optimizer, build_schedule
from gatefront.trainer.loop.runtime import Runtime, resolve_runtime
from gatefront.trainer.loop.seeding import random_state, restore_random_state
from gatefront.trainer.losses import task_loss
from gatefront.trainer.reporting import EpochReport, Phase, Reporter
from gatefront.trainer.weighting import TrainingStep, build_weighting

_OTHER_SEED = 7919  # far from the seeds of trials and phases, which count up by one
_EVALUATION_BATCHES = 4  # an evaluation keeps no activations, so its batches may be larger


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
    """

    phase: Phase = "train"
    gate_parameters: tuple[nn.Parameter, ...] = ()
    gate_learning_rate: float = 0.0
    extra_loss: ExtraLoss | None = None
    after_step: Callable[[Optimizer], None] | None = None
    memory: Memory | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainOutcome:
    """Result of a training: ``metrics`` of the validation split after the last epoch, ``seconds`` over all attempts."""

    metrics: Mapping[str, float]
    seconds: float
    num_samples: int


def train(
    network: nn.Module,
    data: MultiTaskData,
    config: TrainConfig,
    *,
    tasks: Sequence[Task],
    strategy: Strategy | None = None,
    reporter: Reporter | None = None,
    slot: CheckpointSlot | None = None,
) -> TrainOutcome:
    """Train ``network`` in place, on the config's device, where it stays.

    ``network`` maps images ``[batch, c, h, w]`` to one prediction per task name. After every epoch it is evaluated,
    then the checkpoint is written, then the reporter is called. With a checkpoint of the same key in ``slot`` the run
    resumes there. Its result equals that of an uninterrupted run, bit for bit on a CPU.

    Raises:
        DivergedError: if a loss or a prediction stops being finite.
        CheckpointError: if the slot holds another run's checkpoint.
    """
    torch.set_num_threads(config.num_threads)
    run = _Run(network, data, config, tuple(tasks), strategy or Strategy())
    if slot is not None:
        run.resume(slot)
    # A checkpoint of the last epoch leaves nothing to train, but the outcome still needs its metrics.
    metrics = run.evaluate() if run.epoch == config.epochs else {}
    while run.epoch < config.epochs:
        metrics = run.train_epoch(reporter, slot)
    samples_per_epoch = run.steps_per_epoch * min(config.batch_size, num_samples(data.train))
    return TrainOutcome(metrics=metrics, seconds=run.seconds, num_samples=config.epochs * samples_per_epoch)


class _Run:
    """State of one run: network, optimizer, schedule, and the number of finished epochs."""

    def __init__(
        self, network: nn.Module, data: MultiTaskData, config: TrainConfig, tasks: tuple[Task, ...], strategy: Strategy
    ) -> None:
        self._network = network
        self._data = data
        self._config = config
        self._tasks = tasks
        self._strategy = strategy
        self._runtime: Runtime = resolve_runtime(config)
        # The network is placed before the optimizer is built, which must hold the parameters on their final device.
        self._runtime.place_network(network)
        self.steps_per_epoch = steps_per_epoch(num_samples(data.train), config.batch_size)
        num_steps = config.epochs * self.steps_per_epoch
        self._weighting = build_weighting(config.weighting, network, tasks, num_steps=num_steps)
        self._weighting.to(self._runtime.device)
        self._optimizer: Optimizer = build_optimizer(
            network,
            config,
            gate_parameters=strategy.gate_parameters,
            gate_learning_rate=strategy.gate_learning_rate,
            weighting_parameters=self._weighting.parameters(),
        )
        self._schedule: LRScheduler = build_schedule(self._optimizer, config, num_steps)
        self._batches = TrainingBatches(
            data.train,
            tasks,
            batch_size=config.batch_size,
            seed=config.seed,
            num_epochs=config.epochs,
            num_workers=config.num_loader_workers,
        )
        self._others: Iterator[Batch] = iter(())
        self.epoch = 0
        self.seconds = 0.0

    def train_epoch(self, reporter: Reporter | None, slot: CheckpointSlot | None) -> dict[str, float]:
        """Run one epoch, its evaluation, its checkpoint and its report, in this order."""
        started = time.perf_counter()
        learning_rate = float(self._optimizer.param_groups[0]["lr"])
        losses = self._pass_over_data()
        metrics = self.evaluate()
        epoch_seconds = time.perf_counter() - started
        self.epoch += 1
        self.seconds += epoch_seconds
        if slot is not None:
            self._save(slot)
        if reporter is not None:
            reporter(
                EpochReport(
                    epoch=self.epoch,
                    num_epochs=self._config.epochs,
                    phase=self._strategy.phase,
                    losses=losses,
                    metrics=metrics,
                    learning_rate=learning_rate,
                    seconds=epoch_seconds,
                )
            )
        return metrics

    def evaluate(self) -> dict[str, float]:
        return evaluate(
            self._network,
            self._data.val,
            self._tasks,
            runtime=self._runtime,
            batch_size=_EVALUATION_BATCHES * self._config.samples_at_once,
        )

    def resume(self, slot: CheckpointSlot) -> None:
        """Restore this run's checkpoint of this phase, if there is one."""
        checkpoint = read_checkpoint(slot)
        if checkpoint is None or checkpoint.phase != self._strategy.phase:
            return
        self._network.load_state_dict(checkpoint.network)
        self._optimizer.load_state_dict(checkpoint.optimizer)
        self._schedule.load_state_dict(checkpoint.schedule)
        self._weighting.load_state_dict(checkpoint.weighting)
        if self._strategy.memory is not None:
            self._strategy.memory.restore(checkpoint.memory)
        restore_random_state(checkpoint.random_state)
        self.epoch, self.seconds = checkpoint.epoch, checkpoint.seconds

    def _pass_over_data(self) -> dict[str, float]:
        log = LossLog(self.epoch + 1)
        self._network.train()
        for step, batch in enumerate(self._batches.epoch(self.epoch), self.epoch * self.steps_per_epoch):
            log.add(self._step(self._runtime.place_batch(batch), step))
        self._weighting.end_epoch()
        # A weighting that reads other batches starts each epoch with its own shuffling, resumed or not.
        self._others = iter(())
        return log.means()

    def _step(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """Make one update. Return every term of the loss, unweighted."""
        self._optimizer.zero_grad(set_to_none=True)
        losses = self._backward(batch)
        terms = dict(zip((task.name for task in self._tasks), losses, strict=True))
        if self._strategy.extra_loss is not None:
            progress = step / (self._config.epochs * self.steps_per_epoch)
            extra = self._strategy.extra_loss(progress, losses)
            total = torch.stack(list(extra.values())).sum()
            if total.requires_grad:
                total.backward()  # type: ignore[no-untyped-call]
            terms |= {_free_name(name, terms): loss for name, loss in extra.items()}
        if self._config.gradient_clip is not None:
            nn.utils.clip_grad_norm_(self._network.parameters(), self._config.gradient_clip)
        self._optimizer.step()
        if self._strategy.after_step is not None:
            self._strategy.after_step(self._optimizer)
        self._schedule.step()
        return terms

    def _backward(self, batch: Batch) -> tuple[Tensor, ...]:
        """Add the gradients of the weighted losses. Return the losses ``[tasks]``, unweighted and detached."""
        total = torch.zeros(len(self._tasks), device=self._runtime.device)
        for part, shares in micro_batches(batch, self._config.samples_at_once, self._tasks):
            losses = tuple(share * loss for share, loss in zip(shares, self._task_losses(part), strict=True))
            self._weighting.backward(
                TrainingStep(
                    losses=losses,
                    batch=part,
                    learning_rate=float(self._optimizer.param_groups[0]["lr"]),
                    losses_of=self._task_losses,
                    other_batch=self._other_batch,
                )
            )
            total += torch.stack([loss.detach() for loss in losses])
        return total.unbind()

    def _task_losses(self, batch: Batch, tensors: Mapping[str, Tensor] | None = None) -> tuple[Tensor, ...]:
        """Return one loss per task, with the network's own parameters and buffers or with given ones by name."""
        with self._runtime.autocast():
            if tensors is None:
                predictions = self._network(batch.images)
            else:
                predictions = functional_call(self._network, dict(tensors), (batch.images,))
        labels = batch.labels
        return tuple(task_loss(task, predictions[task.name], labels[task.name]) for task in self._tasks)

    def _other_batch(self) -> Batch:
        """Return the next batch of another shuffling of the same split."""
        batch = next(self._others, None)
        if batch is None:
            self._others = epoch_batches(
                self._data.train,
                self._tasks,
                batch_size=self._config.batch_size,
                seed=self._config.seed + _OTHER_SEED,
                epoch=self.epoch,
            )
            batch = next(self._others)
        return self._runtime.place_batch(batch)

    def _save(self, slot: CheckpointSlot) -> None:
        checkpoint = Checkpoint(
            key=slot.key,
            phase=self._strategy.phase,
            epoch=self.epoch,
            seconds=self.seconds,
            notes=dict(slot.notes),
            memory={} if self._strategy.memory is None else self._strategy.memory.state(),
            weighting=self._weighting.state_dict(),
            network=self._network.state_dict(),
            optimizer=self._optimizer.state_dict(),
            schedule=self._schedule.state_dict(),
            random_state=random_state(),
        )
        write_checkpoint(slot.path, checkpoint)


def _free_name(term: str, taken: Collection[str]) -> str:
    """Return the term's name, changed if a task has the same name."""
    while term in taken:
        term = f"{term} (term)"
    return term
