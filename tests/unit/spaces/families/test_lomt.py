"""LOMT: where decoders are attached, and what cutting the rest off saves."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
import torch
from torch import fx, nn

from gatefront.spaces import Architecture, SpaceError, Task, count_flops
from gatefront.spaces.families import build_hard_sharing, build_lomt, network
from gatefront.spaces.families.attachment import MIN_ACTIVE, attachment_places, find_attachment
from gatefront.spaces.families.input_groups import from_rows, to_rows

DENSE = (
    Task(name="near", kind="segmentation", num_outputs=4),
    Task(name="far", kind="depth", num_outputs=1),
    Task(name="label", kind="classification", num_outputs=3),
)


pytestmark = pytest.mark.usefixtures("_traced_once")

SMALL = Architecture(
    backbone="resnet18",
    tasks=DENSE,
    in_channels=3,
    input_size=(32, 48),
    stem="small",
    width=0.125,
    decoder_width=8,
)


def _places(architecture: Architecture, task: Task) -> list[str]:
    return [place.name for place in attachment_places(network.build_encoder(architecture), architecture, task)]


@torch.no_grad()
def _empty(encoder: fx.GraphModule, prefix: str, keep: int = 0) -> None:
    """Let the layers whose names start so read no more than ``keep`` input channels."""
    for name, layer in encoder.named_modules():
        if name.startswith(prefix) and isinstance(layer, nn.Conv2d):
            rows = to_rows(layer.weight, layer).clone()
            rows[keep:] = 0.0
            layer.weight.copy_(from_rows(rows, layer))


@pytest.mark.parametrize(
    ("emptied", "expected"),
    [
        ([], "layer4_1_act2"),
        (["layer4.1"], "layer4_0_act2"),
        (["layer4"], "layer3_1_act2"),
        (["layer3.0", "layer4"], "layer3_1_act2"),  # what lies before the last block in use stays, used or not
        (["layer2.1", "layer3", "layer4"], "layer2_0_act2"),
    ],
)
def test_a_decoder_belongs_behind_the_last_block_in_use(emptied: list[str], expected: str) -> None:
    encoder = network.build_encoder(SMALL)
    for prefix in emptied:
        _empty(encoder, prefix)
    assert find_attachment(encoder, SMALL, DENSE[0]) == expected


def test_a_hundredth_of_the_channels_is_not_in_use() -> None:
    architecture = replace(SMALL, width=1.0)
    encoder = network.build_encoder(architecture)
    _empty(encoder, "layer4.1", keep=int(MIN_ACTIVE * 512))
    assert find_attachment(encoder, architecture, DENSE[0]) == "layer4_0_act2"
    again = network.build_encoder(architecture)
    _empty(again, "layer4.1", keep=int(MIN_ACTIVE * 512) + 1)
    assert find_attachment(again, architecture, DENSE[0]) == "layer4_1_act2"


def test_where_all_is_empty_the_first_place_is_taken() -> None:
    encoder = network.build_encoder(SMALL)
    _empty(encoder, "")
    for task in DENSE:
        assert find_attachment(encoder, SMALL, task) == _places(SMALL, task)[0]


def test_dense_decoders_are_not_attached_where_maps_are_finer_than_they_would_read() -> None:
    """They would cost more there than the blocks behind that are saved."""
    light = replace(SMALL, output_stride=16, stem="default")
    deeplab = replace(light, decoder="deeplab")
    dense, classification = DENSE[0], DENSE[2]
    assert _places(SMALL, dense)[0] == "layer2_0_act2"  # the levels that it reads begin behind the first stage
    assert _places(light, dense)[0] == "maxpool"  # as fine as the first stage behind it, which is the first level
    assert _places(deeplab, dense)[0] == "layer3_0_act2"  # it reads the last map alone, of stride 16
    assert _places(deeplab, classification)[0] == "maxpool"
    assert _places(light, dense)[-1] == _places(deeplab, dense)[-1] == "layer4_1_act2"


CHOSEN = [
    {"near": "layer2_0_act2", "far": "layer3_1_act2", "label": "layer1_0_act2"},
    {"near": "layer2_1_act2", "far": "layer2_0_act2", "label": "maxpool"},
    {"near": "layer4_0_act2", "far": "layer4_0_act2", "label": "layer4_0_act2"},
]


@pytest.mark.parametrize("attachments", CHOSEN)
@torch.no_grad()
def test_truncation_lowers_flops_and_what_remains_computes_what_it_did(attachments: Mapping[str, str]) -> None:
    whole, cut = build_hard_sharing(SMALL).eval(), build_lomt(SMALL, attachments=attachments).eval()
    weights = whole.encoder.get_submodule("shared").state_dict()
    cut.encoder.load_state_dict({name: weights[name] for name in cut.encoder.state_dict()})
    shape = (3, 32, 48)
    assert count_flops(cut, shape) < count_flops(whole, shape)
    assert len(cut.encoder.state_dict()) < len(weights)
    images = torch.randn(2, *shape)
    for name, features in zip(cut.task_names, cut.encoder(images), strict=True):
        assert torch.equal(features[-1], _read_at(whole.encoder, attachments[name])(images))


def _read_at(encoder: fx.GraphModule, name: str) -> fx.GraphModule:
    graph = fx.Graph()
    known: dict[fx.Node, fx.Node] = {}
    for node in encoder.graph.nodes:
        known[node] = graph.node_copy(node, known.__getitem__)
        if node.name == name:
            graph.output(known[node])
            break
    return fx.GraphModule(encoder, graph)


@torch.no_grad()
def test_without_attachments_it_is_hard_sharing() -> None:
    architecture = SMALL
    whole, same = build_hard_sharing(architecture).eval(), build_lomt(architecture).eval()
    same.encoder.load_state_dict(whole.encoder.get_submodule("shared").state_dict())
    same.heads.load_state_dict(whole.heads.state_dict())
    images = torch.randn(2, 3, 32, 48)
    expected = whole(images)
    assert all(torch.equal(found, expected[name]) for name, found in same(images).items())
    assert same.settings == {"attachments": dict.fromkeys(architecture.task_names, "layer4_1_act2")}


@pytest.mark.parametrize(
    ("attachments", "words"),
    [
        ({"near": "layer2_0_act2"}, r"every task once, near, far, label, found near\."),
        ({"near": "layer2_0_act2", "far": "nowhere", "label": "maxpool"}, r"far cannot be attached to 'nowhere'\."),
        ({"near": "act1", "far": "act1", "label": "maxpool", "sky": "act1"}, "found near, far, label, sky"),
    ],
)
def test_attachments_that_cannot_be_are_refused(attachments: dict[str, str], words: str) -> None:
    with pytest.raises(SpaceError, match=words):
        build_lomt(SMALL, attachments=attachments)


def test_a_shared_trunk_is_refused() -> None:
    dense = tuple(task for task in DENSE if task.is_dense)
    architecture = Architecture(
        backbone="smallconv", tasks=dense, in_channels=3, input_size=(16, 16), share_decoder=True, decoder_width=8
    )
    with pytest.raises(SpaceError, match=r"share_decoder makes one trunk.*Leave share_decoder out"):
        build_lomt(architecture)
