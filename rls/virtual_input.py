"""Virtual inputs: one vector that stands for a block of inputs (Eq. 25-26, 35, 44)."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from rls.checks import check_at_least_one


def linear_virtual_input(
    inputs: Tensor,  # (b, p) inputs of a linear layer
    bias: bool = False,
) -> Tensor:  # (p,), or (p + 1,) with a bias
    """Mean of a mini-batch of inputs (Eq. 26, 35); with a bias a constant 1 is appended, its input.

    Raises ValueError for any other shape or an empty batch.
    """
    if inputs.ndim != 2 or len(inputs) == 0:
        raise ValueError(f"Shape mismatch: expected inputs as (b, p) with b >= 1, got {tuple(inputs.shape)}.")
    mean = inputs.mean(dim=0)
    return torch.cat((mean, mean.new_ones(1))) if bias else mean


def conv_virtual_input(
    feat: Tensor,  # (N, C, H, W) inputs of a convolution, zero-padded by k // 2
    weight_map: Tensor,  # (N, Ho, Wo) square root of the effective weight of every output position
    kernel_size: int,
    stride: int = 1,
    num_samples: int | None = None,
) -> Tensor:  # (C k k,), flattened as (C, row, column)
    """x = 1/sqrt(N M) sum_j sum_k sqrt(gamma_jk) x_jk over samples j and output positions k (Eq. 44).

    The sum is the adjoint of the convolution applied to the weight map, so no patches x_jk are formed. `stride` s
    takes every s-th row and column of the map; M counts the positions taken. `num_samples` is N, by default the number
    of samples with any weight; samples of zero weight add nothing to the sum.
    Raises ValueError where the map does not belong to the features.
    """
    check_at_least_one("stride", stride)
    expected = (len(feat), *(extent + 2 * (kernel_size // 2) - kernel_size + 1 for extent in feat.shape[-2:]))
    if tuple(weight_map.shape) != expected:
        raise ValueError(f"Shape mismatch: expected weight_map {expected}, got {tuple(weight_map.shape)}.")
    taken = weight_map[:, ::stride, ::stride]
    if stride > 1:
        weight_map = torch.zeros_like(weight_map)
        weight_map[:, ::stride, ::stride] = taken
    if num_samples is None:
        num_samples = int(weight_map.flatten(1).any(dim=1).sum())
    normalizer = math.sqrt(max(num_samples, 1) * taken[0].numel())
    return score_adjoint(feat, weight_map, kernel_size).flatten() / normalizer


def score_adjoint(
    feat: Tensor,  # (N, C, H, W)
    score_map: Tensor,  # (N, Ho, Wo)
    kernel_size: int,
) -> Tensor:  # (C, k, k)
    """Adjoint of a single-output convolution, zero-padded by k // 2, with respect to its kernel.

    Sum over samples and positions of value times patch, as one matrix product of the features with the k * k shifted
    copies of the map: on a CPU several times faster than the weight gradient of a convolution routine.
    """
    n, channels, height, width = feat.shape
    shifted = F.unfold(score_map[:, None], kernel_size, padding=kernel_size - 1 - kernel_size // 2)  # (N, k k, H W)
    products = torch.matmul(feat.reshape(n, channels, height * width), shifted.mT)
    return products.sum(dim=0).reshape(channels, kernel_size, kernel_size).flip(1, 2)
