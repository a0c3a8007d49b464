"""Memory of workers: a cap on the share of a GPU, and a cause that names the settings to lower."""

import torch

from gatefront.spaces.architecture.architecture import Architecture
from gatefront.trainer.config import TrainConfig

# Rough upper bound of the memory that CUDA takes in every process, beside the memory that torch allocates.
_CONTEXT_BYTES = 600 * 2**20


def keep_to_share(gpus: float) -> None:
    """Cap what this process may allocate at its share of the GPU's memory.

    It does nothing with a whole GPU or none. An allocation over the cap fails in this worker alone, as if the memory
    were full.
    """
    if not 0 < gpus < 1 or not torch.cuda.is_available():
        return
    _, whole = torch.cuda.mem_get_info()
    # On a GPU so small that the contexts are most of it, half a share is still worth a try.
    torch.cuda.set_per_process_memory_fraction(max(gpus - _CONTEXT_BYTES / whole, gpus / 2))


def ran_out_of_memory(error: BaseException) -> bool:
    """Return True for a failed allocation on any device. torch has no error class of its own for the CPU's."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error)


def memory_cause(error: BaseException, architecture: Architecture, train: TrainConfig) -> str:
    """Describe the failed allocation and the study's settings to lower, with the values that were too much."""
    what = ". ".join(str(error).strip().split(". ")[:2]).rstrip(".") or type(error).__name__
    activations = "" if train.checkpoint_activations else ", set train.checkpoint_activations = true"
    return (
        f"memory ran out ({what}). Lower train.batch_size (here {train.batch_size}), train.micro_batch_size "
        f"(here {train.samples_at_once} at a time) or network.width (here {architecture.width:g}){activations}, or use "
        "fewer workers: they share the memory."
    )
