"""How much memory an action holds at its worst: of the GPU, or of this process where there is none."""

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
    """Bytes held before the action, and at its worst."""

    before: int
    highest: int

    def scaled(self, factor: float, *, parameter_bytes: int) -> int:
        """What a training step holds with a batch ``factor`` times as large, if the action was a network's first step.

        The network was there before; its gradients came with the step, AdamW's two moments stay from then on;
        the rest of the growth is taken for activations.
        """
        activations = max(0, self.highest - self.before - parameter_bytes)
        return self.before + 3 * parameter_bytes + round(factor * activations)


def measure_peak(action: Callable[[], object], device: torch.device) -> Peak:
    """Runs the action. Where the system keeps no peak that can be reset, that of the whole process counts.

    Of a process, what it maps from files does not count: data kept decoded and libraries are there once for all.
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
    """Of the GPU all of its memory; of the machine what programs could still have, or all where that is not known."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    return _kibibytes(_MEMORY_INFO, "MemAvailable") or os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def total_bytes(device: torch.device) -> int:
    """All memory of the GPU or of the machine, whatever else uses it at the moment."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _kibibytes(file: Path, key: str) -> int | None:
    """``Key:  123 kB`` of such a file, in bytes; None where there is no such file."""
    try:
        lines = file.read_text().splitlines()
    except OSError:
        return None
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith(f"{key}:")), None)
