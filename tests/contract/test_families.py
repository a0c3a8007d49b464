"""What every family of multi-task networks must keep, on every backbone it takes."""

import copy
import functools
import json

import pytest
import torch
from torch import Tensor, nn

from gatefront.spaces import Architecture, PlainNetwork, SpaceError, Task, count_flops
from gatefront.spaces.families import FAMILIES, FamilyNetwork, build_family, plain_network
from gatefront.spaces.families.attachment import attachment_places
from gatefront.spaces.families.network import build_parts
from gatefront.spaces.json_codec import from_json, to_json

pytestmark = [pytest.mark.usefixtures("_traced_once"), pytest.mark.xdist_group("families")]

CLASSIFICATION = (
    Task(name="left", kind="classification", num_outputs=10),
    Task(name="right", kind="classification", num_outputs=7),
    Task(name="orientation", kind="classification", num_outputs=4),
)
DENSE = (
    Task(name="semseg", kind="segmentation", num_outputs=5),
    Task(name="normals", kind="normals", num_outputs=3),
    Task(name="scene", kind="classification", num_outputs=3),
)
SMALL_STEM = {"stem": "small", "width": 0.125}

ARCHITECTURES = {
    name: Architecture(backbone=backbone, tasks=tasks, in_channels=3, input_size=size, decoder_width=8, **options)  # type: ignore[arg-type]
    for name, backbone, tasks, size, options in (
        ("smallconv", "smallconv", CLASSIFICATION, (12, 14), {}),
        ("smallconv-dense", "smallconv", DENSE, (13, 18), {"width": 2.0}),
        ("one-task", "smallconv", CLASSIFICATION[:1], (12, 12), {}),
        ("resnet18-small-stem", "resnet18", DENSE, (16, 24), SMALL_STEM),
        ("resnet18-output-stride", "resnet18", DENSE, (32, 40), {"output_stride": 8, "width": 0.125}),
        ("mobilenetv3", "mobilenetv3_small_100", DENSE[1:], (32, 48), {"width": 0.5}),
        ("regnet", "regnetx_002", CLASSIFICATION[:2], (32, 32), {"width": 0.25}),
        ("vit", "test_vit2", CLASSIFICATION[:2], (32, 48), {}),
    )
}

REFUSED = {
    ("mtan", "vit"): r"mtan masks maps \[batch, channels, height, width\]",
    ("lomt", "vit"): r"lomt attaches decoders to maps \[batch, channels, height, width\], but reshape_1 of",
    ("etr-nlp", "vit"): "etr-nlp cannot divide model_[a-z_]+ of backbone",
    ("etr-nlp", "regnet"): "etr-nlp cannot divide s2_b1_conv2_conv",
}
"""(family, architecture) -> words of the reason."""

CASES = [(family, name) for family in FAMILIES for name in ARCHITECTURES if (family, name) not in REFUSED]


@functools.cache
def _built(family: str, name: str) -> FamilyNetwork:
    torch.manual_seed(0)
    architecture = ARCHITECTURES[name]
    return build_family(family, architecture, {"attachments": _attachments(architecture)} if family == "lomt" else {})


def _attachments(architecture: Architecture) -> dict[str, str]:
    """Every task at another of its places, and none at the last one if there is a choice, so that layers are cut."""
    encoder, _ = build_parts(architecture)
    found = {}
    for number, task in enumerate(architecture.tasks):
        places = attachment_places(encoder, architecture, task)
        found[task.name] = places[min(number, max(len(places) - 2, 0))].name
    return found


def _network(case: tuple[str, str]) -> FamilyNetwork:
    """A copy of its own for every test: building one takes longer than all that is tested on it."""
    return copy.deepcopy(_built(*case))


def _images(architecture: Architecture, batch: int = 2) -> Tensor:
    return torch.randn(batch, architecture.in_channels, *architecture.input_size)


def _loss(predictions: dict[str, Tensor]) -> Tensor:
    return torch.stack([(prediction - 1).square().mean() for prediction in predictions.values()]).sum()


@pytest.fixture(params=CASES, ids="-".join)
def case(request: pytest.FixtureRequest) -> tuple[str, str]:
    return request.param  # type: ignore[no-any-return]


@torch.no_grad()
def test_predictions_have_the_shapes_of_their_tasks(case: tuple[str, str]) -> None:
    network, architecture = _network(case).eval(), ARCHITECTURES[case[1]]
    found = network(_images(architecture, batch=3))
    assert tuple(found) == network.task_names == architecture.task_names
    for task in architecture.tasks:
        size = architecture.input_size if task.is_dense else ()
        assert found[task.name].shape == (3, task.num_outputs, *size)


@torch.no_grad()
def test_evaluation_is_deterministic_and_looks_at_one_image_at_a_time(case: tuple[str, str]) -> None:
    network, images = _network(case).eval(), _images(ARCHITECTURES[case[1]])
    together, again = network(images), network(images)
    for name, expected in together.items():
        assert torch.equal(again[name], expected)
        torch.testing.assert_close(network(images[1:])[name], expected[1:], rtol=1e-4, atol=1e-5)


