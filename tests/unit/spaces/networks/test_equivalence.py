"""The comparison that every backbone passes before anything trains: what differs is refused, with the figure."""

import copy
import sys
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gatefront.spaces import Architecture, SpaceError, Task, UntraceableBackboneError
from gatefront.spaces.networks.encoder import build_encoder
from gatefront.spaces.networks.equivalence import calibrate_norms, randomize, require_equal

LABEL = Task(name="label", kind="classification", num_outputs=3)


class _Convolution(nn.Module):
    def __init__(self, code: Callable[[nn.Module, Tensor], Tensor]) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)
        self.gain = nn.Parameter(torch.zeros(1))
        self.code = code

    def forward(self, images: Tensor) -> list[Tensor]:
        return [self.norm(self.conv(images)) + self.gain * self.code(self, images)]


def _zero(_: nn.Module, images: Tensor) -> Tensor:
    return images.new_zeros(1)


def _one(_: nn.Module, images: Tensor) -> Tensor:
    return images.new_ones(1)


def _only_in_training(module: nn.Module, images: Tensor) -> Tensor:
    return images.new_ones(1) if module.training else images.new_zeros(1)


def _pair(code: Callable[[nn.Module, Tensor], Tensor]) -> tuple[nn.Module, nn.Module]:
    original = _Convolution(code)
    randomize(original, torch.Generator().manual_seed(0))
    rewritten = _Convolution(_zero)
    rewritten.load_state_dict(original.state_dict())
    return original, rewritten


def test_require_equal_of_equal_networks_passes_and_leaves_them_as_they_were() -> None:
    original, rewritten = _pair(_zero)
    original.train()
    rewritten.eval()
    require_equal(original, rewritten, (3, 8, 8), name="network")
    assert original.training
    assert not rewritten.training
    assert all(parameter.dtype is torch.float32 for parameter in (*original.parameters(), *rewritten.parameters()))


@pytest.mark.parametrize(("code", "mode"), [(_one, "evaluation"), (_only_in_training, "training")])
def test_require_equal_of_networks_that_differ_behind_a_gain_of_zero_is_refused(
    code: Callable[[nn.Module, Tensor], Tensor], mode: str
) -> None:
    original, rewritten = _pair(code)
    with pytest.raises(
        UntraceableBackboneError, match=f"network differs .* in {mode} mode: feature 1 of 1 by [0-9.]+ %"
    ):
        require_equal(original, rewritten, (3, 8, 8), name="network")


def test_require_equal_of_other_shapes_is_refused() -> None:
    original, _ = _pair(_zero)
    with pytest.raises(UntraceableBackboneError, match=r"gives \[3, 5, 8, 8\], not \[3, 4, 6, 6\]"):
        require_equal(original, nn.Conv2d(3, 5, 1), (3, 8, 8), name="network")


def test_require_equal_of_network_that_is_random_in_evaluation_mode_is_refused() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), _AlwaysDropping())
    with pytest.raises(UntraceableBackboneError, match="network draws random numbers in evaluation mode"):
        require_equal(module, copy.deepcopy(module), (3, 8, 8), name="network")


def test_require_equal_of_network_whose_state_evaluation_changes_is_refused() -> None:
    class Counting(nn.Conv2d):
        passes = 0

        def forward(self, images: Tensor) -> Tensor:
            self.passes += 1
            return super().forward(images) + self.passes

    module = Counting(3, 4, 1)
    with pytest.raises(
        UntraceableBackboneError, match=r"network changes its own state in evaluation mode.* only train"
    ):
        require_equal(module, copy.deepcopy(module), (3, 8, 8), name="network")


class _AlwaysDropping(nn.Module):
    def forward(self, value: Tensor) -> Tensor:
        return F.dropout(value, 0.5)


class _Mean(nn.Module):
    """Subtracts a mean that training moves; ``moves`` is what a trace would lose."""

    def __init__(self, moves: bool) -> None:
        super().__init__()
        self.conv, self.mean, self.moves = nn.Conv2d(3, 4, 3), nn.Buffer(torch.zeros(1)), moves

    def forward(self, images: Tensor) -> list[Tensor]:
        found = self.conv(images) - self.mean
        if self.training and self.moves:
            self.mean.lerp_(found.detach().mean(), 0.5)
        return [found]


def test_require_equal_of_network_whose_state_training_changes_is_refused() -> None:
    original, rewritten = _Mean(moves=True), _Mean(moves=False)
    randomize(original, torch.Generator().manual_seed(0))
    rewritten.load_state_dict(original.state_dict())
    with pytest.raises(UntraceableBackboneError, match="in evaluation mode after a step in training mode"):
        require_equal(original, rewritten, (3, 8, 8), name="network")


