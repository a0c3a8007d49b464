"""Peak memory of an action, on the GPU, or in this process if there is none."""

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from gatefront.trainer.loop.environment import peak_memory_mib, reset_peak_memory

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_MEMORY_INFO = Path("/proc/meminfo")
_RESET_HIGH_WATER_MARK = "5"  # man 5 proc


@dataclass(frozen=True, slots=True)
class Peak:
    """Bytes held before an action, and the most bytes held in it."""

    before: int
    highest: int

    def scaled(self, factor: float, *, parameter_bytes: int) -> int:
        """Return the bytes that a training step holds with a batch ``factor`` times as large.

        The action must have been the network's first step. The network was there before, and its gradients came with
        the step. The two moments of AdamW remain from then on. The rest of the growth is counted as activations.
        """
        activations = max(0, self.highest - self.before - parameter_bytes)
        return self.before + 3 * parameter_bytes + round(factor * activations)


def measure_peak(action: Callable[[], object], device: torch.device) -> Peak:
    """Run the action and measure its memory.

    If the system keeps no peak that can be reset, the peak of the whole process counts. Memory that a process maps from
    files does not count, because decoded data and libraries are held once for all processes.
    """
    if device.type == "cuda":
        reset_peak_memory(device)
        before = torch.cuda.memory_allocated(device)
        action()
        return Peak(before, torch.cuda.max_memory_allocated(device))
    resident = _kibibytes(_STATUS, "VmRSS") or 0
    before = _kibibytes(_STATUS, "RssAnon") or resident
    with contextlib.suppress(OSError):
        _CLEAR.write_text(_RESET_HIGH_WATER_MARK)
    action()
    highest = _kibibytes(_STATUS, "VmHWM") or round(peak_memory_mib(device) * 2**20)
    return Peak(before, before + max(0, highest - resident))


def available_bytes(device: torch.device) -> int:
    """Return all memory of the GPU, or the memory of the machine that programs could still get.

    If the latter is unknown, all memory of the machine is returned.
    """
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    return _kibibytes(_MEMORY_INFO, "MemAvailable") or os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def total_bytes(device: torch.device) -> int:
    """Return all memory of the GPU or of the machine, including memory in use."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _kibibytes(file: Path, key: str) -> int | None:
    """Return the bytes of a line ``Key:  123 kB`` in the file. None means that there is no such file or line."""
    try:
        lines = file.read_text().splitlines()
    except OSError:
        return None
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith(f"{key}:")), None)
