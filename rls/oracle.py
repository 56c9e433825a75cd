"""Slow and obviously right, in float64: what the rest of the package is tested against."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F


def correlation(
    inputs: Tensor,  # (n, p), oldest first
    delta: float,
    beta: float = 1.0,
) -> Tensor:
    """Φ_n = Σ_i βⁿ⁻ⁱ x_i x_iᵀ + δ βⁿ I (Eq. 13), (p, p)."""
    X = inputs.double()
    return (X.mT * _weights(len(X), beta)) @ X + delta * beta ** len(X) * torch.eye(X.shape[1], dtype=X.dtype)


def inverse_correlation(
    inputs: Tensor,  # (n, p), oldest first
    delta: float,
    beta: float = 1.0,
) -> Tensor:
    """P_n = Φ_n⁻¹, (p, p)."""
    inverse: Tensor = torch.linalg.inv(correlation(inputs, delta, beta))
    return inverse


def recursion_step(
    P: Tensor,  # (p, p)
    x: Tensor,  # (p,)
    beta: float = 1.0,
) -> tuple[Tensor, Tensor]:
    """Gain k_n (p,) and P_n (p, p), to the letter of Eq. 18 and 19."""
    P, x = P.double(), x.double()
    k = (x @ P / beta) / (1 + x @ P @ x / beta)
    return k, P / beta - torch.outer(P @ x, k) / beta


def normal_equations(
    inputs: Tensor,  # (n, p), oldest first
    targets: Tensor,  # (n, q)
    delta: float,
    beta: float = 1.0,
    weight: Tensor | None = None,  # (q, p), what the regularizer pulls to; zero by default
) -> Tensor:
    """Batch solution W_n (q, p) of Σ_i βⁿ⁻ⁱ |W x_i − y_i|² + δ βⁿ |W − W_0|² → min (Eq. 5, 13)."""
    X, Y = inputs.double(), targets.double()
    prior = torch.zeros(Y.shape[1], X.shape[1], dtype=X.dtype) if weight is None else weight.double()
    moments = (Y.mT * _weights(len(X), beta)) @ X + delta * beta ** len(X) * prior
    solution: Tensor = torch.linalg.solve(correlation(X, delta, beta), moments.mT)
    return solution.mT


def conv_virtual_input(
    feat: Tensor,  # (N, C, H, W)
    weight_map: Tensor,  # (N, Ho, Wo)
    kernel_size: int,
    stride: int = 1,
    num_samples: int | None = None,
) -> Tensor:
    """Eq. 44 over im2col patches, one sample and one position after the other, (C * kernel_size²,)."""
    patches = F.unfold(feat.double(), kernel_size, padding=kernel_size // 2)  # (N, C * k², positions)
    columns = weight_map.shape[2]
    total = torch.zeros(patches.shape[1], dtype=torch.float64)
    positions = 0
    for row in range(0, weight_map.shape[1], stride):
        for column in range(0, columns, stride):
            positions += 1
            for sample in range(len(feat)):
                weight = weight_map[sample, row, column].double()
                total += weight * patches[sample, :, row * columns + column]
    if num_samples is None:
        num_samples = max(1, sum(bool(sample_map.any()) for sample_map in weight_map))
    return total / math.sqrt(num_samples * positions)


def _weights(count: int, beta: float) -> Tensor:
    """βⁿ⁻ⁱ for i = 1 … n."""
    weights: Tensor = beta ** torch.arange(count - 1, -1, -1, dtype=torch.float64)
    return weights
