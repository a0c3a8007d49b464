"""[network] and [gates]: they reach the networks, and what cannot be built is refused before anything is trained."""

from pathlib import Path
from typing import Any

import pytest

from gatefront.search.cli.main import main
from gatefront.search.config.study_file import parse_study
from gatefront.search.driver.references import reference_jobs
from gatefront.search.errors import StudyFileError
from gatefront.search.planning.capacities import list_architectures, list_layouts, measure_capacity
from gatefront.search.planning.study_plan import plan_study
from gatefront.spaces import Task
from gatefront.spaces.gating.gate_layout import GateLayout
from gatefront.spaces.json_codec import from_json, to_json
from gatefront.trainer.config import GateConfig

BACKBONES = """
from torch import nn

def no_module():
    return 7

class ByValue(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 8, 3, padding=1)
    def forward(self, images):
        if images.mean() > 0:
            return [self.conv(images)]
        return [self.conv(-images)]
"""

STUDY = """
[study]
name = "wrong"
[data]
name = "{data}"
[network]
{network}
[gates]
{gates}
"""


def _text(*, data: str = "rooms", network: str = "", gates: str = "") -> str:
    return STUDY.format(data=data, network=network, gates=gates)


@pytest.mark.parametrize("command", ["flops", "doctor", "start"])
@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({"data": "digits", "network": 'backbone = "gf_nets:no_module"'}, "not a torch.nn.Module"),
        ({"data": "digits", "network": 'backbone = "gf_nets:ByValue"'}, "control flow that depends on values"),
        ({"data": "digits", "network": "share_decoder = true"}, "left (classification), right (classification)"),
        ({"network": 'backbone = "resnet18"\noutput_stride = 8', "data": "rooms", "size": (8, 4)}, "at least 8"),
        ({"network": 'backbone = "resnet18"\noutput_stride = 32', "size": (16, 48)}, "16x48 is too small"),
        ({"gates": "channel_group = 64"}, "channel_group = 64 is above the"),
        ({"gates": "channel_group = {choices = [1, 64]}"}, "channel_group = 64 is above the"),
        ({"gates": "channel_group = 0"}, "channel_group must be at least 1, found 0"),
        ({"gates": 'granularity = "layer"'}, "gates.granularity: input should be 'conv', 'block' or 'stage'"),
        ({"network": 'decoder = "unet"'}, "network.decoder: input should be 'light', 'deeplab' or 'dpt'"),
        ({"network": "output_stride = 12"}, "network.output_stride: input should be 8, 16 or 32, found 12"),
        ({"network": "share_decoder = 1"}, "network.share_decoder: input should be a valid boolean, found 1"),
    ],
)
def test_what_cannot_be_built_ends_with_2(
    command: str,
    keys: dict[str, Any],
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("GATEFRONT_DB", f"sqlite:///{tmp_path}/gatefront.db")
    monkeypatch.setenv("GATEFRONT_STORAGE", str(tmp_path / "runs"))
    (tmp_path / "gf_nets.py").write_text(BACKBONES)
    monkeypatch.syspath_prepend(tmp_path)
    keys = dict(keys)
    size = keys.pop("size", None)
    text = _text(**keys)
    if size is not None:
        text += f"[data.options]\nheight = {size[0]}\nwidth = {size[1]}\n"
    (tmp_path / "study.toml").write_text(text)
    assert main([command, str(tmp_path / "study.toml")]) == 2
    err = capsys.readouterr().err.replace("\n", " ")
    assert sentence in err
    assert "Traceback" not in err
    assert not (tmp_path / "gatefront.db").exists()


def test_keys_reach_architecture_and_gates() -> None:
    network = 'backbone = "resnet18"\noutput_stride = 8\ndecoder = "deeplab"\nshare_decoder = true\nweights = "w.pt"'
    config = parse_study(_text(network=network, gates='granularity = "block"\nchannel_group = 8'))
    (architecture,) = list_architectures(config.network, [Task(name="depth", kind="depth", num_outputs=1)], 3, (64, 64))
    assert (architecture.output_stride, architecture.decoder, architecture.share_decoder) == (8, "deeplab", True)
    assert architecture.weights == "w.pt"
    assert list_layouts(config.gates) == (GateLayout(granularity="block", channel_group=8),)


def test_layouts_are_searched_and_references_know_nothing_of_them() -> None:
    gates = 'granularity = {choices = ["conv", "block"]}\nchannel_group = {choices = [1, 2]}'
    plan = plan_study(parse_study(_text(gates=gates)))
    assert set(plan.search_space.distributions()) == {"gates.granularity", "gates.channel_group"}
    settings = plan.search_space.decode({"gates.granularity": "block", "gates.channel_group": 2}, seed=0)
    assert settings.gates.layout() == GateLayout(granularity="block", channel_group=2)
    assert from_json(GateConfig, to_json(settings.gates)) == settings.gates
    plain = plan_study(parse_study(_text()))
    assert reference_jobs(plain) == [*reference_jobs(plan)]


def test_a_list_of_backbones_is_a_choice_with_references_of_its_own() -> None:
    plan = plan_study(parse_study(_text(network='backbone = {choices = ["smallconv", "resnet20"]}')))
    assert [capacity.architecture.backbone for capacity in plan.capacities] == ["smallconv", "resnet20"]
    single = [job for job in reference_jobs(plan) if job.purpose == "single_task"]
    assert len(single) == 2 * len(plan.tasks)
    assert plan.search_space.decode({"network.backbone": "resnet20"}, seed=0).capacity is plan.capacities[1]


def test_sharing_the_decoder_lowers_the_floor_and_not_the_ceiling() -> None:
    apart, together = (plan_study(parse_study(_text(network=f"share_decoder = {word}"))) for word in ("false", "true"))
    assert together.floor < apart.floor
    assert together.ceiling == apart.ceiling
    assert sum(together.largest.decoders.values()) < sum(apart.largest.decoders.values())
    assert together.largest.num_parameters < apart.largest.num_parameters


def test_capacity_counts_what_is_trained() -> None:
    plan = plan_study(parse_study(_text()))
    capacity = measure_capacity(plan.largest.architecture, list_layouts(plan.config.gates))
    decoders = sum(capacity.decoders.values())
    assert capacity.training == (len(plan.tasks) + 1) * capacity.encoder + decoders
    assert capacity.hard_sharing == capacity.encoder + decoders


def test_ranges_of_capacities_are_refused() -> None:
    with pytest.raises(StudyFileError, match="channel_group takes no range"):
        parse_study(_text(gates="channel_group = {low = 1, high = 8}"))


def test_list_architectures_weights_in_the_home_folder_are_spelled_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    network = parse_study(_text(network='backbone = "resnet18"\nweights = "~/w.pt"')).network
    tasks = (Task(name="label", kind="classification", num_outputs=2),)
    (architecture,) = list_architectures(network, tasks, 3, (32, 32))
    assert architecture.weights == "/home/ann/w.pt"
