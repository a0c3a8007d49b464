"""Files of weights: whole or absent, and loadable without anything else."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gatefront.spaces.architecture.architecture import Architecture
from gatefront.spaces.architecture.tasks import Task
from gatefront.spaces.gating.gate_layout import GateLayout
from gatefront.spaces.networks.interrogate import build_gated_network
from gatefront.trainer.checkpoints.atomic_file import replacing
from gatefront.trainer.checkpoints.checkpoint import CheckpointError, load_network, load_state, save_network, save_state

ARCHITECTURE = Architecture(
    backbone="smallconv",
    tasks=(
        Task(name="left", kind="classification", num_outputs=10),
        Task(name="right", kind="classification", num_outputs=10),
    ),
    in_channels=1,
    input_size=(12, 14),
    stem="small",
)


@pytest.mark.parametrize("layout", [GateLayout(), GateLayout(granularity="stage", channel_group=4)])
def test_network_survives_the_disk(layout: GateLayout, tmp_path: Path) -> None:
    network = build_gated_network(ARCHITECTURE, layout)
    network.set_gate_pattern(tuple(torch.rand(own.shape) < 0.5 for own in network.gate_pattern()))
    images = torch.randn(3, 1, 12, 14)
    network(images)  # moves the norms' statistics away from their initial values
    save_network(network.to(memory_format=torch.channels_last), tmp_path / "network.pt")
    loaded = load_network(tmp_path / "network.pt")
    assert (loaded.architecture, loaded.layout) == (ARCHITECTURE, layout)
    assert all(torch.equal(a, b) for a, b in zip(loaded.gate_pattern(), network.gate_pattern(), strict=True))
    assert not any(gate.alpha.requires_grad for gate in loaded.channel_gates())
    assert all(tensor.is_contiguous() for tensor in loaded.state_dict().values())
    expected = network.eval()(images)
    for name, prediction in loaded(images).items():
        torch.testing.assert_close(prediction, expected[name])


def test_a_stored_network_needs_no_other_weights(tmp_path: Path) -> None:
    network = build_gated_network(ARCHITECTURE)
    network.architecture = replace(ARCHITECTURE, weights=str(tmp_path / "gone.pt"))
    save_network(network, tmp_path / "network.pt")
    assert load_network(tmp_path / "network.pt").architecture == network.architecture


def test_missing_and_damaged_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "network.pt"
    with pytest.raises(CheckpointError, match=r"network\.pt does not exist"):
        load_network(path)
    save_network(build_gated_network(ARCHITECTURE), path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match=r"network\.pt cannot be read"):
        load_network(path)
    path.write_bytes(b"")
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_state(path)
    save_state({"weight": torch.zeros(1)}, path)
    with pytest.raises(CheckpointError, match="does not hold a gated network"):
        load_network(path)


def test_code_in_a_file_is_not_run(tmp_path: Path) -> None:
    torch.save({"architecture": print, "state": Path}, tmp_path / "network.pt")
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_network(tmp_path / "network.pt")


def test_interrupted_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def write(text: str) -> None:
        with replacing(path) as fresh:
            fresh.write_text(text)
            if text == "half":
                raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write("half")
    assert path.read_text() == "old"
    write("new")
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]
