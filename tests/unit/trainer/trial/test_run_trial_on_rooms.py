"""A trial with one task of every dense kind."""

import math
from pathlib import Path
from typing import Any

import pytest

from gatefront.spaces.architecture.architecture import Architecture
from gatefront.spaces.budgets.budgets import Budgets
from gatefront.spaces.networks.interrogate import build_gated_network
from gatefront.trainer.baselines.references import train_reference
from gatefront.trainer.checkpoints.checkpoint import load_network
from gatefront.trainer.config import GateConfig, TrainConfig
from gatefront.trainer.data import DataSpec, load_data
from gatefront.trainer.reporting import EpochReport
from gatefront.trainer.trial.run_trial import run_trial
from gatefront.trainer.trial.spec import TrainedReference, TrialSpec


@pytest.mark.parametrize(
    ("network", "layout"),
    [
        ({}, {}),
        ({"share_decoder": True}, {"granularity": "block", "channel_group": 2}),
        ({"decoder": "deeplab", "share_decoder": True}, {}),
        ({"decoder": "dpt"}, {"channel_group": 4}),
    ],
)
def test_dense_tasks_from_references_to_pruned_network(
    network: dict[str, Any], layout: dict[str, Any], tmp_path: Path
) -> None:
    data_spec = DataSpec(name="rooms", options={"train_size": 64, "val_size": 24, "height": 16, "width": 24})
    data = load_data(data_spec, tmp_path)
    description = data.description
    architecture = Architecture(
        backbone="smallconv",
        tasks=description.tasks,
        in_channels=description.in_channels,
        input_size=description.input_size,
        stem="small",
        decoder_width=8,
        **network,
    )
    config = TrainConfig(epochs=2, batch_size=16, device="cpu")
    references = {
        name: TrainedReference.from_result(
            train_reference("single_task", architecture, name, data, config, cache_dir=tmp_path)
        )
        for name in architecture.task_names
    }
    shared = train_reference("hard_sharing", architecture, None, data, config, cache_dir=tmp_path)
    reports: list[EpochReport] = []
    spec = TrialSpec(
        architecture=architecture,
        data=data_spec,
        train=config,
        gates=GateConfig(tau=(0.4,) * 4, lambda_s=1.0, finetune_epochs=1, **layout),
        budgets=Budgets(flops=int(0.8 * build_gated_network(architecture).cost.single_task)),
        single_task=references,
        hard_sharing=TrainedReference.from_result(shared),
    )
    result = run_trial(spec, work_dir=tmp_path / "trial", cache_dir=tmp_path, reporter=reports.append)
    assert set(result.metrics) == {"semseg", "depth", "normals", "edges"}
    assert all(math.isfinite(value) for value in result.metrics.values())
    assert spec.budgets.flops is not None
    assert result.flops <= spec.budgets.flops
    stored = load_network(Path(result.network_path))
    assert (stored.flops(), stored.layout) == (result.flops, spec.gates.layout())
    assert all(reports[-1].losses[name] < reports[0].losses[name] for name in ("depth", "edges"))
