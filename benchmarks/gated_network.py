"""What gates cost in training and what pruning gives at inference, beside the plain backbone, in one run.

    python benchmarks/gated_network.py [--device cuda] [--repeats 30]

Per network: the gated training step against one step of hard sharing (limit: T+1 encoders' worth), and the
pruned network's latency against hard sharing's, beside the ratio of their FLOPs. Medians of ratios; the two
sides of a ratio are timed in turn, so that a machine that slows down slows both.
"""

import argparse
import platform
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from spaces import Architecture, Task, build_gated_network, build_shared_network, close_gates_to_budget, prune_network

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
    "resnet18, 128x128, batch 8": (
        Architecture(backbone="resnet18", tasks=TASKS, in_channels=3, input_size=(128, 128)),
        8,
    ),
}
BUDGET = 0.6
"""Of the single-task cost: what random gates are cut to before pruning."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--repeats", type=int, default=30)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    device = torch.device(arguments.device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{platform.processor() or 'CPU'}, 1 thread"
    print(f"{name}; torch {torch.__version__}; {arguments.repeats} repeats")
    print("network | T+1 | step ratio gated/hard | pruned FLOPs ratio | pruned latency ratio (batch 1)")
    for label, (architecture, batch) in NETWORKS.items():
        torch.manual_seed(0)
        step, flops, latency = _measure(architecture, batch, device, arguments.repeats)
        print(f"{label} | {len(architecture.tasks) + 1} | {step:.2f} | {flops:.2f} | {latency:.2f}")


def _measure(architecture: Architecture, batch: int, device: torch.device, repeats: int) -> tuple[float, float, float]:
    shared, gated = build_shared_network(architecture), build_gated_network(architecture)
    for gate in gated.channel_gates():
        nn.init.normal_(gate.alpha)
    gated.set_gate_pattern(close_gates_to_budget(gated, int(BUDGET * gated.cost.single_task)))
    pruned = prune_network(gated).to(device)
    shared, gated = shared.to(device), gated.to(device)
    images = torch.randn(batch, architecture.in_channels, *architecture.input_size, device=device)
    step = _ratio(_training_step(gated, images), _training_step(shared, images), device, repeats)
    shared.eval()
    latency = _ratio(_inference(pruned, images[:1]), _inference(shared, images[:1]), device, repeats)
    return step, gated.flops() / gated.cost.hard_sharing, latency


def _training_step(network: nn.Module, images: Tensor) -> Callable[[], None]:
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4, fused=True)

    def step() -> None:
        loss = torch.stack([prediction.square().mean() for prediction in network(images).values()]).sum()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return step


def _inference(network: nn.Module, image: Tensor) -> Callable[[], None]:
    def predict() -> None:
        with torch.inference_mode():
            network(image)

    return predict


def _ratio(
    first: Callable[[], None], second: Callable[[], None], device: torch.device, repeats: int, warm_up: int = 3
) -> float:
    for _ in range(warm_up):
        first()
        second()
    return statistics.median(_seconds(first, device) / _seconds(second, device) for _ in range(repeats))


def _seconds(action: Callable[[], None], device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    started = time.perf_counter()
    action()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
