"""Latency of a trial's networks, measured by the worker that trained them."""

import tempfile
import time
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import TypeVar

import torch

from gatefront.search.bundle.bench_settings import BenchSettings
from gatefront.search.bundle.export import export_onnx
from gatefront.search.bundle.file_names import ONNX_MODEL
from gatefront.search.bundle.runners import Action, onnx_runner, torch_runner
from gatefront.search.bundle.timing import time_in_turn, torch_threads
from gatefront.search.config.latency import LatencyRule
from gatefront.search.storage.database.locks import host_lock
from gatefront.spaces import PlainNetwork
from gatefront.spaces.architecture.tasks import safe_names
from gatefront.trainer.checkpoints.network_file import load_delivered
from gatefront.trainer.reporting import NetworkResult, TrialResult

Network = TypeVar("Network", TrialResult, NetworkResult)


def measure_result(result: TrialResult, rule: LatencyRule) -> TrialResult:
    """Return the same result with ``latency_ms`` of its own network and of each derived one.

    The time of measuring is added to each network's ``seconds``, because it is the worker's time like training.

    Raises:
        NotMeasurableError: this machine cannot run the networks as ``rule`` asks.
        CheckpointError: a network's file is missing or damaged.
    """
    return replace(_measured(result, rule), derived=tuple(_measured(point, rule) for point in result.derived))


def measure_file(path: Path, rule: LatencyRule) -> float:
    """Return the median milliseconds of one forward pass of the pruned network on this machine's CPU, as wall time."""
    delivered = load_delivered(path)
    network, architecture = delivered.make_plain(), delivered.architecture
    images = torch.randn(rule.batch, architecture.in_channels, *architecture.input_size)
    settings = BenchSettings(
        runtimes=(rule.runtime,), threads=rule.threads, batches=(rule.batch,), precision=rule.precision
    )
    with torch_threads(rule.threads):
        action = _runner(network, rule, settings, images)
        # Other workers may train meanwhile, but no two may measure, because each would measure the other's load.
        with host_lock("latency"):
            seconds = time_in_turn({rule.runtime: action}, settings.repeats)[rule.runtime]
    return 1000 * median(seconds)


def _measured(network: Network, rule: LatencyRule) -> Network:
    started = time.perf_counter()
    latency_ms = measure_file(Path(network.network_path), rule)
    return replace(network, latency_ms=latency_ms, seconds=network.seconds + time.perf_counter() - started)


def _runner(network: PlainNetwork, rule: LatencyRule, settings: BenchSettings, images: torch.Tensor) -> Action:
    if rule.runtime != "onnx":
        return torch_runner(rule.runtime, network, settings, images)
    with tempfile.TemporaryDirectory(prefix="gatefront-latency-") as folder:
        model = Path(folder) / ONNX_MODEL
        # At least two images, so that the exporter does not mistake the batch axis for a constant of one.
        export_onnx(network, images.expand(max(2, rule.batch), -1, -1, -1).contiguous(), model)
        return onnx_runner(model, safe_names(network.task_names), settings, images)
