"""Pure functions on the small and large symmetric matrices of recursive least squares."""

import math

import torch
from torch import Tensor


def discounted(
    rows: Tensor,  # (b, dim), oldest first
    beta: float,
) -> Tensor:
    """Rows √βᵇ⁻ⁱ x_i, i = 1 … b: their plain sum of outer products is that of b forgetting steps, one per row."""
    if beta == 1 or rows.shape[0] == 1:
        return rows
    age = torch.arange(len(rows) - 1, -1, -1, dtype=rows.dtype, device=rows.device)
    return rows * (beta ** (age / 2))[:, None]


def downdate_(
    P: Tensor,  # (dim, dim), changed in place
    rows: Tensor,  # (b, dim)
    beta: float = 1.0,
    steps: int | None = None,  # forgetting steps: b, one before each row, by default; or 0 or 1 before all of them
) -> float:
    """Take the rows into P: Eq. 18 and 19 for b = 1, the same for b > 1 by the Woodbury identity.

        P_{n+b} = β⁻ˢ P_n − Zᵀ Z,      Z = L⁻¹ X β⁻ˢ P_n,      L Lᵀ = I + X β⁻ˢ P_n Xᵀ

    with X = discounted(rows) for s = b steps, X = rows otherwise. Returns the smallest pivot of that Cholesky
    factorization, 1 + β⁻¹ xᵀ P x for b = 1. It is at least 1 for every positive definite P. If it is not, not a
    number, or infinite, P is left as it was.
    """
    count = rows.shape[0]
    steps = count if steps is None else steps
    growth = beta**-steps
    work = torch.promote_types(P.dtype, torch.float32)
    X = discounted(rows, beta) if steps == count else rows
    gain = (X @ P).to(work)
    if growth != 1:
        gain *= growth
    gram = gain @ X.to(work).mT
    if count == 1:
        pivot = 1 + float(gram)
        factor = gain / math.sqrt(pivot) if pivot > 0 else gain
    else:
        gram.diagonal().add_(1)
        root, info = torch.linalg.cholesky_ex(gram)
        pivot = float(torch.where(info == 0, root.diagonal().min().square(), math.nan))
        factor = torch.linalg.solve_triangular(root, gain, upper=False)
    if not 1 - 4 * torch.finfo(work).eps <= pivot < math.inf:
        return pivot
    factor = factor.to(P.dtype)
    if growth != 1:
        P *= growth
    if count == 1:  # element by element, which unlike BLAS keeps P symmetric to the last bit
        P.addcmul_(factor.mT, factor, value=-1)
    else:
        P.addmm_(factor.mT, factor, alpha=-1)
        P.copy_((P + P.mT) / 2)
    return max(pivot, 1.0)


def add_ridge_(
    P: Tensor,  # (dim, dim), changed in place
    ridge: float,
) -> None:
    """P ← (P⁻¹ + ridge I)⁻¹, written as (I + ridge P)⁻¹ P, which needs no inverse of a small P."""
    wide = P.to(torch.promote_types(P.dtype, torch.float32))
    eye = torch.eye(len(P), dtype=wide.dtype, device=P.device)
    renewed = torch.linalg.solve(eye + ridge * wide, wide)
    P.copy_((renewed + renewed.mT) / 2)


def orthonormal_rows(
    rows: Tensor,  # (b, dim)
    cutoff: float,
) -> Tensor:
    """Orthonormal basis (k ≤ b, dim) of what the rows span with singular values above `cutoff`, strongest first."""
    if rows.shape[0] == 1:
        norm = float(torch.linalg.vector_norm(rows))
        return rows / norm if norm > cutoff else rows[:0]
    if rows.dtype == torch.float64:
        _, strength, directions = torch.linalg.svd(rows, full_matrices=False)
        strong: Tensor = directions[strength > cutoff]
        return strong
    wide = rows.double()  # squares of singular values need twice the digits, and no type has twice those of float64
    power, vectors = torch.linalg.eigh(wide @ wide.mT)
    strong = power > cutoff**2
    basis: Tensor = (vectors[:, strong] / power[strong].sqrt()).flip(1).mT @ wide
    return basis.to(rows.dtype)


def polished(
    basis: Tensor,  # (k, dim), nearly orthonormal
) -> Tensor:
    """One Newton–Schulz step, 3/2 Q − 1/2 Q Qᵀ Q, towards the nearest orthonormal basis; squares the defect of Q."""
    wide = basis.double()
    defect = wide @ wide.mT - torch.eye(len(wide), dtype=wide.dtype, device=wide.device)
    return basis - (defect / 2).to(basis.dtype) @ basis
