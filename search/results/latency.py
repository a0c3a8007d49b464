"""Measured latency: the time of one forward pass of one network in one setting."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import AwareDatetime, ConfigDict, Field

from gatefront.search.config.latency import Precision, Runtime

_Count = Annotated[int, Field(ge=1)]
_Milliseconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Wall time of one forward pass over ``batch`` images, in milliseconds: median, 10th and 90th percentile.

    ``host`` is the machine's name, ``device`` its processor's or GPU's; ``version`` is the runtime's.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    host: str
    device: str
    runtime: Runtime
    version: str
    threads: _Count
    batch: _Count
    precision: Precision
    median_ms: _Milliseconds
    p10_ms: _Milliseconds
    p90_ms: _Milliseconds
    measured_at: AwareDatetime

    @property
    def images_per_second(self) -> float:
        return 1000 * self.batch / self.median_ms

    @property
    def setting(self) -> tuple[str, str, str, int, int, str]:
        """Fields that a later measurement must share to replace this one."""
        return (self.host, self.device, self.runtime, self.threads, self.batch, self.precision)
