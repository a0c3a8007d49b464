"""The gate's forward and backward pass against the formulas written out."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gatefront.spaces import ChannelGate, SpaceError, hinge_sparsity
from gatefront.spaces.gating.fused_gate import choose_and_mix


def _gate(tasks: int, channels: int, *, axis: int = 1) -> ChannelGate:
    gate = ChannelGate(tasks, channels, channel_axis=axis, initial_logit=0.0)
    torch.nn.init.normal_(gate.alpha, std=2.0)
    torch.nn.init.normal_(gate.beta)
    return gate


@given(tasks=st.integers(1, 5), channels=st.integers(1, 9), axes=st.sampled_from([2, 3, 4]), seed=st.integers(0, 99))
def test_choice_and_mix_follow_the_equations(tasks: int, channels: int, axes: int, seed: int) -> None:
    torch.manual_seed(seed)
    axis = 2 if axes == 3 else 1
    gate = _gate(tasks, channels, axis=axis)
    size = [3] * axes
    size[axis] = channels
    psi, phi = torch.randn(size), [torch.randn(size) for _ in range(tasks)]
    mix, chosen = gate(psi, phi)

    w = torch.exp(gate.beta) / torch.exp(gate.beta).sum(0)
    expected_mix = torch.zeros(size)
    for t in range(tasks):
        for c in range(channels):
            source = phi[t] if gate.alpha[t, c] >= 0 else psi
            assert torch.equal(chosen[t].select(axis, c), source.select(axis, c))
            expected_mix.select(axis, c).add_(w[t, c].detach() * source.select(axis, c))
    torch.testing.assert_close(mix, expected_mix)


def test_gradient_of_a_logit_is_the_straight_through_one() -> None:
    gate = _gate(2, 3)
    psi, phi = torch.randn(4, 3), [torch.randn(4, 3) for _ in range(2)]
    readout = torch.randn(4, 3)
    _, chosen = gate(psi, phi)
    (chosen[1] * readout).sum().backward()
    p = torch.sigmoid(gate.alpha.detach())
    expected = ((phi[1] - psi) * readout).sum(0) * p[1] * (1 - p[1])
    assert gate.alpha.grad is not None
    torch.testing.assert_close(gate.alpha.grad[1], expected)
    torch.testing.assert_close(gate.alpha.grad[0], torch.zeros(3))


@given(
    alphas=st.lists(st.lists(st.floats(-6, 6), min_size=2, max_size=2), min_size=1, max_size=4),
    tau=st.tuples(st.floats(0, 1), st.floats(0, 1)),
)
def test_hinge_is_the_printed_formula(alphas: list[list[float]], tau: tuple[float, float]) -> None:
    gates = []
    for layer, (first, second) in enumerate(alphas):
        gate = ChannelGate(2, layer + 1, channel_axis=1, initial_logit=0.0)
        with torch.no_grad():
            gate.alpha[0], gate.alpha[1] = first, second
        gates.append(gate)
    sigma = torch.sigmoid(torch.tensor(alphas, dtype=torch.float64))
    expected = sum(max(0.0, float(sigma[:, t].mean()) - tau[t]) for t in range(2)) / 2
    assert hinge_sparsity(gates, tau).item() == pytest.approx(expected, abs=1e-6)


def test_hinge_does_not_push_below_its_target() -> None:
    gate = ChannelGate(1, 4, channel_axis=1, initial_logit=-1.0)
    hinge_sparsity([gate], [0.5]).backward()
    assert gate.alpha.grad is None or not gate.alpha.grad.any()


def test_hinge_wants_one_target_per_task() -> None:
    with pytest.raises(SpaceError, match="3 tasks, found 2 targets"):
        hinge_sparsity([_gate(3, 2)], [0.1, 0.2])


@given(
    tasks=st.integers(1, 4),
    axis=st.sampled_from([1, 2]),
    mix_is_read=st.booleans(),
    read=st.lists(st.booleans(), min_size=4, max_size=4),
    seed=st.integers(0, 99),
)
def test_choice_and_mix_have_the_gradients_of_the_equations(
    tasks: int, axis: int, mix_is_read: bool, read: list[bool], seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    size = [2, 3, 3, 3] if axis == 1 else [2, 4, 3]
    shape = [1, -1, 1, 1] if axis == 1 else [1, 1, -1]

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    G, w, psi = (draw(tasks, 3) > 0).double(), draw(tasks, 3), draw(*size)
    inputs = [v.requires_grad_() for v in (G, w, psi, *(draw(*size) for _ in range(tasks)))]
    mix, chosen = choose_and_mix(G, w, psi, inputs[3:], axis)
    s = [G[t].view(shape) * inputs[3 + t] + (1 - G[t].view(shape)) * psi for t in range(tasks)]
    m = sum((w[t].view(shape) * s[t] for t in range(tasks)), torch.zeros(()))
    readers = [draw(*size) for _ in range(tasks + 1)]
    kept = [mix_is_read or not any(read[:tasks]), *read[:tasks]]
    found = [v for v, keep in zip((mix, *chosen), kept, strict=True) if keep]
    expected = [v for v, keep in zip((m, *s), kept, strict=True) if keep]
    upstream = [v for v, keep in zip(readers, kept, strict=True) if keep]
    ours = torch.autograd.grad(found, inputs, upstream, allow_unused=True, materialize_grads=True)
    theirs = torch.autograd.grad(expected, inputs, upstream, allow_unused=True, materialize_grads=True)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other)


def test_hard_concrete_gates_are_random_only_while_they_learn() -> None:
    gate = _gate(2, 200)
    gate.estimator = "hard_concrete"
    first, second = gate.sample(), gate.sample()
    assert not torch.equal(first, second)
    assert bool(((first >= 0) & (first <= 1)).all())
    assert bool((first == 0).any())
    assert bool((first == 1).any())
    hard = (gate.alpha >= 0).float()
    assert torch.equal(gate.eval().sample(), hard)
    gate.train().alpha.requires_grad_(False)
    assert torch.equal(gate.sample(), hard)


def test_hard_concrete_median_decides_as_the_hard_gate_does() -> None:
    gate = ChannelGate(1, 3, channel_axis=1, initial_logit=0.0)
    gate.estimator = "hard_concrete"
    with torch.no_grad():
        gate.alpha.copy_(torch.tensor([[-1.0, 0.5, 2.0]]))
    torch.manual_seed(0)
    median = torch.stack([gate.sample() for _ in range(2000)]).median(dim=0).values
    assert (median >= 0.5).tolist() == [[False, True, True]]


def test_hard_concrete_choice_lies_between_own_and_shared_and_has_a_gradient() -> None:
    torch.manual_seed(0)
    gate = _gate(2, 5)
    gate.estimator = "hard_concrete"
    psi, phi = torch.zeros(4, 5), [torch.ones(4, 5), torch.ones(4, 5)]
    _, chosen = gate(psi, phi)
    assert all(bool(((value >= 0) & (value <= 1)).all()) for value in chosen)
    torch.stack(list(chosen)).sum().backward()
    assert gate.alpha.grad is not None
    assert bool((gate.alpha.grad >= 0).all())
    assert bool((gate.alpha.grad > 0).any())
