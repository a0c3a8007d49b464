"""Retries of work whose worker died, and workers that Ray ends because memory runs out."""

import re
from collections import Counter
from collections.abc import Mapping
from typing import Final

import ray

from gatefront.search.storage.process_identity import process_of

MOST_ATTEMPTS: Final = 3
"""The first one included. Only a dead worker is replaced: an error of the work itself would come back."""

# Ray's sentence on every worker it chose holds the process's number, and nothing else in it says "pid=".
_PID = re.compile(r"\bpid=(\d+)")


class WorkersKilledError(Exception):
    """Ray ended workers to free memory; what they trained goes on from its checkpoints in a new cluster."""


def killed_workers(error: RuntimeError) -> frozenset[int] | None:
    """The processes that Ray ended for their memory; None if ``error`` says something else."""
    if not isinstance(error.__cause__, ray.exceptions.OutOfMemoryError):
        return None
    chosen = str(error.__cause__).partition("Selected to kill:")[2].partition("\n]")[0]
    return frozenset(int(pid) for pid in _PID.findall(chosen))


def given_up(kills: Counter[int], killed: frozenset[int], workers: Mapping[int, str]) -> dict[int, str]:
    """Count the kill against the trials it hit; those that have had ``MOST_ATTEMPTS``, with the cause to tell.

    ``workers`` has the process identity of the worker of each trial that ran. Where none of them was named, each may
    have been it.
    """
    hit = [trial for trial, worker in workers.items() if process_of(worker) in killed] or list(workers)
    kills.update(hit)
    cause = (
        f"memory ran out {MOST_ATTEMPTS} times: Ray ended the worker before the machine was full. Use fewer workers, "
        "they share the memory, or lower train.batch_size or network.width, or set train.micro_batch_size or "
        "train.checkpoint_activations = true."
    )
    return {trial: cause for trial in hit if kills[trial] >= MOST_ATTEMPTS}
