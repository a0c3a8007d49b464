"""What the pruned network spends besides its layers: merged stems, mixes of live channels alone, no detours."""

import operator

import torch
from torch import Tensor, fx, nn

from gatefront.spaces import Architecture, InterroGateNetwork, Task, build_gated_network, prune_network
from gatefront.spaces.pruning.conv_merging import merge_layers

TASKS = tuple(Task(name=name, kind="classification", num_outputs=3) for name in ("a", "b", "c"))


class _Stems(nn.Module):
    """Two stems of one input; ``early`` reads one of them before they are put side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 2, 3)
        self.act = nn.ReLU()

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        one, two = self.act(self.first(images)), self.act(self.second(images))
        early = one + 1
        return torch.cat([one, two], 1), early


def _convolutions(plain: fx.GraphModule) -> list[nn.Conv2d]:
    layers = [plain.get_submodule(str(node.target)) for node in plain.graph.nodes if node.op == "call_module"]
    return [layer for layer in layers if isinstance(layer, nn.Conv2d)]


@torch.no_grad()
def test_convolutions_of_one_input_become_one() -> None:
    plain = fx.symbolic_trace(_Stems())
    images = torch.randn(2, 3, 8, 8)
    expected = plain(images)
    merge_layers(plain)
    plain.recompile()
    assert [layer.out_channels for layer in _convolutions(plain)] == [6]
    assert not any(node.target is torch.cat for node in plain.graph.nodes)
    for found, value in zip(plain(images), expected, strict=True):
        torch.testing.assert_close(found, value, rtol=1e-6, atol=1e-6)


def test_convolutions_of_another_geometry_stay_apart() -> None:
    class Apart(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(3, 2, 1)

        def forward(self, images: Tensor) -> Tensor:
            return torch.cat([self.first(images), self.second(images)], 1)

    plain = fx.symbolic_trace(Apart())
    merge_layers(plain)
    assert [layer.out_channels for layer in _convolutions(plain)] == [4, 2]


def test_convolutions_that_are_called_by_keyword_stay_as_they_are() -> None:
    class ByKeyword(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 2, 1)

        def forward(self, images: Tensor) -> Tensor:
            return torch.cat([self.first(input=images), self.second(input=images)], 1)

    plain = fx.symbolic_trace(ByKeyword())
    merge_layers(plain)
    assert [layer.out_channels for layer in _convolutions(plain)] == [4, 2]


def test_convolutions_behind_which_poolings_differ_stay_apart() -> None:
    """Their text form is the same, because torch leaves ``count_include_pad`` out of it."""

    class Pooled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 2, 3)
            self.pool, self.other = nn.AvgPool2d(3, 2, 1), nn.AvgPool2d(3, 2, 1, count_include_pad=False)

        def forward(self, images: Tensor) -> Tensor:
            return torch.cat([self.pool(self.first(images)), self.other(self.second(images))], 1)

    plain = fx.symbolic_trace(Pooled())
    images = torch.randn(2, 3, 8, 8)
    expected = plain(images)
    merge_layers(plain)
    plain.recompile()
    torch.testing.assert_close(plain(images), expected)
    assert [layer.out_channels for layer in _convolutions(plain)] == [4, 2]


def _network() -> InterroGateNetwork:
    architecture = Architecture(backbone="resnet18", tasks=TASKS, in_channels=3, input_size=(32, 32), width=0.125)
    return build_gated_network(architecture)


def _pruned_nodes(own: Tensor) -> list[fx.Node]:
    """A pruned ResNet, each of whose gates starts with the pattern ``own`` ``[tasks, 4]`` and is shut after."""
    network = _network().eval()
    pattern = tuple(torch.cat([own, own.new_zeros(3, p.shape[1] - 4)], dim=1) for p in network.gate_pattern())
    network.set_gate_pattern(pattern)
    return list(prune_network(network).body.graph.nodes)


def test_channels_that_all_tasks_share_are_not_multiplied() -> None:
    own = torch.zeros(3, 4, dtype=torch.bool)
    own[0, 1] = own[1, 1] = own[2, 2] = True
    constants = [
        node.graph.owning_module.get_buffer(str(node.args[1].target))  # type: ignore[union-attr]
        for node in _pruned_nodes(own)
        if getattr(node.target, "__name__", "") == "mul"
    ]
    assert constants
    assert all(factor.numel() == 2 for factor in constants)  # channels 1 and 2; 3 is shared by all


def test_a_mix_of_most_channels_reads_what_the_tasks_selected() -> None:
    own = torch.tensor([[1, 0, 0, 1], [0, 1, 0, 1], [0, 0, 1, 1]], dtype=torch.bool)
    network = _network().eval()
    network.set_gate_pattern(tuple(own.repeat(1, p.shape[1] // 4) for p in network.gate_pattern()))
    nodes = list(prune_network(network).body.graph.nodes)
    multiplied = [node.args[0] for node in nodes if node.target is operator.mul]
    assert len(multiplied) % len(TASKS) == 0
    assert all(any(user.op == "call_module" for user in node.users) for node in multiplied)


def test_shut_gates_leave_no_trace() -> None:
    nodes = _pruned_nodes(torch.zeros(3, 4, dtype=torch.bool))
    glue = {"mul", "narrow", "index_select", "cat"}
    assert not glue & {getattr(node.target, "__name__", "") for node in nodes}
