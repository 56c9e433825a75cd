"""Normalization of feature maps."""

from typing import Any

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
        factor: Tensor = self.factor_of(x.square().sum(dim=(1, 2, 3), keepdim=True), x.shape[1:].numel())
        return factor

    def factor_of(self, square: Any, count: int) -> Any:
        """The same from sums of squares, in an array of numpy or a tensor, and the number of elements of a map."""
        target = self.scale**2 * (count if self.size_average else 1)
        return (target / (square + self.eps)) ** 0.5

    def extra_repr(self) -> str:
        return f"size_average={self.size_average}, eps={self.eps}, scale={self.scale:.4g}"
