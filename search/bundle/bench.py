"""Measurement of the time that a bundle's network takes on this machine."""

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gatefront.search.bundle.bench_settings import BenchSettings
from gatefront.search.bundle.file_names import MANIFEST
from gatefront.search.bundle.manifest import Manifest, read_manifest
from gatefront.search.bundle.runners import Action, NotMeasurableError, build_runner, runtime_version
from gatefront.search.bundle.timing import time_in_turn, torch_threads
from gatefront.search.bundle.verify import require_intact
from gatefront.search.errors import BenchError
from gatefront.search.results.latency import Latency

_CPU_INFO = Path("/proc/cpuinfo")


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchReport:
    """Latencies that were measured, and the reason for each runtime that could not run."""

    manifest: Manifest
    measured: tuple[Latency, ...]
    not_measured: Mapping[str, str]


def bench_bundle(folder: Path, settings: BenchSettings) -> BenchReport:
    """Time forward passes over random images.

    The runtimes take turns, so that other load on the machine affects all of them alike.

    Raises:
        BenchError: ``folder`` holds no bundle, or no runtime asked for can run it here.
        BundleError: the bundle was changed after it was written.
    """
    if not (folder / MANIFEST).is_file():
        raise BenchError(f"DIR must be a bundle's folder, found {str(folder)!r}, which holds no {MANIFEST}.")
    manifest = read_manifest(folder)
    require_intact(folder, manifest)
    measured: list[Latency] = []
    reasons: dict[str, str] = {}
    with torch_threads(settings.threads):
        for batch in settings.batches:
            actions = _build_runners(folder, manifest, settings, batch, reasons)
            seconds = time_in_turn(actions, settings.repeats)
            measured += [_latency(runtime, batch, settings, seconds[runtime]) for runtime in actions]
    if not measured:
        raise BenchError("nothing could be measured. " + " ".join(f"{name}: {why}." for name, why in reasons.items()))
    return BenchReport(manifest=manifest, measured=tuple(measured), not_measured=reasons)


def _build_runners(
    folder: Path, manifest: Manifest, settings: BenchSettings, batch: int, reasons: dict[str, str]
) -> dict[str, Action]:
    entry = manifest.input
    images = torch.randn(batch, entry.channels, entry.height, entry.width)
    actions: dict[str, Action] = {}
    for runtime in settings.runtimes:
        try:
            actions[runtime] = build_runner(runtime, folder, manifest, settings, images)
        except NotMeasurableError as error:
            reasons[runtime] = error.message
    return actions


def _latency(runtime: str, batch: int, settings: BenchSettings, seconds: list[float]) -> Latency:
    p10, median, p90 = (1000 * float(value) for value in np.percentile(seconds, (10, 50, 90)))
    facts: dict[str, Any] = {"runtime": runtime, "precision": settings.precision}
    return Latency(
        **facts,
        host=platform.node(),
        device=_device_name(settings.device),
        version=runtime_version(runtime),
        threads=settings.threads,
        batch=batch,
        median_ms=median,
        p10_ms=p10,
        p90_ms=p90,
        measured_at=datetime.now(UTC).replace(microsecond=0),
    )


def _device_name(device: str) -> str:
    if device == "cuda":
        return torch.cuda.get_device_name()
    lines = _CPU_INFO.read_text().splitlines() if _CPU_INFO.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
