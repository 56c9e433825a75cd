"""Streams of inputs for the tests: the kinds that a tracker meets, and the kind that no low-rank form can hold."""

import torch
from torch import Tensor


def drifting(count: int, dim: int, step: float = 0.05, seed: int = 0) -> Tensor:
    """(count, dim) float32: a stationary random walk, neighbors have the correlation (1 + step²)^-½."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(dim, generator=generator)
    rows = []
    for _ in range(count):
        x = (x + step * torch.randn(dim, generator=generator)) / (1 + step**2) ** 0.5
        rows.append(x)
    return torch.stack(rows)


def independent(count: int, dim: int, seed: int = 0) -> Tensor:
    """(count, dim) float32 without any correlation."""
    return torch.randn(count, dim, generator=torch.Generator().manual_seed(seed))


STREAMS = {"drifting": drifting, "independent": independent}
