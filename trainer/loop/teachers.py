"""Teachers: networks whose outputs are computed once where the data allow it, and else for every batch."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from gatefront.spaces.architecture.tasks import Task
from gatefront.spaces.graph.flop_counter import count_flops
from gatefront.trainer.checkpoints.atomic_folder import obtain_folder
from gatefront.trainer.checkpoints.checkpoint import DAMAGE, save_state
from gatefront.trainer.data.compatibility import image_shape
from gatefront.trainer.data.dataset import Batch, MultiTaskData
from gatefront.trainer.data.loader import num_samples, ordered_batches
from gatefront.trainer.data.transforms.augmentation import ChangesWithEpoch
from gatefront.trainer.loop.runtime import Runtime

MOST_KEPT_BYTES = 2**30
"""Largest size of outputs that are kept. Those of large dense sets are computed for every batch."""

_OUTPUTS = "outputs.pt"


class NetworkTeachers:
    """Teachers of a training, one network per task.

    Outputs are kept for the whole training split if no sample changes with the epoch and they are not too large.
    ``folder`` is named by the content of networks and data, so that every training of them reads the same file.

    Args:
        networks: per task a trained network that returns its prediction by the task's name.
        data: the data that will be trained on.
        runtime: the runtime of that training.
        folder: the place of kept outputs.
        batch_size: how many samples are computed at a time.
    """

    def __init__(
        self, networks: Mapping[str, nn.Module], data: MultiTaskData, runtime: Runtime, *, folder: Path, batch_size: int
    ) -> None:
        self._networks = {name: network.eval().requires_grad_(False) for name, network in networks.items()}
        self._data = data
        self._runtime = runtime
        self._batch_size = batch_size
        shape = image_shape(data.description)
        self._flops = sum(count_flops(network, shape) for network in self._networks.values())
        self._kept = self._obtain(folder) if self._may_keep() else None
        if self._kept is None:
            for network in self._networks.values():
                runtime.place_network(network)

    def add_outputs(self, batch: Batch, indices: Sequence[int]) -> Batch:
        """Return the batch, placed on its device, with the raw outputs of every teacher."""
        if self._kept is None:
            return replace(batch, teacher_outputs=self._outputs(batch))
        rows = torch.tensor(indices)
        device = batch.images.device
        outputs = {name: kept[rows].to(device) for name, kept in self._kept.items()}
        return replace(batch, teacher_outputs=outputs)

    @property
    def first_cost(self) -> float:
        """FLOPs of the outputs that are kept, one forward pass per training sample, also if others computed them."""
        return 0.0 if self._kept is None else float(self._flops * num_samples(self._data.train))

    def running_cost(self, num_samples: int) -> float:
        """Return the FLOPs that teachers compute while a training sees so many samples."""
        return float(self._flops * num_samples) if self._kept is None else 0.0

    def _tasks(self) -> list[Task]:
        return [task for task in self._data.description.tasks if task.name in self._networks]

    def _may_keep(self) -> bool:
        height, width = self._data.description.input_size
        values = sum(task.num_outputs * (height * width if task.is_dense else 1) for task in self._tasks())
        is_small = 4 * values * num_samples(self._data.train) <= MOST_KEPT_BYTES
        return is_small and not isinstance(self._data.train, ChangesWithEpoch)

    def _obtain(self, folder: Path) -> dict[str, Tensor]:
        obtain_folder(folder, is_intact=self._is_intact, build=self._build)
        return self._read(folder)

    def _build(self, target: Path) -> None:
        parts: dict[str, list[Tensor]] = {name: [] for name in self._networks}
        for network in self._networks.values():
            self._runtime.place_network(network)
        for loaded in ordered_batches(self._data.train, [], batch_size=self._batch_size):
            for name, outputs in self._outputs(self._runtime.place_batch(loaded)).items():
                parts[name].append(outputs.cpu())
        save_state({name: torch.cat(outputs) for name, outputs in parts.items()}, target / _OUTPUTS)

    @torch.no_grad()
    def _outputs(self, batch: Batch) -> dict[str, Tensor]:
        """Return the teachers' predictions, in evaluation mode and float32."""
        return {name: network(batch.images)[name].float() for name, network in self._networks.items()}

    def _read(self, folder: Path) -> dict[str, Tensor]:
        # Memory-mapped, so that all workers of a machine share one copy.
        outputs: dict[str, Tensor] = torch.load(folder / _OUTPUTS, map_location="cpu", mmap=True, weights_only=True)
        return outputs

    def _is_intact(self, folder: Path) -> bool:
        try:
            outputs = self._read(folder)
        except (OSError, *DAMAGE):
            return False
        size = num_samples(self._data.train)
        return outputs.keys() == self._networks.keys() and all(len(kept) == size for kept in outputs.values())
