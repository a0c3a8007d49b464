"""The one training loop of every network of gatefront. Differences are arguments."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from gatefront.spaces.architecture.tasks import Task
from gatefront.trainer.checkpoints.checkpoint import Checkpoint, CheckpointSlot, read_checkpoint, write_checkpoint
from gatefront.trainer.config import TrainConfig
from gatefront.trainer.data.dataset import MultiTaskData
from gatefront.trainer.loop.best_epoch import BestEpoch
from gatefront.trainer.loop.evaluation import Evaluation, evaluate
from gatefront.trainer.loop.runtime import Runtime, resolve_runtime
from gatefront.trainer.loop.seeding import random_state, restore_random_state
from gatefront.trainer.loop.strategy import Strategy
from gatefront.trainer.loop.updates import Updates
from gatefront.trainer.loop.validation_score import validation_score
from gatefront.trainer.reporting import EpochReport, Reporter

_EVALUATION_BATCHES = 4  # an evaluation keeps no activations, so its batches may be larger


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainOutcome:
    """Result of a training.

    ``metrics`` and ``losses`` are those of the network as the training leaves it, on the validation split: after
    ``best_epoch``, or after the last epoch if the strategy keeps that. ``score`` compares trainings of the same tasks
    and data. ``seconds`` are those of all attempts.
    """

    metrics: Mapping[str, float]
    losses: Mapping[str, float]
    best_epoch: int
    score: float
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
    then the checkpoint is written, then the reporter is called. At the end the network has the weights of its best
    epoch (:class:`gatefront.trainer.loop.best_epoch.BestEpoch`), unless the strategy keeps the last. With a checkpoint
    of the same key in ``slot`` the run resumes there. Its result equals that of an uninterrupted run, bit for bit on a
    CPU.

    Raises:
        DivergedError: if a loss or a prediction stops being finite.
        CheckpointError: if the slot holds another run's checkpoint.
    """
    torch.set_num_threads(config.num_threads)
    run = _Run(network, data, config, tuple(tasks), strategy or Strategy())
    if slot is not None:
        run.resume(slot)
    while run.epoch < config.epochs:
        run.train_epoch(reporter, slot)
    return run.finish()


class _Run:
    """State of one run: what learns, the number of finished epochs, and the best of them."""

    def __init__(
        self, network: nn.Module, data: MultiTaskData, config: TrainConfig, tasks: tuple[Task, ...], strategy: Strategy
    ) -> None:
        self._network = network
        self._data = data
        self._config = config
        self._tasks = tasks
        self._strategy = strategy
        self._runtime: Runtime = resolve_runtime(config)
        self._runtime.place_network(network)
        self._updates = Updates(network, data, config, tasks, strategy, self._runtime)
        self._kept = BestEpoch()
        self.epoch = 0
        self._seconds = 0.0

    def train_epoch(self, reporter: Reporter | None, slot: CheckpointSlot | None) -> None:
        """Run one epoch, its evaluation, its checkpoint and its report, in this order."""
        started = time.perf_counter()
        learning_rate = self._updates.learning_rate
        losses = self._updates.pass_over_data(self.epoch)
        self.epoch += 1
        found = self._evaluate_and_keep()
        epoch_seconds = time.perf_counter() - started
        self._seconds += epoch_seconds
        if slot is not None:
            self._save(slot)
        if reporter is not None:
            reporter(
                EpochReport(
                    epoch=self.epoch,
                    num_epochs=self._config.epochs,
                    phase=self._strategy.phase,
                    losses=losses,
                    metrics=found.metrics,
                    val_losses=found.losses,
                    learning_rate=learning_rate,
                    seconds=epoch_seconds,
                )
            )

    def finish(self) -> TrainOutcome:
        """Give the network the weights that are kept, and return the outcome."""
        if not self._kept.epoch:
            # A checkpoint of an earlier release, of the last epoch: nothing is left to train or to choose from.
            self._evaluate_and_keep()
        self._kept.restore_into(self._network)
        return TrainOutcome(
            metrics=self._kept.evaluation.metrics,
            losses=self._kept.evaluation.losses,
            best_epoch=self._kept.epoch,
            score=self._kept.score,
            seconds=self._seconds,
            num_samples=self._config.epochs * self._updates.samples_per_epoch,
        )

    def resume(self, slot: CheckpointSlot) -> None:
        """Restore this run's checkpoint of this phase, if there is one."""
        checkpoint = read_checkpoint(slot)
        if checkpoint is None or checkpoint.phase != self._strategy.phase:
            return
        self._updates.restore(checkpoint)
        self._kept.restore(checkpoint.best, self._network)
        restore_random_state(checkpoint.random_state)
        self.epoch, self._seconds = checkpoint.epoch, checkpoint.seconds

    @property
    def _keeps_best(self) -> bool:
        return self._strategy.keeps_best and self._config.keep == "best"

    def _evaluate_and_keep(self) -> Evaluation:
        """Measure the epoch that has ended, and keep its weights if it is the best."""
        with self._updates.with_kept_weights():
            found = evaluate(
                self._network,
                self._data.val,
                self._tasks,
                runtime=self._runtime,
                batch_size=_EVALUATION_BATCHES * self._config.samples_at_once,
            )
            score = validation_score(self._tasks, found.metrics)
            self._kept.offer(self._network, self.epoch, score, found, always=not self._keeps_best)
        return found

    def _save(self, slot: CheckpointSlot) -> None:
        checkpoint = Checkpoint(
            key=slot.key,
            phase=self._strategy.phase,
            epoch=self.epoch,
            seconds=self._seconds,
            notes=dict(slot.notes),
            random_state=random_state(),
            best=self._kept.state(last_epoch=None if self._updates.has_average else self.epoch),
            **self._updates.state(),
        )
        write_checkpoint(slot.path, checkpoint)
