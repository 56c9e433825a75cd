"""Correlation of feature maps with a target filter, and its adjoint.

Both are one matrix product with the k*k taps of the filter and a fold (or unfold) of small maps. With a single
output channel this is several times faster on a CPU than a convolution routine, and exact.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from rls.virtual_input import score_adjoint


def apply_filter(
    feat: Tensor,  # (N, C, H, W)
    filter: Tensor,  # (1, C, k, k)
) -> Tensor:  # (N, H', W'), H' = H + 2 (k // 2) - k + 1: one cell larger than the features for an even k
    """Scores of every position: correlation of the zero-padded (k // 2) features with the filter."""
    k = filter.shape[-1]
    n, channels, height, width = feat.shape
    padding = k // 2
    taps = filter.flip(2, 3).reshape(1, channels, k * k).mT  # fold adds tap (k-1-i) where correlation wants tap i
    contributions = torch.bmm(taps.expand(n, -1, -1), feat.reshape(n, channels, height * width))  # (N, k*k, H*W)
    out_size = (height + 2 * padding - k + 1, width + 2 * padding - k + 1)
    return F.fold(contributions, out_size, k, padding=k - 1 - padding)[:, 0]


def apply_feat_transpose(
    feat: Tensor,  # (N, C, H, W)
    residual: Tensor,  # (N, H', W')
    filter_size: int,
) -> Tensor:  # (1, C, k, k)
    """Adjoint of `apply_filter` with respect to the filter: the sum over samples and positions of residual x patch."""
    return score_adjoint(feat, residual, filter_size)[None]
