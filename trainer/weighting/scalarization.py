"""Weightings that sum the losses with changing weights: one backward pass per step for any number of tasks.

Formulas and their public implementations are in docs/weightings.md. TorchJD's implementations are used where they
exist.
"""

import torch
from torch import Tensor
from torchjd.scalarization import DWA, IMTLL, STCH, UW, GeometricMean, Random

from gatefront.trainer.weighting.weighting import TrainingStep, Weighting

DWA_TEMPERATURE = 2.0
"""Temperature of DWA in Liu et al. 2019 and in every public implementation."""

STCH_MU = 0.1
"""Smoothing of the maximum in STCH; Lin et al. 2024 try 0.01 to 1 and find small ones well suited."""

UW_SO_TEMPERATURE = 20.0
"""Temperature of UW-SO, from the range that Kirchdorfer et al. 2024 tune it in."""


class RandomWeighting(Weighting):
    """RLW (Lin et al. 2022): ``sum_t w_t l_t`` with ``w = T softmax(N(0, I))``, drawn anew at every step.

    The factor T, which the paper lacks, keeps the losses' scale beside a sparsity term.
    """

    def __init__(self) -> None:
        super().__init__()
        self._sum = Random()

    def backward(self, step: TrainingStep) -> None:
        _backward(len(step.losses) * self._sum(step.values))


class UncertaintyWeighting(Weighting):
    """Kendall et al. 2018: ``sum_t exp(-s_t) l_t / 2 + s_t / 2``, with s learned by the network's optimizer from 0."""

    def __init__(self, num_tasks: int) -> None:
        super().__init__()
        self._sum = UW(num_tasks)

    def backward(self, step: TrainingStep) -> None:
        _backward(self._sum(step.values))


class ImpartialLosses(Weighting):
    """IMTL-L (Liu et al. 2021): ``sum_t exp(s_t) l_t - s_t``, with s learned by the network's optimizer from 0."""

    def __init__(self, num_tasks: int) -> None:
        super().__init__()
        self._sum = IMTLL(num_tasks)

    def backward(self, step: TrainingStep) -> None:
        _backward(self._sum(step.values))


class SmoothTchebycheff(Weighting):
    """STCH (Lin et al. 2024): ``T mu log sum_t exp(l_t / (T mu))``, a smooth maximum of the losses.

    The factor T keeps the losses' scale. A task without labels in a batch is left out.
    """

    def __init__(self) -> None:
        super().__init__()
        self._maximum = STCH(STCH_MU)

    def backward(self, step: TrainingStep) -> None:
        present = step.values[step.values.detach() > 0]
        if len(present) > 0:
            _backward(len(present) * self._maximum(present))


class GeometricLosses(Weighting):
    """GLS (Chennupati et al. 2019): T times the geometric mean of the losses, so that relative changes count.

    The factor T keeps the losses' scale. A task without labels in a batch is left out.
    """

    def __init__(self) -> None:
        super().__init__()
        self._mean = GeometricMean()

    def backward(self, step: TrainingStep) -> None:
        present = step.values[step.values.detach() > 0]
        if len(present) > 0:
            _backward(len(present) * self._mean(present))


class AnalyticUncertainty(Weighting):
    """UW-SO (Kirchdorfer et al. 2024, arXiv 2408.07985): ``sum_t w_t l_t`` with ``w = T softmax(1 / (20 l))``.

    These are the weights that uncertainty weighting would learn, in closed form and normalized. They are constants in
    the backward pass. The factor T, which the paper lacks, keeps the losses' scale. A task without labels in a batch
    is left out.
    """

    def backward(self, step: TrainingStep) -> None:
        present = step.values[step.values.detach() > 0]
        if len(present) > 0:
            weights = torch.softmax(1 / (UW_SO_TEMPERATURE * present.detach()), dim=0)
            _backward(len(present) * (weights * present).sum())


class DynamicWeightAverage(Weighting):
    """DWA (Liu et al. 2019): ``w = T softmax(r / 2)``, r_t a task's mean loss of the last epoch over that before.

    In the first two epochs all weights are 1.
    """

    _means: Tensor
    _num_epochs: Tensor

    def __init__(self, num_tasks: int) -> None:
        super().__init__()
        self._sum = DWA(DWA_TEMPERATURE)
        self.register_buffer("_means", torch.zeros(2, num_tasks))
        self.register_buffer("_num_epochs", torch.zeros((), dtype=torch.long))
        self.register_load_state_dict_post_hook(_replay)  # type: ignore[no-untyped-call]
        self._total = torch.zeros(num_tasks)
        self._num_steps = 0

    def backward(self, step: TrainingStep) -> None:
        _backward(self._sum(step.values))
        self._total = self._total.to(step.losses[0].device) + step.values.detach()
        self._num_steps += 1

    def end_epoch(self) -> None:
        self._sum.step()
        self._means = torch.stack([self._means[1], (self._total / self._num_steps).to(self._means.device)])
        self._num_epochs += 1
        self._total = torch.zeros_like(self._total)
        self._num_steps = 0

    def replay(self) -> None:
        """Bring TorchJD's scalarizer to the state of the buffers. It accepts losses, but no state."""
        self._sum.reset()
        for mean in self._means[2 - min(int(self._num_epochs), 2) :]:
            self._sum(mean)
            self._sum.step()


def _replay(module: DynamicWeightAverage, _incompatible_keys: object) -> None:
    module.replay()


def fill_absent(values: Tensor) -> Tensor:
    """Return the losses with the mean of the others, detached, in place of those without any label, which are 0."""
    present = values.detach() > 0
    mean = values.detach()[present].mean() if bool(present.any()) else torch.ones((), device=values.device)
    return torch.where(present, values, mean)


def _backward(total: Tensor) -> None:
    total.backward()  # type: ignore[no-untyped-call]
