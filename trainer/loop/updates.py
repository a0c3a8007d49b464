"""Updates: everything of a run that learns, and the passes over the data that teach it."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from gatefront.spaces.architecture.tasks import Task
from gatefront.trainer.checkpoints.checkpoint import Checkpoint
from gatefront.trainer.config import TrainConfig
from gatefront.trainer.data.dataset import Batch, MultiTaskData
from gatefront.trainer.data.loader import epoch_batches, num_samples, steps_per_epoch
from gatefront.trainer.data.training_batches import TrainingBatches
from gatefront.trainer.loop.loss_log import LossLog
from gatefront.trainer.loop.micro_batches import micro_batches
from gatefront.trainer.loop.optimizers import build_optimizer, build_schedule
from gatefront.trainer.loop.runtime import Runtime
from gatefront.trainer.loop.strategy import Strategy
from gatefront.trainer.losses import task_loss
from gatefront.trainer.weighting import TrainingStep, build_weighting

_OTHER_SEED = 7919  # far from the seeds of trials and phases, which count up by one


class Updates:
    """Network of a run with its optimizer, schedule and weighting.

    The network is on the runtime's device, where the optimizer must find its parameters.
    """

    def __init__(
        self,
        network: nn.Module,
        data: MultiTaskData,
        config: TrainConfig,
        tasks: tuple[Task, ...],
        strategy: Strategy,
        runtime: Runtime,
    ) -> None:
        self._network = network
        self._data = data
        self._config = config
        self._tasks = tasks
        self._strategy = strategy
        self._runtime = runtime
        self._steps_per_epoch = steps_per_epoch(num_samples(data.train), config.batch_size)
        self._num_steps = config.epochs * self._steps_per_epoch
        self._weighting = build_weighting(config.weighting, network, tasks, num_steps=self._num_steps)
        self._weighting.to(runtime.device)
        self._optimizer: Optimizer = build_optimizer(
            network,
            config,
            gate_parameters=strategy.gate_parameters,
            gate_learning_rate=strategy.gate_learning_rate,
            weighting_parameters=self._weighting.parameters(),
        )
        self._schedule: LRScheduler = build_schedule(self._optimizer, config, self._num_steps)
        self._batches = TrainingBatches(
            data.train,
            tasks,
            batch_size=config.batch_size,
            seed=config.seed,
            num_epochs=config.epochs,
            num_workers=config.num_loader_workers,
        )
        self._others: Iterator[Batch] = iter(())
        self._epoch = 0

    @property
    def samples_per_epoch(self) -> int:
        """Number of samples that one epoch trains on."""
        return self._steps_per_epoch * min(self._config.batch_size, num_samples(self._data.train))

    @property
    def learning_rate(self) -> float:
        """Present learning rate of the weights."""
        return float(self._optimizer.param_groups[0]["lr"])

    def pass_over_data(self, epoch: int) -> dict[str, float]:
        """Run the epoch of this number, counted from 0. Return the mean of every term of the loss, unweighted.

        Raises:
            DivergedError: a loss is not finite.
        """
        self._epoch = epoch
        log = LossLog(epoch + 1)
        self._network.train()
        for step, batch in enumerate(self._batches.epoch(epoch), epoch * self._steps_per_epoch):
            log.add(self._step(self._runtime.place_batch(batch), step))
        self._weighting.end_epoch()
        # A weighting that reads other batches starts each epoch with its own shuffling, resumed or not.
        self._others = iter(())
        return log.means()

    def state(self) -> dict[str, Any]:
        """Return the state of these parts, by the names of a checkpoint's fields."""
        return {
            "memory": {} if self._strategy.memory is None else self._strategy.memory.state(),
            "weighting": self._weighting.state_dict(),
            "network": self._network.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "schedule": self._schedule.state_dict(),
        }

    def restore(self, checkpoint: Checkpoint) -> None:
        """Restore the state that :meth:`state` returned."""
        self._network.load_state_dict(checkpoint.network)
        self._optimizer.load_state_dict(checkpoint.optimizer)
        self._schedule.load_state_dict(checkpoint.schedule)
        self._weighting.load_state_dict(checkpoint.weighting)
        if self._strategy.memory is not None:
            self._strategy.memory.restore(checkpoint.memory)

    def _step(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """Make one update. Return every term of the loss, unweighted."""
        self._optimizer.zero_grad(set_to_none=True)
        losses = self._backward(batch)
        terms = dict(zip((task.name for task in self._tasks), losses, strict=True))
        if self._strategy.extra_loss is not None:
            extra = self._strategy.extra_loss(step / self._num_steps, losses)
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
                    learning_rate=self.learning_rate,
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
                epoch=self._epoch,
            )
            batch = next(self._others)
        return self._runtime.place_batch(batch)


def _free_name(term: str, taken: Collection[str]) -> str:
    """Return the term's name, changed if a task has the same name."""
    while term in taken:
        term = f"{term} (term)"
    return term
