"""PrDiMP's loss of a target filter (Danelljan et al., CVPR 2020): softmax of the scores against a density."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ltr.models.target_classifier.loss import FilterLoss


@dataclass
class KLLoss(FilterLoss):
    """D(s) = sum of w (log(sum exp s + e^r) - sum p s) over the samples: the KL divergence of the softmax from p.

    It differs from the divergence by the entropy of p, which no filter changes. With r the softmax has one more cell,
    of score r, which stands for a target that is nowhere. What the softmax is linear in is the score, so the
    Gauss-Newton curvature is the second derivative: w (diag z - z zᵀ), with z the probabilities.
    """

    density: Tensor  # p (N, H', W')
    weight: Tensor  # w (N, 1, 1)
    softmax_reg: float | None = None  # r

    def data_term(self, scores: Tensor) -> Tensor:
        likelihood = (self.density * scores).sum(dim=(1, 2), keepdim=True)
        return (self.weight * (log_partition(scores, self.softmax_reg) - likelihood)).sum()

    def score_gradient(self, scores: Tensor) -> Tensor:
        """w (z - p)."""
        return self.weight * (self.probability(scores) - self.density)

    def slope(self, scores: Tensor) -> Tensor:
        """√(w z (1 - z)): γ is the diagonal of the second derivative (docs/rls_theory.md)."""
        z = self.probability(scores)
        return (self.weight * z * (1 - z)).clamp(min=0).sqrt()

    def curvature(self, scores: Tensor, change: Tensor) -> Tensor:
        """Sum of w Δsᵀ (diag z - z zᵀ) Δs."""
        z = self.probability(scores)
        weighted = z * change
        product = change * (weighted - z * weighted.sum(dim=(1, 2), keepdim=True))
        # A variance, below zero by rounding alone.
        return (self.weight * product.sum(dim=(1, 2), keepdim=True).clamp(min=0)).sum()

    def probability(self, scores: Tensor) -> Tensor:  # (N, H', W')
        """z, the softmax over each map."""
        return map_softmax(scores, self.softmax_reg)


def map_softmax(scores: Tensor, reg: float | None = None) -> Tensor:  # (N, H, W)
    """Softmax over each map; with `reg` beside one more cell of that score, so that the sum is below 1."""
    return (scores - log_partition(scores, reg)).exp()


def log_partition(scores: Tensor, reg: float | None = None) -> Tensor:  # (N, H, W) -> (N, 1, 1)
    """Logarithm of the sum of the exponentials over each map and, with `reg`, over one more cell of that score."""
    total = scores.logsumexp(dim=(1, 2), keepdim=True)
    return total if reg is None else torch.logaddexp(total, torch.full_like(total, reg))


@dataclass(frozen=True, kw_only=True)
class LabelDensity:
    """The density p of a target's position: a Gaussian around its center, and what is done to that."""

    sigma: float  # cells
    threshold: float = 0.0  # values up to it become 0
    normalize: bool = False  # sum 1 over the map
    uniform: float = 0.0  # share of a uniform density
    shrink: float = 0.0  # part of the sum that is taken away, for a target that is nowhere

    def __call__(
        self,
        center: Tensor,  # (N, 2) y, x in cells
        size: tuple[int, int],  # H, W
    ) -> Tensor:  # (N, H, W) float32, as in PrDiMP whatever the type of the features
        along_y, along_x = (self._gauss(center[:, axis].float(), size[axis]) for axis in (0, 1))
        gauss = along_y[:, :, None] / (2 * math.pi * self.sigma**2) * along_x[:, None, :]
        gauss = torch.where(gauss > self.threshold, gauss, 0.0)
        if self.normalize:
            gauss = gauss / (gauss.sum(dim=(1, 2), keepdim=True) + 1e-8)
        return (1 - self.shrink) * ((1 - self.uniform) * gauss + self.uniform / (size[0] * size[1]))

    def _gauss(self, center: Tensor, length: int) -> Tensor:  # (N,) -> (N, L)
        cells = torch.arange(length, dtype=center.dtype, device=center.device)
        return torch.exp((cells - center[:, None]).square() * (-1 / (2 * self.sigma**2)))
