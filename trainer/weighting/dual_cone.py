"""Projection of gradients to the cone of directions that no task loses by."""

import numpy as np
import torch
from scipy.optimize import nnls
from torch import Tensor
from torchjd.linalg import DualConeProjector, PSDMatrix


class LeastSquaresProjector(DualConeProjector):
    """Exact projection by non-negative least squares, which needs no solver of quadratic programs beside SciPy.

    The program is ``min_v v^T G v`` with ``v >= u`` (Quinton and Rey 2024, Proposition 1). With ``G = R^T R`` and
    ``v = u + w`` it is ``min_w |R w + R u|`` with ``w >= 0``.
    """

    def __call__(self, U: Tensor, G: PSDMatrix) -> Tensor:
        """Return the weights ``[..., tasks]`` of the projections of ``J^T u``, for each u of ``U [..., tasks]``."""
        values, vectors = np.linalg.eigh(G.detach().double().cpu().numpy())
        root = np.sqrt(np.clip(values, 0.0, None))[:, None] * vectors.T
        rows = U.detach().double().cpu().numpy().reshape(-1, U.shape[-1])
        projected = np.stack([row + nnls(root, -root @ row)[0] for row in rows])
        return torch.from_numpy(projected).to(U).reshape(U.shape)
