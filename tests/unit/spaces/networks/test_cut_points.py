"""Where gates per block and per stage lie: at the end of every block, and in none."""

import pytest

from gatefront.spaces import Architecture, Task
from gatefront.spaces.gating.gate_layout import GateLayout, Granularity
from gatefront.spaces.networks.encoder import build_encoder
from gatefront.spaces.networks.lifting import find_sites

RESNET_BLOCKS = [f"layer{stage}_{block}_act2" for stage in (1, 2, 3, 4) for block in (0, 1)]
TASKS = {
    "dense": Task(name="depth", kind="depth", num_outputs=1),
    "classified": Task(name="scene", kind="classification", num_outputs=3),
}


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
@pytest.mark.parametrize(
    ("granularity", "expected"), [("block", ["maxpool", *RESNET_BLOCKS]), ("stage", RESNET_BLOCKS[1::2])]
)
def test_residual_network_has_a_gate_behind_every_block_and_stage(
    granularity: Granularity, expected: list[str], task: Task
) -> None:
    architecture = Architecture(backbone="resnet18", tasks=(task,), in_channels=3, input_size=(64, 64))
    sites = find_sites(build_encoder(architecture), GateLayout(granularity=granularity)).sites
    assert [site.node.name for site in sites] == expected