def test_training_moves_every_parameter_and_lowers_the_loss(case: tuple[str, str]) -> None:
    network, images = _network(case).train(), _images(ARCHITECTURES[case[1]], batch=4)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    losses = []
    for _ in range(4):
        loss = _loss(network(images))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        assert [name for name, parameter in network.named_parameters() if parameter.grad is None] == []
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("family", list(FAMILIES))
@torch.no_grad()
def test_a_network_of_the_same_record_takes_the_weights(family: str) -> None:
    case = (family, "smallconv-dense")
    network, images = _network(case).eval(), _images(ARCHITECTURES[case[1]])
    for parameter in network.parameters():
        parameter.add_(0.01 * torch.randn_like(parameter))
    record, settings = json.loads(json.dumps([to_json(network.architecture), network.settings]))
    rebuilt = build_family(case[0], from_json(Architecture, record), settings).eval()
    rebuilt.load_state_dict(network.state_dict())
    expected = network(images)
    assert all(torch.equal(found, expected[name]) for name, found in rebuilt(images).items())


@torch.no_grad()
def test_mixing_parameters_are_parameters_of_the_network(case: tuple[str, str]) -> None:
    network = _network(case)
    own = {id(parameter) for parameter in network.parameters()}
    mixing = [id(parameter) for parameter in network.mixing_parameters()]
    assert len(set(mixing)) == len(mixing) < len(own)
    assert set(mixing) <= own


@pytest.mark.parametrize("name", ["smallconv", "smallconv-dense", "mobilenetv3"])
@pytest.mark.parametrize("family", list(FAMILIES))
@torch.no_grad()
def test_its_plain_network_is_the_same_function_at_the_same_cost(family: str, name: str) -> None:
    network, architecture = _network((family, name)).eval(), ARCHITECTURES[name]
    for norm in network.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.running_mean.normal_(0, 0.3)
            norm.running_var.uniform_(0.5, 1.5)
    plain, images = plain_network(network), _images(architecture)
    rebuilt = PlainNetwork.from_json(json.loads(json.dumps(plain.architecture_json())), plain.tensors())
    expected = network(images)
    for task, found, again in zip(plain.task_names, plain(images), rebuilt(images), strict=True):
        torch.testing.assert_close(found, expected[task], rtol=1e-3, atol=1e-4)
        assert torch.equal(again, found)
    shape = tuple(images.shape[1:])
    assert count_flops(plain, shape) == count_flops(network, shape)


@pytest.mark.parametrize("family", list(FAMILIES))
@torch.no_grad()
def test_torch_can_export_it_for_any_batch(family: str) -> None:
    architecture = ARCHITECTURES["smallconv-dense"]
    network = _network((family, "smallconv-dense")).eval()
    exported = torch.export.export(
        network, (_images(architecture),), dynamic_shapes=({0: torch.export.Dim("batch", min=1)},)
    ).module()
    for batch in (1, 3):
        images = _images(architecture, batch)
        found, expected = exported(images), network(images)
        for task in network.task_names:
            torch.testing.assert_close(found[task], expected[task], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("case", list(REFUSED), ids="-".join)
def test_refusals_say_why_and_what_to_do(case: tuple[str, str]) -> None:
    with pytest.raises(SpaceError, match=REFUSED[case]) as caught:
        build_family(case[0], ARCHITECTURES[case[1]])
    assert caught.value.hint


def test_unknown_families_are_refused_with_the_known_ones() -> None:
    with pytest.raises(SpaceError, match=r"'mtann' is unknown\. Choose one of single-task, hard-sharing, cross-stitch"):
        build_family("mtann", ARCHITECTURES["smallconv"])


def test_unknown_settings_are_refused_with_the_known_ones() -> None:
    with pytest.raises(SpaceError, match=r"family etr-nlp has no setting beta, width\. It has gamma"):
        build_family("etr-nlp", ARCHITECTURES["smallconv"], {"width": 1.0, "gamma": 0.5, "beta": 1})
    with pytest.raises(SpaceError, match=r"family mtan has no setting gamma\. It has none"):
        build_family("mtan", ARCHITECTURES["smallconv"], {"gamma": 0.5})


@pytest.mark.parametrize("family", list(FAMILIES))
@torch.no_grad()
def test_flops_are_those_of_the_layers(family: str) -> None:
    """Counted twice: by the counter, and by hand from the weights and the sizes they work at."""
    network = _network((family, "smallconv-dense")).eval()
    images = _images(ARCHITECTURES["smallconv-dense"], batch=1)
    by_hand = 0

    def add(layer: nn.Module, _: object, output: Tensor) -> None:
        nonlocal by_hand
        by_hand += 2 * layer.weight.numel() * output[0, 0].numel()  # type: ignore[operator, union-attr]

    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(add)
    network(images)
    assert count_flops(_network((family, "smallconv-dense")), tuple(images.shape[1:])) == by_hand
