"""A study's ``[latency]``: how every delivered network is timed on its worker, and what it may take."""

import os
import shutil
import sys
from dataclasses import dataclass
from typing import Literal

from gatefront.search.errors import StudyFileError

Runtime = Literal["onnx", "eager", "compiled"]
"""ONNX Runtime on model.onnx; torch on the network of architecture.json, as it is or through torch.compile."""


Precision = Literal["fp32", "bf16"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyRule:
    """One forward pass over ``batch`` images on the worker's CPU; ``budget_ms`` None: it is shown and caps nothing.

    ``is_objective``: the sampler minimises it, and the front is that of Δ_MTL, FLOPs and latency.
    """

    budget_ms: float | None = None
    runtime: Runtime = "onnx"
    threads: int = 1
    batch: int = 1
    precision: Precision = "fp32"
    is_objective: bool = False

    def __str__(self) -> str:
        """``onnx, fp32, 1 thread, batch 1``: what was timed."""
        return f"{self.runtime}, {self.precision}, {self.threads} thread{'s' * (self.threads > 1)}, batch {self.batch}"

    def require_runnable(self) -> None:
        """Raises :class:`StudyFileError` if this machine cannot run networks so."""
        reason = missing_compiler() if self.runtime == "compiled" else None
        if reason is not None:
            raise StudyFileError(
                f'latency.runtime is "compiled": {reason}.',
                hint='Install one, or measure with runtime = "onnx" or "eager".',
            )


def missing_compiler() -> str | None:
    """Why torch.compile cannot work here; None where there is a compiler."""
    compiler = os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++")
    if shutil.which(compiler) is None:
        return f"torch.compile needs a C++ compiler, and there is no {compiler}; name one in CXX"
    return None
