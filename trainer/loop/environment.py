"""Environment of a training, recorded with its result so that its numbers can be judged later."""

import platform
import resource
import sys
from importlib.metadata import version

import torch

_PACKAGES = ("torch", "timm", "numpy")


def describe_environment() -> dict[str, str]:
    """Return the versions of software that affects a training's numbers."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        **{package: version(package) for package in _PACKAGES},
    }


def device_name(device: torch.device) -> str:
    """Return the GPU's name, or the CPU's architecture."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else f"cpu ({platform.machine()})"


def reset_peak_memory(device: torch.device) -> None:
    """Start a new measurement on a GPU. On a CPU the peak is always the whole process's."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def peak_memory_mib(device: torch.device) -> float:
    """Return the highest memory use in MiB: of the GPU since the last reset, of the process on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux counts KiB, macOS bytes.
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
