"""What 40 tasks cost: a step of 41 branches beside one of hard sharing, in time and in memory.

    python benchmarks/many_tasks.py [--batches 128] [--tasks 40] [--repeats 3] [--device cuda]
                                    [--networks parts] [--micro-batch 8] [--no-profile]

CelebA's 40 attributes as a task each, ResNet-20, 64x64. Times are medians of ratios to a step of hard sharing with the
same batch, the two timed in turn, on a CPU in its own time (limit: 41 branches); memory is the most that a step holds
beyond weights and optimizer. *Parts* is the gated network with `micro_batch_size`: gradients of parts of the batch,
added up. With several batches the last line is what memory comes to at 128, on a line through the two largest. Last in
a line is the most that the whole process has held so far, on a CPU with torch itself, weights and all. --networks
leaves out those that do not fit into the machine; with --no-profile that last figure is the only one of memory, and a
step less is made.
"""

import argparse
import platform
import statistics
import time
from collections.abc import Callable, Sequence

import torch
from training_step import peak_bytes, seconds, training_step

from gatefront.spaces import Architecture, Task, build_gated_network, build_shared_network
from gatefront.trainer.loop.environment import peak_memory_mib

BATCH = 128
"""What published work trains CelebA with."""
NETWORKS = ("gated", "checkpointing", "parts")

Step = Callable[[], None]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, nargs="+", default=[BATCH])
    parser.add_argument("--tasks", type=int, default=40)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--micro-batch", type=int, default=8, help="samples in a part")
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=NETWORKS)
    parser.add_argument("--no-profile", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    device = torch.device(arguments.device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{platform.processor() or 'CPU'}, 1 thread"
    print(f"{name}; torch {torch.__version__}; {arguments.tasks + 1} branches; {arguments.repeats} repeats")
    names = " | ".join(arguments.networks)
    print(f"batch | hard sharing, s | {names} | memory, MiB: hard sharing | {names} | the process in all")
    networks = _networks(arguments.tasks, device, arguments.networks)
    memory: dict[int, list[float]] = {}
    for batch in sorted(arguments.batches):
        images = torch.randn(batch, 3, 64, 64, device=device)
        steps = [
            training_step(network, images, micro_batch=arguments.micro_batch if name == "parts" else batch)
            for name, network in networks
        ]
        plain, ratios = _time(steps, device, arguments.repeats)
        held = peak_memory_mib(device)  # before the profiler, which needs more
        if not arguments.no_profile:
            memory[batch] = [peak_bytes(step, device) / 2**20 for step in steps]
        mebibytes = " | ".join(f"{value:.0f}" for value in memory[batch]) if batch in memory else "not profiled"
        print(
            f"{batch} | {plain:.3f} | {' | '.join(f'{ratio:.1f}' for ratio in ratios)} | {mebibytes} | {held:.0f}",
            flush=True,
        )
    if len(memory) > 1 and BATCH not in memory:
        print(f"{BATCH}, extrapolated | | | | {' | '.join(f'{value:.0f}' for value in _extrapolate(memory))}")


def _networks(num_tasks: int, device: torch.device, names: Sequence[str]) -> list[tuple[str, torch.nn.Module]]:
    """Hard sharing, and the gated ones of these names; in training mode, on the device."""
    tasks = tuple(Task(name=f"attribute_{n}", kind="classification", num_outputs=2) for n in range(num_tasks))
    architecture = Architecture(backbone="resnet20", tasks=tasks, in_channels=3, input_size=(64, 64))
    networks: list[tuple[str, torch.nn.Module]] = [("hard sharing", build_shared_network(architecture))]
    for name in names:
        gated = build_gated_network(architecture)
        if name == "checkpointing":
            gated.checkpoint_activations()
        networks.append((name, gated))
    return [(name, network.to(device).train()) for name, network in networks]


def _time(steps: list[Step], device: torch.device, repeats: int) -> tuple[float, list[float]]:
    """Seconds of the first step, and medians of the others' ratios to it."""
    for step in steps:
        step()
    plain: list[float] = []
    ratios: list[list[float]] = [[] for _ in steps[1:]]
    for _ in range(repeats):
        for found, step in zip(ratios, steps[1:], strict=True):
            plain.append(_seconds(steps[0], device))
            found.append(_seconds(step, device) / plain[-1])
    return statistics.median(plain), [statistics.median(found) for found in ratios]


def _seconds(step: Step, device: torch.device) -> float:
    """Of the CPU where it computes: steps of minutes meet other programs."""
    if device.type == "cuda":
        return seconds(step, device)
    started = time.process_time()
    step()
    return time.process_time() - started


def _extrapolate(memory: dict[int, list[float]]) -> list[float]:
    smaller, larger = sorted(memory)[-2:]
    slope = [(b - a) / (larger - smaller) for a, b in zip(memory[smaller], memory[larger], strict=True)]
    return [b + rise * (BATCH - larger) for b, rise in zip(memory[larger], slope, strict=True)]


if __name__ == "__main__":
    main()
