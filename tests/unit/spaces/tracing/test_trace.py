"""Tracing beside other threads: they neither disturb a trace nor are recorded by it."""

import builtins
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor, fx, nn

from gatefront.spaces.architecture.architecture import Architecture
from gatefront.spaces.architecture.tasks import Task
from gatefront.spaces.networks.interrogate import build_gated_network
from gatefront.spaces.tracing.trace import trace_network


class TwoFeatures(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv2d(3 if index == 0 else width, width, 3, padding=1) for index in range(20))

    def forward(self, images: Tensor) -> list[Tensor]:
        for layer in self.layers:
            images = layer(images).relu()
        return [images]


def run_at_once(*work: Callable[[], None]) -> None:
    with ThreadPoolExecutor(len(work)) as pool:
        for future in [pool.submit(one) for one in work]:
            future.result()


def targets(graph: fx.Graph) -> list[str]:
    return [str(node.target) for node in graph.nodes]


@pytest.fixture
def genuine() -> tuple[object, ...]:
    return builtins.isinstance, nn.Module.__call__, vars(torch.autograd.Function)["apply"]


def test_trace_beside_a_thread_that_runs_modules_gives_the_same_graph(genuine: tuple[object, ...]) -> None:
    bystander, images = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.ReLU()).eval(), torch.randn(1, 3, 4, 4)
    expected = bystander(images)
    alone = targets(trace_network(TwoFeatures(4), (3, 8, 8), name="alone").graph)
    done = threading.Event()
    num_runs = 0

    def trace() -> None:
        try:
            for _ in range(3):
                assert targets(trace_network(TwoFeatures(4), (3, 8, 8), name="traced").graph) == alone
        finally:
            done.set()

    def run_module() -> None:
        nonlocal num_runs
        while not done.is_set():
            torch.testing.assert_close(bystander(images), expected)
            num_runs += 1

    run_at_once(trace, run_module)
    assert num_runs > 0
    assert genuine == (builtins.isinstance, nn.Module.__call__, vars(torch.autograd.Function)["apply"])


def test_two_threads_that_build_networks_give_those_of_one_thread(genuine: tuple[object, ...]) -> None:
    tasks = tuple(Task(name=name, kind="classification", num_outputs=3) for name in ("one", "other"))

    def build(backbone: str) -> None:
        for _ in range(2):
            architecture = Architecture(backbone=backbone, tasks=tasks, in_channels=3, input_size=(32, 32))
            flops[backbone].append(build_gated_network(architecture).flops())

    flops: dict[str, list[int]] = {"smallconv": [], "resnet18": []}
    run_at_once(lambda: build("smallconv"), lambda: build("resnet18"))
    together = {name: set(counts) for name, counts in flops.items()}
    flops = {"smallconv": [], "resnet18": []}
    build("smallconv")
    build("resnet18")
    assert together == {name: set(counts) for name, counts in flops.items()}
    assert genuine == (builtins.isinstance, nn.Module.__call__, vars(torch.autograd.Function)["apply"])
