"""The channel axis of opaque operations: never an axis of the image, never the batch."""

import torch
from torch import Tensor, fx, nn

from gatefront.spaces.graph.channel_rules import ChannelRule, num_channels
from gatefront.spaces.networks.lifting import find_sites
from gatefront.spaces.pruning.prune import tidy
from gatefront.spaces.tracing.trace import trace_network


class _ChannelsLast(nn.Module):
    """Works on ``[b, h, w, c]`` with an operation that no rule covers, as many transformers do."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.linear = nn.Conv2d(3, 8, 2, 2), nn.Linear(8, 8)

    def forward(self, images: Tensor) -> list[Tensor]:
        x = self.embed(images).permute(0, 2, 3, 1)
        x = self.linear(x).cumsum(dim=3)
        return [torch.softmax(x, dim=-1).permute(0, 3, 1, 2)]


class _BatchLast(nn.Module):
    """Folds the batch into another axis for a while."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(3, 8, 1), nn.Conv2d(8, 4, 1)

    def forward(self, images: Tensor) -> list[Tensor]:
        x = self.first(images)
        columns = x.permute(1, 0, 2, 3).cumsum(dim=0)
        return [self.last(columns.permute(1, 0, 2, 3))]


def test_opaque_operation_on_maps_with_channels_last_is_gated_by_channel() -> None:
    traced = trace_network(_ChannelsLast(), (3, 12, 10), name="module")
    opaque = [node for node in traced.graph.nodes if node.meta["rule"] is ChannelRule.OPAQUE]
    assert [(node.meta["channel_axis"], num_channels(node)) for node in opaque] == [(3, 8), (3, 8)]
    assert [site.num_channels for site in find_sites(traced).sites] == [8, 8]


def test_opaque_operation_takes_no_batch_axis_for_channels() -> None:
    traced = trace_network(_BatchLast(), (3, 6, 6), name="module")
    for node in traced.graph.nodes:
        axis = node.meta["channel_axis"]
        if axis is not None:
            assert len({shape[axis] for shape in node.meta["batched_shapes"]}) == 1
    assert all(site.num_channels in (8, 4) for site in find_sites(traced).sites)


def test_tidy_drops_tensors_that_nothing_reads() -> None:
    root, graph = nn.Module(), fx.Graph()
    root.register_buffer("read", torch.ones(1))
    root.register_buffer("unread", torch.ones(1))
    root.register_parameter("unread_weight", nn.Parameter(torch.ones(1)))
    images = graph.placeholder("images")
    graph.get_attr("unread")
    graph.get_attr("unread_weight")
    graph.output((graph.call_function(torch.add, (images, graph.get_attr("read"))),))
    plain = fx.GraphModule(root, graph)
    tidy(plain)
    assert list(plain.state_dict()) == ["read"]


@fx.wrap
def relu(value: Tensor) -> Tensor:
    """Has the name of a function of torch's and moves channels."""
    return value.flip(1)


class _Strange(nn.LayerNorm):
    """A layer norm by its type alone, which cannot be traced into."""

    def forward(self, value: Tensor) -> Tensor:
        if not type(value).__name__.endswith("Tensor"):
            raise RuntimeError("a tensor is wanted")
        return super().forward(value).flip(-1)


class _Norms(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.last = nn.Conv2d(3, 8, 2, 2), nn.Conv2d(8, 8, 1)
        self.strange, self.rows, self.maps = _Strange(8), nn.LayerNorm(5), nn.LayerNorm((8, 6, 5))

    def forward(self, images: Tensor) -> list[Tensor]:
        x = relu(self.embed(images))
        x = self.strange(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return [self.maps(self.rows(self.last(x).detach()))]


def test_operation_that_only_looks_like_one_of_torch_is_opaque() -> None:
    traced = trace_network(_Norms(), (3, 12, 10), name="module")
    found = {node.name: (node.meta["rule"], node.meta["channel_axis"]) for node in traced.graph.nodes}
    assert found["relu"] == (ChannelRule.OPAQUE, 1)
    assert found["strange"] == (ChannelRule.OPAQUE, 3)
    assert found["rows"] == (ChannelRule.OPAQUE, 1)
    assert found["maps"] == (ChannelRule.OPAQUE, 1)
    assert found["detach"] == (ChannelRule.CHANNEL_WISE, 1)


class _Contracted(nn.Module):
    """Gives a feature whose axes come of an operation that no rule follows."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.weight = nn.Conv2d(3, 8, 2, 2), nn.Parameter(torch.randn(8, 4))

    def forward(self, images: Tensor) -> list[Tensor]:
        contracted = torch.tensordot(self.embed(images), self.weight, dims=([1], [0]))
        return [contracted.permute(0, 3, 1, 2), contracted.permute(0, 3, 1, 2).relu()]


def test_feature_behind_an_operation_that_no_rule_follows_has_its_channels_on_axis_1() -> None:
    traced = trace_network(_Contracted(), (3, 12, 10), name="module")
    output = next(node for node in reversed(traced.graph.nodes) if node.op == "output")
    assert [node.meta["channel_axis"] for node in output.args[0]] == [1, 1]
