"""How far a pruned network's time follows its FLOPs, beside the plain backbone with its decoders, in one run.

    python benchmarks/pruned_latency.py [--networks resnet18 ...] [--runtimes onnx eager compiled]
        [--fractions 0.1 0.4 0.7] [--groups 8 1] [--batches 1 8] [--granularity conv block stage]
        [--trained runs/rooms-resnet18/trials/*/network.pt]

Per network, granularity, channel group, share of open gates and batch: the pruned network's time over the plain
one's, divided by the same ratio of FLOPs. 1.00 means that time follows FLOPs; above, the glue between layers costs
time that FLOPs do not count. Gates are random, for three dense tasks, or those that trials have learned. The plain
network is the pruned one of shut gates: hard sharing, its norms folded too. Medians of ratios; the sides are run in
turn on one thread, and on the CPU it is the process's own time that counts, so that other programs hardly matter.
"""

import argparse
import copy
import functools
import itertools
import logging
import os
import shutil
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import onnxruntime
import torch
from torch import Tensor

from gatefront.search.bundle.export import export_onnx
from gatefront.spaces import (
    Architecture,
    GateLayout,
    InterroGateNetwork,
    PlainNetwork,
    Task,
    build_gated_network,
    prune_network,
)
from gatefront.trainer.checkpoints.checkpoint import load_network

TASKS = (
    Task(name="semseg", kind="segmentation", num_outputs=7),
    Task(name="depth", kind="depth", num_outputs=1),
    Task(name="normals", kind="normals", num_outputs=3),
)
NETWORKS = ("resnet18", "resnet50", "convnext_atto", "mobilenetv3_large_100", "efficientnet_b0")
FRACTIONS = (0.1, 0.4, 0.7)
GROUPS = (8, 1)
BATCHES = (1, 8)

Action = Callable[[], object]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=NETWORKS)
    parser.add_argument("--runtimes", nargs="+", default=("onnx", "eager"), choices=("onnx", "eager", "compiled"))
    parser.add_argument("--device", default="cpu", help="of torch; ONNX Runtime is measured on the CPU")
    parser.add_argument("--size", type=int, default=128, help="of the square images, in pixels")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--fractions", nargs="+", type=float, default=FRACTIONS, help="share of open gates")
    parser.add_argument("--groups", nargs="+", type=int, default=GROUPS, help="channels per gate")
    parser.add_argument("--granularity", nargs="+", default=("conv",), choices=("conv", "block", "stage"))
    parser.add_argument("--batches", nargs="+", type=int, default=BATCHES, help="images per run")
    parser.add_argument(
        "--trained", nargs="+", type=Path, default=(), help="trials' networks, in place of random gates"
    )
    arguments = parser.parse_args()
    if "compiled" in arguments.runtimes and shutil.which(os.environ.get("CXX", "g++")) is None:
        parser.error("torch.compile needs a C++ compiler, and there is none; leave out the runtime compiled")
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    print(f"torch {torch.__version__}, onnxruntime {onnxruntime.__version__}, {arguments.device}, 1 thread")
    print("network | granularity | group | open gates | batch | FLOPs | " + " | ".join(arguments.runtimes), flush=True)
    for path in arguments.trained:
        for row in _trained_rows(path, arguments):
            print(row, flush=True)
    for network in () if arguments.trained else arguments.networks:
        for granularity, group in itertools.product(arguments.granularity, arguments.groups):
            for row in _rows(network, GateLayout(channel_group=group, granularity=granularity), arguments):
                print(row, flush=True)


def _rows(network: str, layout: GateLayout, arguments: argparse.Namespace) -> Iterator[str]:
    torch.manual_seed(0)
    size = (arguments.size, arguments.size)
    architecture = Architecture(backbone=network, tasks=TASKS, in_channels=3, input_size=size)
    gated = build_gated_network(architecture, layout).eval()
    pruned = ((str(fraction), *prune_at_random(gated, fraction)) for fraction in arguments.fractions)
    yield from _compared(gated, prune_at_random(gated, 0.0), pruned, arguments)


