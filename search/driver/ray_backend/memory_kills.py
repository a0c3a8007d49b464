"""Workers that Ray ends because memory runs out, and the number of attempts that work has."""

import re
from collections import Counter
from collections.abc import Mapping
from typing import Final

import ray

from gatefront.search.storage.process_identity import process_of

MOST_ATTEMPTS: Final = 3
"""Most attempts, including the first. Only a dead worker is replaced, because an error of the work would recur."""

# Ray's sentence on every worker it chose holds the process's number, and nothing else in it says "pid=".
_PID = re.compile(r"\bpid=(\d+)")


class WorkersKilledError(Exception):
    """Error after Ray ended workers to free memory. Their trials continue from checkpoints in a new cluster."""


def killed_workers(error: RuntimeError) -> frozenset[int] | None:
    """Return the processes that Ray ended for their memory. None: ``error`` has another cause."""
    if not isinstance(error.__cause__, ray.exceptions.OutOfMemoryError):
        return None
    chosen = str(error.__cause__).partition("Selected to kill:")[2].partition("\n]")[0]
    return frozenset(int(pid) for pid in _PID.findall(chosen))


def given_up(kills: Counter[int], killed: frozenset[int], workers: Mapping[int, str]) -> dict[int, str]:
    """Count the kill against the trials that it hit, and return those that had ``MOST_ATTEMPTS``, with a cause.

    ``workers`` maps each trial that ran to the process identity of its worker. If no such worker is among the killed,
    the kill counts against all of these trials.
    """
    hit = [trial for trial, worker in workers.items() if process_of(worker) in killed] or list(workers)
    kills.update(hit)
    cause = (
        f"memory ran out {MOST_ATTEMPTS} times: Ray ended the worker before the machine was full. Use fewer workers, "
        "they share the memory, or lower train.batch_size or network.width, or set train.micro_batch_size or "
        "train.checkpoint_activations = true."
    )
    return {trial: cause for trial in hit if kills[trial] >= MOST_ATTEMPTS}
