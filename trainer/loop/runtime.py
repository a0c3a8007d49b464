"""Device and number format of a training."""

from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch import nn

from gatefront.trainer.config import TrainConfig, TrainConfigError
from gatefront.trainer.data.dataset import Batch


@dataclass(frozen=True, slots=True)
class Runtime:
    """Device, and whether training runs in bfloat16 autocast on it."""

    device: torch.device
    use_bf16: bool

    def autocast(self) -> AbstractContextManager[None]:
        """Return the context of a forward pass in training. Evaluation is float32, as deployed networks are."""
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.use_bf16)

    def place_network(self, network: nn.Module) -> None:
        """Move a network to the device, in place."""
        network.to(self.device, memory_format=self._memory_format)  # type: ignore[call-overload]

    def place_batch(self, batch: Batch) -> Batch:
        """Return the batch on the device."""
        images = batch.images.to(self.device, non_blocking=True, memory_format=self._memory_format)
        return Batch(images, {name: label.to(self.device, non_blocking=True) for name, label in batch.labels.items()})

    @property
    def _memory_format(self) -> torch.memory_format:
        # Tensor cores need channels last. On CPUs it slows the narrow networks of small studies.
        return torch.channels_last if self.device.type == "cuda" else torch.preserve_format


def resolve_runtime(config: TrainConfig) -> Runtime:
    """Return the runtime for ``device`` and ``precision`` of a config on this machine.

    Raises:
        TrainConfigError: if the device does not exist.
    """
    device = _resolve_device(config.device)
    has_fast_bf16 = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    use_bf16 = config.precision == "bf16" or (config.precision == "auto" and has_fast_bf16)
    return Runtime(device, use_bf16)


def _resolve_device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        # torch raises AssertionError where it was built without the device.
        raise TrainConfigError(
            f"train.device {name!r} cannot be used on this machine.", hint='Choose "auto", "cpu" or "cuda:0".'
        ) from error
    return device
