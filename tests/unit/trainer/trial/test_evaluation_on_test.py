"""Delivered networks on the test split: the plain network is measured, and a set without a test split is refused."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gatefront.spaces.architecture.architecture import Architecture
from gatefront.spaces.networks.interrogate import build_gated_network
from gatefront.spaces.pruning.prune import prune_network
from gatefront.trainer.checkpoints.checkpoint import CheckpointError, save_network
from gatefront.trainer.config import TrainConfig
from gatefront.trainer.data import DataError, MultiTaskData
from gatefront.trainer.loop.evaluation import evaluate
from gatefront.trainer.loop.runtime import resolve_runtime
from gatefront.trainer.trial.evaluation_on_test import evaluate_file_on_test

CONFIG = TrainConfig(epochs=1, batch_size=64, device="cpu")


@pytest.fixture
def architecture(digits: MultiTaskData) -> Architecture:
    description = digits.description
    return Architecture(
        backbone="smallconv", tasks=description.tasks, in_channels=1, input_size=description.input_size, stem="small"
    )


def test_the_pruned_network_is_measured_on_the_test_split(
    architecture: Architecture, digits: MultiTaskData, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    network = build_gated_network(architecture).eval()
    network.freeze_gates()
    save_network(network, tmp_path / "network.pt")
    found = evaluate_file_on_test(tmp_path / "network.pt", digits, CONFIG)
    runtime = resolve_runtime(CONFIG)
    plain = prune_network(network).eval()
    expected = evaluate(plain, digits.test_split, architecture.tasks, runtime=runtime, batch_size=50).metrics
    assert found == pytest.approx(expected)
    on_val = evaluate(plain, digits.val, architecture.tasks, runtime=runtime, batch_size=50).metrics
    assert found != pytest.approx(on_val)


def test_test_figures_of_data_without_a_test_split_are_refused(digits: MultiTaskData, tmp_path: Path) -> None:
    without = replace(digits, test=None, description=replace(digits.description, num_test=0))
    with pytest.raises(DataError, match=r"Cannot measure on the test split: .*found no test split.*validation"):
        evaluate_file_on_test(tmp_path / "network.pt", without, CONFIG)


def test_a_network_that_is_gone_is_named(digits: MultiTaskData, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"network\.pt"):
        evaluate_file_on_test(tmp_path / "network.pt", digits, CONFIG)
