"""Choice and mix of one gate as a single differentiable operation, with half the passes over memory."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


def choose_and_mix(
    gates: Tensor, weights: Tensor, shared: Tensor, own: Sequence[Tensor], channel_axis: int
) -> tuple[Tensor, list[Tensor]]:
    """Choose and mix: ``psi, [phi_1 .. phi_T] -> m, [s_1 .. s_T]`` (InterroGate, Eqs. 2 and 3).

    ``s_t = G_t * phi_t + (1 - G_t) * psi`` and ``m = sum_t w_t * s_t``, with ``gates`` G in {0, 1} and ``weights`` w,
    both ``[tasks, channels]``. A shut gate gives psi itself, an open one phi_t itself.
    """
    mix, *chosen = _ChooseAndMix.apply(gates, weights, channel_axis, shared, *own)  # type: ignore[no-untyped-call]
    return mix, chosen


class _ChooseAndMix(torch.autograd.Function):
    """Choice and mix with their own backward pass.

    Autograd alone would keep and write a product and a difference per task. This pass reads existing values instead.
    """

    @staticmethod
    def forward(ctx: Any, G: Tensor, w: Tensor, axis: int, psi: Tensor, *phi: Tensor) -> tuple[Tensor, ...]:
        shape = _broadcast_shape(psi, axis)
        is_open, scale = (G > 0.5).view(len(G), *shape), w.to(psi.dtype).view(len(G), *shape)
        s = [torch.where(is_open[t], value, psi) for t, value in enumerate(phi)]
        m = s[0] * scale[0]
        for t in range(1, len(s)):
            m.addcmul_(s[t], scale[t])
        ctx.axis = axis
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(G, w, psi, *phi)
        return m, *s

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of the gates, the weights and the features.

        ``g_t = ds_t + w_t dm`` flows to phi_t where the gate is open and to psi where it is shut.
        ``dG_t = <g_t, phi_t - psi>`` and ``dw_t = <dm, s_t>`` are summed over everything but channels.
        """
        dm, *ds = gradients
        G, w, psi, *phi = ctx.saved_tensors
        shape = _broadcast_shape(psi, ctx.axis)
        gate, scale = G.to(psi.dtype).view(len(G), *shape), w.to(psi.dtype).view(len(G), *shape)
        needs_gates, needs_weights = ctx.needs_input_grad[0], ctx.needs_input_grad[1] and dm is not None
        dpsi = torch.zeros_like(psi)
        dG, dw = torch.zeros_like(G), torch.zeros_like(w)
        dphi: list[Tensor | None] = []
        dm_psi = _channel_sums(dm, psi, ctx.axis) if needs_weights else dw[0]
        for t, value in enumerate(phi):
            g = _arriving(ds[t], dm, scale[t])
            if needs_weights:
                dw[t] = torch.where(G[t] > 0.5, _channel_sums(dm, value, ctx.axis), dm_psi)
            if g is None:
                dphi.append(None)
                continue
            if needs_gates:
                dG[t] = _channel_sums(g, value, ctx.axis) - _channel_sums(g, psi, ctx.axis)
            own = g * gate[t]
            dphi.append(own)
            dpsi += g - own
        return dG if needs_gates else None, dw if needs_weights else None, None, dpsi, *dphi


def _arriving(ds: Tensor | None, dm: Tensor | None, scale: Tensor) -> Tensor | None:
    """Return ``ds_t + w_t dm``. A value that nobody read has no gradient (None)."""
    if dm is None:
        return ds
    return dm * scale if ds is None else torch.addcmul(ds, dm, scale)


def _broadcast_shape(value: Tensor, axis: int) -> list[int]:
    shape = [1] * value.dim()
    shape[axis] = -1
    return shape


def _channel_sums(x: Tensor, y: Tensor, axis: int) -> Tensor:
    others = [dim for dim in range(x.dim()) if dim != axis]
    precise = torch.promote_types(x.dtype, torch.float32)  # sums over a batch are too long for bfloat16
    return (x * y).sum(dim=others, dtype=precise)
