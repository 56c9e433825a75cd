"""The loss that a target filter is learnt with.

L(f) = D(s) + λ |f|², s = X * f: a data term of the scores, and weight decay. A loss says what its data term, the
gradient and the Gauss-Newton curvature of that in the scores are; what follows for the filter is here once.

Descent minimizes O(s) + λ/2 |f|², where O is D/2 for a sum of squares, so that its gradient has no factor 2 (paper,
DiMP), and D for a KL divergence (PrDiMP).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from ltr.models.layers.activation import leaky_relu_par, leaky_relu_par_derivative
from ltr.models.layers.filter import apply_feat_transpose, apply_filter
from rls.virtual_input import conv_virtual_inputs_and_adjoint


@dataclass
class FilterLoss(ABC):
    """Loss of a filter f (1, C, k, k) on samples with features X."""

    feat: Tensor  # X (N, C, H, W)
    reg: Tensor  # λ, a scalar
    sample_weight: Tensor | None  # (N,); None: all samples have the same

    @abstractmethod
    def data_term(self, scores: Tensor) -> Tensor:  # (N, H', W') -> scalar
        """D(s)."""

    @abstractmethod
    def score_gradient(self, scores: Tensor) -> Tensor:  # (N, H', W')
        """Gradient of O in the scores."""

    @abstractmethod
    def slope(self, scores: Tensor) -> Tensor:  # (N, H', W')
        """√γ, the root of the effective weight of each position (Eq. 36-44): γ is the diagonal of O's curvature."""

    @abstractmethod
    def curvature(self, scores: Tensor, change: Tensor) -> Tensor:  # (N, H', W') each -> scalar
        """The Gauss-Newton form of the second derivative of O along a change Δs of the scores, not below 0."""

    def scores(self, filter: Tensor) -> Tensor:  # (1, C, k, k) -> (N, H', W')
        """s = X * f."""
        return apply_filter(self.feat, filter)

    def value(self, filter: Tensor, scores: Tensor) -> Tensor:
        """L(f)."""
        return self.data_term(scores) + self.reg * filter.square().sum()

    def gradient(self, filter: Tensor, scores: Tensor) -> Tensor:  # (1, C, k, k)
        """Gradient of what descent minimizes: X^T applied to that of the scores, and λ f."""
        return apply_feat_transpose(self.feat, self.score_gradient(scores), filter.shape[-1]) + self.reg * filter

    def gradient_and_virtual_inputs(
        self,
        filter: Tensor,  # (1, C, k, k)
        scores: Tensor,  # (N, H', W')
        stride: int = 1,
        signs: Tensor | None = None,  # (n - 1, N, H', W')
    ) -> tuple[Tensor, Tensor]:  # (1, C, k, k), (n, C * k * k)
        """The gradient, and the virtual input of these samples (Eq. 44) from every `stride`-th score position.

        With signs, more rows follow the virtual input, which sketch how the samples scatter
        (`conv_virtual_inputs_and_adjoint`). All are sums over the features, which are read once.
        """
        maps = (self.slope(scores), self.score_gradient(scores))
        virtual_inputs, adjoint = conv_virtual_inputs_and_adjoint(
            self.feat, *maps, filter.shape[-1], stride, self._num_samples(), signs
        )
        return adjoint[None] + self.reg * filter, virtual_inputs

    def _num_samples(self) -> Tensor | int:
        """Number of samples that have a weight, left on the device."""
        return len(self.feat) if self.sample_weight is None else torch.count_nonzero(self.sample_weight)


@dataclass
class DiscriminativeLoss(FilterLoss):
    """DiMP's: D(s) = 2 O(s) = sum (u (a(s) - y))² over samples and positions."""

    label: Tensor  # y (N, H', W')
    mask: Tensor  # m (N, H', W') of the activation a
    weight: Tensor  # u (N, H', W'): root of the sample weight times the spatial weight

    def data_term(self, scores: Tensor) -> Tensor:
        return self._residual(scores).square().sum()

    def score_gradient(self, scores: Tensor) -> Tensor:
        return self.slope(scores) * self._residual(scores)

    def slope(self, scores: Tensor) -> Tensor:
        """u a'(s)."""
        return self.weight * leaky_relu_par_derivative(scores, self.mask)

    def curvature(self, scores: Tensor, change: Tensor) -> Tensor:
        return (self.slope(scores) * change).square().sum()

    def _residual(self, scores: Tensor) -> Tensor:
        return self.weight * (leaky_relu_par(scores, self.mask) - self.label)
