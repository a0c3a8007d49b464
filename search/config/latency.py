"""Table ``[latency]`` of a study: the timing of every delivered network on its worker, and its budget."""

import os
import shutil
import sys
from dataclasses import dataclass
from typing import Literal

from gatefront.search.errors import StudyFileError

Runtime = Literal["onnx", "eager", "compiled"]
"""Runtimes to time: ONNX Runtime on model.onnx, or torch on the network of architecture.json.

``compiled`` runs that network through torch.compile, ``eager`` without it.
"""


Precision = Literal["fp32", "bf16"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyRule:
    """Rule for timing one forward pass over ``batch`` images on the worker's CPU.

    ``budget_ms`` None means that the latency is shown and caps nothing. With ``is_objective`` the sampler minimizes it,
    and the front is that of Δ_MTL, FLOPs and latency.
    """

    budget_ms: float | None = None
    runtime: Runtime = "onnx"
    threads: int = 1
    batch: int = 1
    precision: Precision = "fp32"
    is_objective: bool = False

    def __str__(self) -> str:
        """Return the timed setting, such as ``onnx, fp32, 1 thread, batch 1``."""
        return f"{self.runtime}, {self.precision}, {self.threads} thread{'s' * (self.threads > 1)}, batch {self.batch}"

    def require_runnable(self) -> None:
        """Raise :class:`StudyFileError` if this machine cannot run networks by this rule."""
        reason = missing_compiler() if self.runtime == "compiled" else None
        if reason is not None:
            raise StudyFileError(
                f'latency.runtime is "compiled": {reason}.',
                hint='Install one, or measure with runtime = "onnx" or "eager".',
            )


def missing_compiler() -> str | None:
    """Return the reason why torch.compile cannot work here. None means that there is a compiler."""
    compiler = os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++")
    if shutil.which(compiler) is None:
        return f"torch.compile needs a C++ compiler, and there is no {compiler}; name one in CXX"
    return None
