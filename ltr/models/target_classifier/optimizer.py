"""Steepest descent on the target filter's loss, with what of the loss is learnt offline: DiMP's and PrDiMP's."""

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from ltr.models.layers.distance import RadialMap, distance_to_center
from ltr.models.target_classifier.kl_loss import KLLoss, LabelDensity
from ltr.models.target_classifier.loss import DiscriminativeLoss, FilterLoss
from ltr.models.target_classifier.online import (
    BatchGradientDescent,
    Optimized,
    RLSBatchGradientDescent,
    RLSSteepestDescent,
)

__all__ = [
    "BatchGradientDescent",
    "DiMPSteepestDescentGN",
    "PrDiMPSteepestDescentNewton",
    "RLSBatchGradientDescent",
    "RLSSteepestDescent",
    "SteepestDescent",
]


class SteepestDescent(nn.Module, ABC):
    """Steepest descent whose step minimizes the Gauss-Newton model of the loss along the gradient.

    Step length and regularization are learnt offline; a subclass says what the loss is.
    """

    def __init__(
        self,
        num_iter: int,
        feat_stride: int,  # pixels per cell
        init_step_length: float,
        init_filter_reg: float,
        min_filter_reg: float,
        alpha_eps: float,
    ) -> None:
        super().__init__()
        self.num_iter = num_iter
        self.feat_stride = feat_stride
        self.min_filter_reg = min_filter_reg
        self.alpha_eps = alpha_eps
        self.log_step_length = nn.Parameter(math.log(init_step_length) * torch.ones(1))
        self.filter_reg = nn.Parameter(init_filter_reg * torch.ones(1))

    @abstractmethod
    def loss(
        self,
        feat: Tensor,  # (N, C, H, W)
        bb: Tensor,  # (N, 4) target boxes xywh in crop pixels
        filter_size: int,
        sample_weight: Tensor | None = None,  # (N,), default 1/N each
    ) -> FilterLoss:
        """The loss of a filter of `filter_size` taps a side on these samples."""

    def objective(self, loss: Tensor, filter: Tensor) -> Tensor:
        """What descent lowers, up to a factor, for a value of the loss at a filter (1, C, k, k)."""
        return loss

    @property
    def reg(self) -> Tensor:
        """λ, a scalar."""
        return self.filter_reg.square().clamp(min=self.min_filter_reg**2).squeeze()

    def forward(
        self,
        weights: Tensor,  # (1, C, k, k)
        feat: Tensor,  # (N, C, H, W)
        bb: Tensor,  # (N, 4) xywh in crop pixels
        sample_weight: Tensor | None = None,  # (N,)
        num_iter: int | None = None,
        compute_losses: bool = True,
    ) -> Optimized:
        """Optimized filter, its iterates (the first is the start) and the losses before each step and at the end."""
        num_iter = self.num_iter if num_iter is None else num_iter
        loss = self.loss(feat, bb, weights.shape[-1], sample_weight)
        step_factor = self.log_step_length.exp()
        iterates, losses = [weights], []
        scores = loss.scores(weights)
        for _ in range(num_iter):
            if compute_losses:
                losses.append(loss.value(weights, scores))
            gradient = loss.gradient(weights, scores)
            score_change = loss.scores(gradient)
            squared_norm = gradient.square().sum()
            curvature = loss.curvature(scores, score_change) + (loss.reg + self.alpha_eps) * squared_norm
            step = step_factor * squared_norm / curvature.clamp(min=1e-8)
            weights = weights - step * gradient
            scores = scores - step * score_change  # the scores are linear in the filter
            iterates.append(weights)
        if compute_losses:
            losses.append(loss.value(weights, scores))
        return weights, iterates, losses

    def _targets(self, feat: Tensor, bb: Tensor, filter_size: int) -> tuple[Tensor, tuple[int, int]]:
        """The targets' centers (N, 2) y, x in cells of the score maps, and the size H', W' of these."""
        height, width = (extent + 2 * (filter_size // 2) - filter_size + 1 for extent in feat.shape[-2:])
        center = (bb[:, :2] + bb[:, 2:] / 2).flip(1) / self.feat_stride - (filter_size % 2) / 2
        return center, (height, width)


class DiMPSteepestDescentGN(SteepestDescent):
    """Steepest descent on DiMP's discriminative loss, whose maps are learnt offline.

    State-dict keys are those of the published DiMP networks.
    """

    def __init__(
        self,
        num_iter: int = 1,
        feat_stride: int = 16,  # pixels per cell
        init_step_length: float = 1.0,
        init_filter_reg: float = 1e-2,
        init_gauss_sigma: float = 1.0,  # cells
        num_dist_bins: int = 5,
        bin_displacement: float = 1.0,  # cells
        mask_init_factor: float = 4.0,
        score_act: str = "relu",
        min_filter_reg: float = 1e-3,
        mask_act: str = "sigmoid",
        alpha_eps: float = 0.0,
    ) -> None:
        if score_act != "relu" or mask_act not in ("sigmoid", "linear"):
            raise ValueError(
                f"expected score_act 'relu' and mask_act 'sigmoid' or 'linear', found '{score_act}' and '{mask_act}'"
            )
        super().__init__(num_iter, feat_stride, init_step_length, init_filter_reg, min_filter_reg, alpha_eps)
        distance = torch.arange(num_dist_bins, dtype=torch.float32) * bin_displacement
        gauss = torch.exp(-0.5 * (distance / init_gauss_sigma) ** 2)
        mask = mask_init_factor * torch.tanh(2.0 - distance)
        if mask_act == "linear":
            mask = torch.sigmoid(mask)
        activation = nn.Sigmoid() if mask_act == "sigmoid" else nn.Identity()
        self.label_map_predictor = RadialMap(gauss - gauss.min(), bin_displacement)
        self.target_mask_predictor = nn.Sequential(RadialMap(mask, bin_displacement), activation)
        self.spatial_weight_predictor = RadialMap(torch.ones(num_dist_bins), bin_displacement)

    def loss(
        self,
        feat: Tensor,  # (N, C, H, W)
        bb: Tensor,  # (N, 4) target boxes xywh in crop pixels
        filter_size: int,
        sample_weight: Tensor | None = None,  # (N,), default 1/N each
    ) -> DiscriminativeLoss:
        distance = distance_to_center(*self._targets(feat, bb, filter_size))
        return DiscriminativeLoss(
            feat,
            reg=self.reg,
            sample_weight=sample_weight,
            label=self.label_map_predictor(distance),
            mask=self.target_mask_predictor(distance),
            weight=_each(sample_weight, feat).sqrt() * self.spatial_weight_predictor(distance),
        )


class PrDiMPSteepestDescentNewton(SteepestDescent):
    """Steepest descent on PrDiMP's KL divergence; nothing but step length and regularization is learnt offline.

    As in PrDiMP, the losses count the weight decay as λ |f|², of which half is what descent lowers: see `objective`.
    State-dict keys, and the names of the attributes, are those of the published PrDiMP networks.
    """

    def __init__(
        self,
        num_iter: int = 1,
        feat_stride: int = 16,  # pixels per cell
        init_step_length: float = 1.0,
        init_filter_reg: float = 1e-2,
        gauss_sigma: float = 1.0,  # cells
        min_filter_reg: float = 1e-3,
        alpha_eps: float = 0.0,
        init_uni_weight: float | None = None,  # None: 0
        normalize_label: bool = False,
        label_shrink: float = 0.0,
        softmax_reg: float | None = None,
        label_threshold: float = 0.0,
    ) -> None:
        super().__init__(num_iter, feat_stride, init_step_length, init_filter_reg, min_filter_reg, alpha_eps)
        self.gauss_sigma = gauss_sigma
        self.uni_weight = 0.0 if init_uni_weight is None else init_uni_weight
        self.normalize_label = normalize_label
        self.label_shrink = label_shrink
        self.softmax_reg = softmax_reg
        self.label_threshold = label_threshold

    def loss(
        self,
        feat: Tensor,  # (N, C, H, W)
        bb: Tensor,  # (N, 4) target boxes xywh in crop pixels
        filter_size: int,
        sample_weight: Tensor | None = None,  # (N,), default 1/N each
    ) -> KLLoss:
        density = LabelDensity(
            sigma=self.gauss_sigma,
            threshold=self.label_threshold,
            normalize=self.normalize_label,
            uniform=self.uni_weight,
            shrink=self.label_shrink,
        )
        return KLLoss(
            feat,
            reg=self.reg,
            sample_weight=sample_weight,
            density=density(*self._targets(feat, bb, filter_size)).to(feat.dtype),
            weight=_each(sample_weight, feat),
            softmax_reg=self.softmax_reg,
        )

    def objective(self, loss: Tensor, filter: Tensor) -> Tensor:
        return loss - self.reg / 2 * filter.square().sum()


def _each(sample_weight: Tensor | None, feat: Tensor) -> Tensor:  # (N, 1, 1)
    """The weight of each sample."""
    each = feat.new_full((len(feat),), 1 / len(feat)) if sample_weight is None else sample_weight
    return each[:, None, None]
