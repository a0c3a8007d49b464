"""Settings of `gatefront bench`, checked before anything is loaded."""

from dataclasses import dataclass
from typing import Literal, get_args

import torch

from gatefront.search.config.latency import Precision, Runtime
from gatefront.search.errors import BenchError

Device = Literal["cpu", "cuda"]

RUNTIMES: tuple[Runtime, ...] = get_args(Runtime)


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchSettings:
    """Settings of one measurement per runtime and batch size.

    ``threads`` is the number of threads of one forward pass on the CPU.

    Raises:
        BenchError: a value breaks a rule, or the device does not exist.
    """

    runtimes: tuple[str, ...] = RUNTIMES
    device: str = "cpu"
    threads: int = 1
    batches: tuple[int, ...] = (1,)
    precision: str = "fp32"
    repeats: int = 50

    def __post_init__(self) -> None:
        for runtime in self.runtimes:
            _require_one_of("--runtimes", runtime, RUNTIMES)
        _require_one_of("--device", self.device, get_args(Device))
        _require_one_of("--precision", self.precision, get_args(Precision))
        _require_at_least_one("--threads", self.threads)
        _require_at_least_one("--repeats", self.repeats)
        for batch in self.batches:
            _require_at_least_one("--batch", batch)
        for option, values in (("--runtimes", self.runtimes), ("--batch", self.batches)):
            if not values or len(set(values)) < len(values):
                raise BenchError(f"{option} must name one or more, each once, found {list(values)}.")
        if self.device == "cuda" and not torch.cuda.is_available():
            raise BenchError("--device is cuda, and torch finds no CUDA GPU here.", hint="Measure with --device cpu.")


def _require_one_of(option: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise BenchError(f"{option} must be one of {', '.join(allowed)}, found {value!r}.")


def _require_at_least_one(option: str, value: int) -> None:
    if value < 1:
        raise BenchError(f"{option} must be at least 1, found {value}.")
