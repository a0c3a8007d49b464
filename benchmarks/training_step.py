"""What a training step with gates costs, in time and in memory, beside a step of hard sharing, in one run.

    python benchmarks/training_step.py [--device cuda] [--repeats 15]

Per network, everything as a ratio to one step of hard sharing with the same backbone, decoders and batch: a gated
step (limit: its T+1 branches), the same with activation checkpointing, and a step of the compact network that gates
cut to 45 % of the single-task cost leave (beside the ratio of their FLOPs). Then the most memory that each of these
steps holds. Times are medians of ratios; the two sides of a ratio are timed in turn, so that a
machine that slows down slows both.
"""

import argparse
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from itertools import accumulate
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from gatefront.spaces import (
    Architecture,
    InterroGateNetwork,
    Task,
    build_gated_network,
    build_shared_network,
    close_gates_to_budget,
    compact_network,
)

TASKS = (
    Task(name="semseg", kind="segmentation", num_outputs=7),
    Task(name="depth", kind="depth", num_outputs=1),
    Task(name="normals", kind="normals", num_outputs=3),
)
DIGIT_TASKS = tuple(Task(name=name, kind="classification", num_outputs=10) for name in ("left", "right", "orientation"))
NETWORKS = {
    "smallconv 12x14, batch 64": (
        Architecture(backbone="smallconv", tasks=DIGIT_TASKS, in_channels=1, input_size=(12, 14)),
        64,
    ),
    "resnet18 width 0.25, 32x48, batch 16": (
        Architecture(backbone="resnet18", stem="small", width=0.25, tasks=TASKS, in_channels=3, input_size=(32, 48)),
        16,
    ),
} | {
    f"{backbone}, 128x128, batch 8": (
        Architecture(backbone=backbone, tasks=TASKS, in_channels=3, input_size=(128, 128)),
        8,
    )
    for backbone in (
        "resnet18",
        "resnet50",
        "mobilenetv3_large_100",
        "efficientnet_b0",
        "convnext_atto",
        "vit_tiny_patch16_224",
    )
}
BUDGET = 0.45
"""Of the single-task cost: what random gates are cut to before the network is made compact."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--repeats", type=int, default=15)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    device = torch.device(arguments.device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{platform.processor() or 'CPU'}, 1 thread"
    print(f"{name}; torch {torch.__version__}; {arguments.repeats} repeats; ratios to a step of hard sharing")
    print(
        "network | T+1 | time: gated | checkpointing | compact | compact's FLOPs | "
        "memory: gated | checkpointing | compact"
    )
    for label, (architecture, batch) in NETWORKS.items():
        torch.manual_seed(0)
        row = _row(architecture, batch, device, arguments.repeats)
        print(f"{label} | {len(architecture.tasks) + 1} | {row}", flush=True)


def _row(architecture: Architecture, batch: int, device: torch.device, repeats: int) -> str:
    shared, gated, frugal = (build(architecture) for build in (build_shared_network, build_gated_network, _frugal))
    compact, flops = _compact(architecture)
    images = torch.randn(batch, architecture.in_channels, *architecture.input_size, device=device)
    networks = [network.to(device).train() for network in (shared, gated, frugal, compact)]
    plain, *others = [training_step(network, images) for network in networks]
    times = [f"{_ratio(step, plain, device, repeats):.2f}" for step in others]
    peaks = [peak_bytes(step, device) for step in (plain, *others)]
    memory = [f"{peak / peaks[0]:.2f}" for peak in peaks[1:]]
    return " | ".join([*times, f"{flops:.2f}", *memory])


def _frugal(architecture: Architecture) -> InterroGateNetwork:
    network = build_gated_network(architecture)
    network.checkpoint_activations()
    return network


def _compact(architecture: Architecture) -> tuple[nn.Module, float]:
    gated = build_gated_network(architecture)
    for gate in gated.channel_gates():
        nn.init.normal_(gate.alpha)
    gated.set_gate_pattern(close_gates_to_budget(gated, int(BUDGET * gated.cost.single_task)))
    compact = compact_network(gated)
    if compact is None:
        raise SystemExit(f"{architecture.backbone} runs a layer with weights twice, so it cannot be compacted")
    return compact, gated.flops() / gated.cost.hard_sharing


def peak_bytes(step: Callable[[], None], device: torch.device) -> int:
    """The most memory that a step holds beyond what was there before it."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        step()
        return int(torch.cuda.max_memory_allocated(device) - before)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        step()
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "trace.json"
        profiler.export_chrome_trace(str(trace))
        events = json.loads(trace.read_text())["traceEvents"]
    changes = sorted((event["ts"], event["args"]["Bytes"]) for event in events if event.get("name") == "[memory]")
    return int(max(accumulate(change for _, change in changes)))


def training_step(network: nn.Module, images: Tensor, *, micro_batch: int | None = None) -> Callable[[], None]:
    """One update; with ``micro_batch`` the gradients of parts of so many images are added up first."""
    parts = torch.split(images, micro_batch or len(images))
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4, fused=True)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        for part in parts:
            loss = torch.stack([prediction.square().mean() for prediction in network(part).values()]).sum()
            (len(part) / len(images) * loss).backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return step


def _ratio(
    first: Callable[[], None], second: Callable[[], None], device: torch.device, repeats: int, warm_up: int = 3
) -> float:
    for _ in range(warm_up):
        first()
        second()
    return statistics.median(seconds(first, device) / seconds(second, device) for _ in range(repeats))


def seconds(action: Callable[[], None], device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    started = time.perf_counter()
    action()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
