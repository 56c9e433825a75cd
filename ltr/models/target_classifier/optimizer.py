"""Steepest descent on the target filter's loss (DiMP), with the learnt maps that define the loss."""

import math

import torch
from torch import Tensor, nn

from ltr.models.layers.distance import RadialMap, distance_to_center
from ltr.models.target_classifier.loss import DiscriminativeLoss
from ltr.models.target_classifier.online import (
    BatchGradientDescent,
    Optimized,
    RLSBatchGradientDescent,
    RLSSteepestDescent,
)

__all__ = ["BatchGradientDescent", "DiMPSteepestDescentGN", "RLSBatchGradientDescent", "RLSSteepestDescent"]


class DiMPSteepestDescentGN(nn.Module):
    """Steepest descent with the Gauss-Newton step length on a discriminative loss whose maps are learnt offline.

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
        super().__init__()
        self.num_iter = num_iter
        self.feat_stride = feat_stride
        self.min_filter_reg = min_filter_reg
        self.alpha_eps = alpha_eps
        self.log_step_length = nn.Parameter(math.log(init_step_length) * torch.ones(1))
        self.filter_reg = nn.Parameter(init_filter_reg * torch.ones(1))

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
        """The loss of a filter of `filter_size` taps a side on these samples."""
        size = tuple(extent + 2 * (filter_size // 2) - filter_size + 1 for extent in feat.shape[-2:])
        center = (bb[:, :2] + bb[:, 2:] / 2).flip(1) / self.feat_stride - (filter_size % 2) / 2
        distance = distance_to_center(center, (size[0], size[1]))
        each = feat.new_full((len(feat),), 1 / len(feat)) if sample_weight is None else sample_weight
        return DiscriminativeLoss(
            feat,
            reg=self.filter_reg.square().clamp(min=self.min_filter_reg**2).squeeze(),
            sample_weight=sample_weight,
            label=self.label_map_predictor(distance),
            mask=self.target_mask_predictor(distance),
            weight=each.sqrt()[:, None, None] * self.spatial_weight_predictor(distance),
        )

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
