"""Updates: everything of a run that learns, and the passes over the data that teach it."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
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
from gatefront.trainer.data.loader import epoch_batches, epoch_key, epoch_order, num_samples, steps_per_epoch
from gatefront.trainer.data.training_batches import TrainingBatches
from gatefront.trainer.loop.head_dropout import head_dropout
from gatefront.trainer.loop.loss_log import LossLog
from gatefront.trainer.loop.micro_batches import micro_batches
from gatefront.trainer.loop.optimizers import build_optimizer, build_schedule
from gatefront.trainer.loop.runtime import Runtime
from gatefront.trainer.loop.strategy import Strategy
from gatefront.trainer.loop.weight_average import WeightAverage
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
        has_average = config.ema > 0 and strategy.keeps_best
        self._average = WeightAverage(network, config.ema) if has_average else None

    @property
    def has_average(self) -> bool:
        """Return True if a moving average of the weights is kept instead of the weights."""
        return self._average is not None

    def with_kept_weights(self) -> AbstractContextManager[None]:
        """Return a context in which the network has the weights that are kept: its own or their average."""
        return nullcontext() if self._average is None else self._average.in_place_of_weights(self._network)

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
        batches = self._taught(self._batches.epoch(epoch), self._config.seed)
        with head_dropout(self._network, self._config.dropout):
            for step, batch in enumerate(batches, epoch * self._steps_per_epoch):
                log.add(self._step(batch, step))
                if self._average is not None:
                    self._average.update(self._network)
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
            "average": {} if self._average is None else self._average.state(),
        }

    def restore(self, checkpoint: Checkpoint) -> None:
        """Restore the state that :meth:`state` returned."""
        self._network.load_state_dict(checkpoint.network)
        self._optimizer.load_state_dict(checkpoint.optimizer)
        self._schedule.load_state_dict(checkpoint.schedule)
        self._weighting.load_state_dict(checkpoint.weighting)
        if self._strategy.memory is not None:
            self._strategy.memory.restore(checkpoint.memory)
        if self._average is not None:
            self._average.restore(checkpoint.average)

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
            losses = self._task_losses(part, shares=shares, share_of_samples=len(part) / len(batch))
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

    def _taught(self, batches: Iterator[Batch], seed: int) -> Iterator[Batch]:
        """Yield the batches of this epoch and seed on the device, with the outputs of teachers if there are any."""
        if self._strategy.distillation is None:
            yield from map(self._runtime.place_batch, batches)
            return
        teachers = self._strategy.distillation.teachers
        key = epoch_key(seed, self._epoch)
        order = epoch_order(num_samples(self._data.train), self._config.batch_size, key)
        for batch, indices in zip(batches, order, strict=True):
            yield teachers.add_outputs(self._runtime.place_batch(batch), indices)

    def _task_losses(
        self,
        batch: Batch,
        tensors: Mapping[str, Tensor] | None = None,
        *,
        shares: Tensor | None = None,
        share_of_samples: float = 1.0,
    ) -> tuple[Tensor, ...]:
        """Return one loss per task, with the network's own parameters and buffers or with given ones by name.

        ``shares`` ``[tasks]`` are the batch's of the labels of a larger one, and ``share_of_samples`` of its samples.
        """
        with self._runtime.autocast():
            if tensors is None:
                predictions = self._network(batch.images)
            else:
                predictions = functional_call(self._network, dict(tensors), (batch.images,))
        smoothing = self._config.label_smoothing
        losses = [
            task_loss(task, predictions[task.name], batch.labels[task.name], smoothing=smoothing)
            for task in self._tasks
        ]
        if shares is not None:
            losses = [share * loss for share, loss in zip(shares, losses, strict=True)]
        distillation = self._strategy.distillation
        if distillation is None:
            return tuple(losses)
        return tuple(
            distillation.mix(task, loss, predictions[task.name], outputs, share_of_samples)
            if (outputs := batch.teacher_outputs.get(task.name)) is not None
            else loss
            for task, loss in zip(self._tasks, losses, strict=True)
        )

    def _other_batch(self) -> Batch:
        """Return the next batch of another shuffling of the same split."""
        batch = next(self._others, None)
        if batch is None:
            seed = self._config.seed + _OTHER_SEED
            others = epoch_batches(
                self._data.train, self._tasks, batch_size=self._config.batch_size, seed=seed, epoch=self._epoch
            )
            self._others = self._taught(others, seed)
            batch = next(self._others)
        return batch


def _free_name(term: str, taken: Collection[str]) -> str:
    """Return the term's name, changed if a task has the same name."""
    while term in taken:
        term = f"{term} (term)"
    return term