def _trained_rows(path: Path, arguments: argparse.Namespace) -> Iterator[str]:
    gated = load_network(path).cpu().eval()
    num_open = sum(int((gate.alpha > 0).sum()) for gate in gated.channel_gates())
    share = num_open / sum(gate.alpha.numel() for gate in gated.channel_gates())
    learned = (f"{share:.2f}, learned", prune_network(gated), gated.flops())
    shut = copy.deepcopy(gated)
    shut.unfreeze_gates()
    yield from _compared(gated, prune_at_random(shut, 0.0), [learned], arguments)


def _compared(
    gated: InterroGateNetwork,
    plain: tuple[PlainNetwork, int],
    candidates: Iterable[tuple[str, PlainNetwork, int]],
    arguments: argparse.Namespace,
) -> Iterator[str]:
    """A row per candidate, which is its gates in words, the pruned network and its FLOPs, and per batch."""
    architecture, layout = gated.architecture, gated.layout
    shape, (plain_network, plain_flops) = (architecture.in_channels, *architecture.input_size), plain
    example = torch.randn(2, *shape)
    plain_runners = [_runner(plain_network, runtime, example, arguments) for runtime in arguments.runtimes]
    for gates, pruned, flops in candidates:
        runners = [_runner(pruned, runtime, example, arguments) for runtime in arguments.runtimes]
        for batch in arguments.batches:
            images = torch.randn(batch, *shape)
            ratios = [
                _ratio(first(images), second(images), arguments)
                for first, second in zip(runners, plain_runners, strict=True)
            ]
            figures = " | ".join(f"{ratio * plain_flops / flops:.2f}" for ratio in ratios)
            setting = f"{architecture.backbone} | {layout.granularity} | {layout.channel_group}"
            yield f"{setting} | {gates} | {batch} | {flops / plain_flops:.2f} | {figures}"


@torch.no_grad()
def prune_at_random(gated: InterroGateNetwork, fraction: float) -> tuple[PlainNetwork, int]:
    """The network with every gate open with probability ``fraction``, and its FLOPs."""
    for gate in gated.channel_gates():
        gate.alpha.copy_(torch.where(torch.rand_like(gate.alpha) < fraction, 1.0, -1.0))
        gate.beta.normal_()
    return prune_network(gated), gated.flops()


def _runner(
    network: PlainNetwork, runtime: str, example: Tensor, arguments: argparse.Namespace
) -> Callable[[Tensor], Action]:
    """From images, of the example's size, to one forward pass over them."""
    if runtime == "onnx":
        session = open_session(network, example)
        return lambda images: functools.partial(session.run, None, {"images": images.numpy()})
    module = copy.deepcopy(network).to(arguments.device)
    run = torch.compile(module, dynamic=False) if runtime == "compiled" else module
    return lambda images: functools.partial(_predict, run, images.to(arguments.device))


@torch.no_grad()
def _predict(network: Callable[[Tensor], object], images: Tensor) -> None:
    network(images)


def open_session(
    network: PlainNetwork, images: Tensor, *, profile_to: Path | None = None
) -> onnxruntime.InferenceSession:
    """The network as a bundle has it, in ONNX Runtime on one thread, for any number of images of that size."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    if profile_to is not None:
        options.enable_profiling = True
        options.profile_file_prefix = str(profile_to / "profile")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        export_onnx(network, images, path)
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def _ratio(first: Action, second: Action, arguments: argparse.Namespace, warm_up: int = 2) -> float:
    for _ in range(warm_up):
        first()
        second()
    device = torch.device(arguments.device)
    return statistics.median(_seconds(first, device) / _seconds(second, device) for _ in range(arguments.repeats))


def _seconds(action: Action, device: torch.device) -> float:
    if device.type == "cpu":
        started = time.process_time()
        action()
        return time.process_time() - started
    torch.cuda.synchronize(device)
    started = time.perf_counter()
    action()
    torch.cuda.synchronize(device)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
