"""The losses of the published algorithms and their steepest descent, once more: on patches (im2col), in float64."""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


class Loss:
    """sum over samples and positions of (u (a(s) - y))^2, plus reg |f|^2, on the patches (im2col) of the samples."""

    def __init__(self, optimizer: Any, feat: Tensor, boxes: Tensor, weights: Tensor, taps: int) -> None:
        self.columns = F.unfold(feat, taps, padding=taps // 2)  # (N, C k k, L)
        distance = self._lay_out(feat.shape[-1], boxes, taps)  # (N, L)
        label, mask, spatial = (
            optimizer.label_map_predictor, optimizer.target_mask_predictor[0], optimizer.spatial_weight_predictor
        )  # fmt: skip
        self.label, self.mask = _radial(label, distance), _radial(mask, distance).sigmoid()
        self.root = weights.sqrt()[:, None] * _radial(spatial, distance)
        self.reg, self.alpha_eps = max(float(optimizer.filter_reg) ** 2, 1e-6), 0.0
        self.count = int((weights != 0).sum())

    def _lay_out(self, cells: int, boxes: Tensor, taps: int) -> Tensor:
        """Distance of every score position to the centers of boxes, in cells."""
        side = cells + 2 * (taps // 2) - taps + 1
        center = (boxes[:, :2] + boxes[:, 2:] / 2).flip(1) / 16 - (taps % 2) / 2
        at = torch.arange(side).double()
        dy, dx = at[None, :, None] - center[:, :1, None], at[None, None, :] - center[:, 1:, None]
        return (dy**2 + dx**2).sqrt().flatten(1)

    def scores(self, f: Tensor) -> Tensor:  # (C k k,) -> (N, L)
        return torch.einsum("p,npl->nl", f, self.columns)

    def slope(self, s: Tensor) -> Tensor:
        return self.root * ((1 - self.mask) / 2 * s.sign() + (1 + self.mask) / 2)

    def gradient(self, f: Tensor) -> tuple[Tensor, Tensor]:
        """Without the factor 2, and the scores."""
        s = self.scores(f)
        residual = self.root * ((1 - self.mask) / 2 * s.abs() + (1 + self.mask) / 2 * s - self.label)
        return torch.einsum("nl,npl->p", self.slope(s) * residual, self.columns) + self.reg * f, s

    def curvature(self, s: Tensor, change: Tensor) -> Tensor:
        return ((self.slope(s) * change) ** 2).sum()

    def virtual_input(self, f: Tensor, every: int) -> Tensor:  # Eq. 44
        root_gamma, columns = self.slope(self.scores(f)), self.columns
        side = math.isqrt(columns.shape[-1])
        root_gamma = root_gamma.unflatten(1, (side, side))[:, ::every, ::every].flatten(1)
        columns = columns.unflatten(2, (side, side))[:, :, ::every, ::every].flatten(2)
        return torch.einsum("nl,npl->p", root_gamma, columns) / math.sqrt(self.count * root_gamma.shape[1])


class KLLoss(Loss):
    """sum over samples of w (log sum exp s - sum p s), plus reg / 2 |f|^2, p a normalized Gaussian (PrDiMP)."""

    def __init__(self, optimizer: Any, feat: Tensor, boxes: Tensor, weights: Tensor, taps: int) -> None:
        self.columns = F.unfold(feat, taps, padding=taps // 2)
        p = torch.exp(-(self._lay_out(feat.shape[-1], boxes, taps) ** 2) / (2 * optimizer.gauss_sigma**2))
        self.density, self.weights = p / p.sum(dim=1, keepdim=True), weights[:, None]
        self.reg = max(float(optimizer.filter_reg), optimizer.min_filter_reg) ** 2
        self.alpha_eps, self.count = optimizer.alpha_eps, int((weights != 0).sum())

    def slope(self, s: Tensor) -> Tensor:
        return (self.weights * s.softmax(dim=1) * (1 - s.softmax(dim=1))).sqrt()

    def gradient(self, f: Tensor) -> tuple[Tensor, Tensor]:
        s = self.scores(f)
        residual = self.weights * (s.softmax(dim=1) - self.density)
        return torch.einsum("nl,npl->p", residual, self.columns) + self.reg * f, s

    def curvature(self, s: Tensor, change: Tensor) -> Tensor:
        z = s.softmax(dim=1)
        mean = (z * change).sum(dim=1, keepdim=True)
        return (self.weights * z * (change - mean) ** 2).sum()


def _radial(predictor: Any, distance: Tensor) -> Tensor:
    """Hat functions of the distance, the last one constant beyond its peak, weighted by the learnt bins."""
    bins = predictor.weight.flatten()
    position = distance[..., None] / predictor.bin_displacement - torch.arange(len(bins))
    hats = (1 - position.abs()).clamp(min=0)
    hats[..., -1] = (1 + position[..., -1]).clamp(0, 1)
    return hats @ bins


def steepest_descent(loss: Loss, f: Tensor, iterations: int, step_factor: float) -> Tensor:
    for _ in range(iterations):
        g, s = loss.gradient(f)
        curvature = loss.curvature(s, loss.scores(g)) + (loss.reg + loss.alpha_eps) * (g @ g)
        f = f - step_factor * (g @ g) / max(float(curvature), 1e-8) * g
    return f
