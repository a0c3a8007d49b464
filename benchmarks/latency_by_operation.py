"""Where a pruned network's time goes in ONNX Runtime, operation by operation, beside the plain network, in one run.

    python benchmarks/latency_by_operation.py [--networks resnet50 ...] [--fractions 0.1 0.4 0.7] [--batches 1 8]
        [--groups 8] [--granularity conv block stage]

The networks, gates and the FLOPs ratio are those of pruned_latency.py. The first figure is the time of all operations,
pruned over plain, divided by that ratio; the second counts the layers alone (convolutions and matrix products): what
would be left if choosing, mixing and changing the memory layout took no time at all. Then the share of each operation
in the pruned network's time. Times are medians of what the runtime's own profiler says, on one thread.
"""

import argparse
import json
import logging
import statistics
import tempfile
import warnings
from collections import defaultdict
from pathlib import Path

import onnxruntime
import torch
from pruned_latency import BATCHES, FRACTIONS, NETWORKS, TASKS, open_session, prune_at_random

from gatefront.spaces import Architecture, GateLayout, PlainNetwork, build_gated_network

LAYERS = frozenset({"Conv", "FusedConv", "MatMul", "FusedMatMul", "Gemm", "FusedGemm"})
"""ONNX Runtime's names of the operations whose FLOPs are counted."""

Milliseconds = dict[str, float]
"""Per kind of operation, what one run spends in it."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=NETWORKS)
    parser.add_argument("--size", type=int, default=128, help="of the square images, in pixels")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--fractions", nargs="+", type=float, default=FRACTIONS, help="share of open gates")
    parser.add_argument("--groups", type=int, default=8, help="channels per gate")
    parser.add_argument("--granularity", default="conv", choices=("conv", "block", "stage"))
    parser.add_argument("--batches", nargs="+", type=int, default=BATCHES, help="images per run")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    print(f"torch {torch.__version__}, onnxruntime {onnxruntime.__version__}, 1 thread")
    print("network | open gates | batch | all | layers alone | shares of the pruned network's time")
    for network in arguments.networks:
        _print_rows(network, arguments)


def _print_rows(network: str, arguments: argparse.Namespace) -> None:
    torch.manual_seed(0)
    size = (arguments.size, arguments.size)
    architecture = Architecture(backbone=network, tasks=TASKS, in_channels=3, input_size=size)
    layout = GateLayout(channel_group=arguments.groups, granularity=arguments.granularity)
    gated = build_gated_network(architecture, layout).eval()
    plain, plain_flops = prune_at_random(gated, 0.0)
    for fraction in arguments.fractions:
        pruned, flops = prune_at_random(gated, fraction)
        for batch in arguments.batches:
            images = torch.randn(batch, 3, *size)
            first, second = (_profile(side, images, arguments.repeats) for side in (pruned, plain))
            total = sum(first.values())
            every = total / sum(second.values()) * plain_flops / flops
            alone = _of_layers(first) / _of_layers(second) * plain_flops / flops
            dearest = sorted(first, key=first.__getitem__, reverse=True)[:8]
            shares = ", ".join(f"{name} {first[name] / total:.0%}" for name in dearest)
            print(f"{network} | {fraction} | {batch} | {every:.2f} | {alone:.2f} | {shares}", flush=True)


def _profile(network: PlainNetwork, images: torch.Tensor, repeats: int) -> Milliseconds:
    with tempfile.TemporaryDirectory() as folder:
        session = open_session(network, torch.randn(2, *images.shape[1:]), profile_to=Path(folder))
        for _ in range(repeats):
            session.run(None, {"images": images.numpy()})
        events = json.loads(Path(session.end_profiling()).read_text())
    durations: dict[tuple[str, str], list[float]] = defaultdict(list)
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            durations[event["args"]["op_name"], event["name"]].append(event["dur"] / 1000)
    spent: Milliseconds = defaultdict(float)
    for (operation, _), times in durations.items():
        spent[operation] += statistics.median(times)
    return spent


def _of_layers(spent: Milliseconds) -> float:
    return sum(time for name, time in spent.items() if name in LAYERS)


if __name__ == "__main__":
    main()
