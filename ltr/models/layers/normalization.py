"""Normalization of feature maps."""

import numpy as np
import torch
from torch import Tensor, nn


class InstanceL2Norm(nn.Module):
    """Scales each map (C, H, W) as a whole to a fixed L2 norm.

    With `size_average` the mean square of the elements becomes scale^2, so that the norm does not depend on the size of
    the map; without it the norm itself becomes `scale`.
    """

    def __init__(self, size_average: bool = True, eps: float = 1e-5, scale: float = 1.0) -> None:
        super().__init__()
        self.size_average = size_average
        self.eps = eps
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:  # (N, C, H, W)
        exact = x.to(torch.promote_types(x.dtype, torch.float32))  # a sum of squares overflows in float16
        return (exact * self.factor(exact)).to(x.dtype)

    def factor(self, x: Tensor) -> Tensor:  # (N, C, H, W) -> (N, 1, 1, 1)
        """What each map, in float32 or float64, is multiplied by."""
        square = x.square().sum(dim=(1, 2, 3), keepdim=True)
        factor: Tensor = (self._target(x.shape[1:].numel()) / (square + self.eps)) ** 0.5
        return factor

    def host_factor(self, square: np.floating, count: int) -> np.floating:
        """The same for one map of `count` elements, from their sum of squares, on the host."""
        factor: np.floating = (self._target(count) / (square + self.eps)) ** 0.5
        return factor

    def _target(self, count: int) -> float:
        """The sum of squares that a map of so many elements gets."""
        return self.scale**2 * (count if self.size_average else 1)

    def extra_repr(self) -> str:
        return f"size_average={self.size_average}, eps={self.eps}, scale={self.scale:.4g}"