def test_require_equal_of_network_that_counts_images_is_refused() -> None:
    class Even(nn.Conv2d):
        def forward(self, images: Tensor) -> Tensor:
            return super().forward(images) * (2 if len(images) % 2 == 0 else 1)

    original, rewritten = Even(3, 4, 1), nn.Conv2d(3, 4, 1)
    rewritten.load_state_dict(original.state_dict())
    with pytest.raises(UntraceableBackboneError, match="for two images: feature 1 of 1 by 50 %"):
        require_equal(original, rewritten, (3, 8, 8), name="network")


@pytest.mark.parametrize(("gain", "passes"), [(1.0, True), (0.0, False), (-1.0, False)])
def test_require_equal_of_equal_features_compares_gradients(gain: float, passes: bool) -> None:
    original = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 1))
    rewritten = copy.deepcopy(original)
    original[1].register_full_backward_hook(lambda _, gradients, __: (gradients[0] * gain,))
    if passes:
        require_equal(original, rewritten, (3, 8, 8), name="network")
        return
    with pytest.raises(UntraceableBackboneError, match=r"trains otherwise .* gradient of 0\.weight differs by"):
        require_equal(original, rewritten, (3, 8, 8), name="network")


def test_require_equal_of_original_that_overwrites_what_its_backward_pass_needs_compares_features_alone() -> None:
    class Overwriting(nn.Sequential):
        def forward(self, images: Tensor) -> Tensor:
            return super().forward(images).sigmoid().mul_(2.0)

    original = Overwriting(nn.Conv2d(3, 4, 3))

    class Kept(nn.Sequential):
        def forward(self, images: Tensor) -> Tensor:
            return super().forward(images).sigmoid() * 2.0

    require_equal(original, Kept(copy.deepcopy(original[0])), (3, 8, 8), name="network")
    with pytest.raises(UntraceableBackboneError, match="its backward pass fails"):
        require_equal(original, copy.deepcopy(original), (3, 8, 8), name="network")


def test_randomize_keeps_a_table_within_its_range() -> None:
    module = nn.Module()
    module.register_buffer("indices", torch.arange(50.0))
    for seed in range(5):
        randomize(module, torch.Generator().manual_seed(seed))
        assert float(module.indices.min()) >= 0  # type: ignore[operator, arg-type]
        assert float(module.indices.max()) <= 49  # type: ignore[operator, arg-type]


def test_randomize_moves_every_value_and_keeps_variances_positive() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2))
    before = {key: value.clone() for key, value in module.state_dict().items()}
    randomize(module, torch.Generator().manual_seed(0))
    for key, value in module.state_dict().items():
        if value.is_floating_point():
            assert (value != before[key]).all(), key
            assert value.isfinite().all()
        else:
            assert torch.equal(value, before[key])
    assert (module[1].running_var > 0.5).all()  # type: ignore[operator]


class Alternating(nn.Module):
    """A backbone whose forward pass changes its state, so that no graph can hold it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.calls = nn.Conv2d(3, 4, 3), 0

    def forward(self, images: Tensor) -> Tensor:
        self.calls += 1
        return self.conv(images) * self.calls


class FunctionalDropout(nn.Module):
    """Drops values in training by a function, whose mode a trace would fix."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, images: Tensor) -> Tensor:
        return F.dropout(self.conv(images), 0.5, training=self.training)


class EvaluationOnly(nn.Module):
    """Works in one of the two modes alone."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, images: Tensor) -> Tensor:
        if self.training:
            raise RuntimeError("this network is for inference")
        return self.conv(images)  # type: ignore[no-any-return]


@pytest.fixture
def user_module(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setitem(sys.modules, "mynets_here", sys.modules[__name__])
    return "mynets_here"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "Alternating",
            r"'mynets_here:Alternating' differs from the module itself in .* no state that a forward pass changes",
        ),
        ("EvaluationOnly", r"fails on 3 random images in training or evaluation mode: this network is for inference"),
        ("FunctionalDropout", r"in training mode: feature 1 of 1 by .*\(nn\.Dropout, not F\.dropout"),
    ],
)
def test_build_encoder_of_backbone_that_no_graph_can_hold_is_refused(name: str, message: str, user_module: str) -> None:
    architecture = Architecture(
        backbone=f"{user_module}:{name}", tasks=(LABEL,), in_channels=3, input_size=(8, 8), decoder_width=4
    )
    for _ in range(2):  # a refusal is not forgotten
        with pytest.raises(SpaceError, match=message):
            build_encoder(architecture)


@torch.no_grad()
def test_calibrate_norms_keeps_values_of_a_deep_random_network_near_one() -> None:
    layers = [layer for _ in range(12) for layer in (nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())]
    module = nn.Sequential(nn.Conv2d(3, 8, 1), *layers).eval()
    generator = torch.Generator().manual_seed(0)
    randomize(module, generator)
    momentum = module[2].momentum
    images = torch.randn(4, 3, 8, 8, generator=generator)
    calibrate_norms(module, images, generator)
    assert 0.1 < float(module(images).std()) < 10
    assert module[2].momentum == momentum
    assert not module.training
