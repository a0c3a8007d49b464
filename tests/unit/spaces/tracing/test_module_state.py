"""A trial run leaves no trace in the module."""

import torch
from torch import Tensor, nn

from gatefront.spaces import Architecture, Task
from gatefront.spaces.backbones.feature_check import check_features
from gatefront.spaces.tracing.module_state import restored
from gatefront.spaces.tracing.trace import trace_network


class _Caching(nn.Module):
    """Keeps what it made for one image size, as position tables are kept."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.table, self.calls = nn.Conv2d(3, 4, 1), None, 0
        self.seen = nn.Buffer(torch.zeros(1))
        self.gain, self.cache = nn.Parameter(torch.ones(4)), {"by size": {}}

    def forward(self, images: Tensor) -> list[Tensor]:
        self.calls += 1
        self.seen = images.mean().reshape(1)
        if self.table is None:
            self.table = torch.arange(images.shape[-1]) * 0.1
        scale = self.cache["by size"].setdefault(images.shape[-1], self.gain[:, None, None] * 2.0)
        self.last = self.conv(images) * scale
        return [self.last + self.table]


def test_restored_module_has_its_state_back() -> None:
    module = _Caching()
    seen = module.seen
    with restored(module):
        module(torch.ones(1, 3, 4, 4))
        module.conv = nn.Conv2d(3, 4, 3)
    assert (module.table, module.calls, hasattr(module, "last")) == (None, 0, False)
    assert module.seen is seen
    assert module.cache == {"by size": {}}
    assert module.conv.kernel_size == (1, 1)


def test_check_features_and_trace_network_leave_no_fake_tensor_behind() -> None:
    module = _Caching()
    architecture = Architecture(
        backbone="smallconv",
        tasks=(Task(name="label", kind="classification", num_outputs=3),),
        in_channels=3,
        input_size=(4, 4),
    )
    check_features(module, architecture)
    assert module.table is None
    traced = trace_network(module, (3, 4, 4), name="module")
    assert module.table is None
    assert module.cache == {"by size": {}}
    assert any(node.target == "gain" for node in traced.graph.nodes)
    images = torch.randn(2, 3, 4, 4)
    torch.testing.assert_close(traced(images)[0], module(images)[0])
