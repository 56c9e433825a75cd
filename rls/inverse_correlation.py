"""The inverse correlation matrix P_n of a stream of inputs x_1, x_2, … (Eq. 13, 18, 19, 30), in two forms.

`DenseInverseCorrelation` stores P_n, `LowRankInverseCorrelation` its action on the span of the inputs: outside of that
span P_n is a multiple of the identity.
"""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from rls.base import InverseCorrelation
from rls.checks import check_at_least_one, check_choice
from rls.matrices import add_ridge_, downdate_, orthonormal_rows, polished

NOVELTY = 10.0  # a residual of less than this many rounding units of its input is rounding, not a new direction
NEGLIGIBLE = 2.0**-20  # of xᵀPx, is what leaving such a residual out may add


class DenseInverseCorrelation(InverseCorrelation):
    """P_n as a dense matrix, the paper's method: O(dim²) time and memory, any dtype.

    Symmetric always. Rounding can make it indefinite, in half precision after a few updates: an input that shows it
    (xᵀPx < 0) lifts P by the multiple of the identity that undoes the deficit, with a warning, as long as that is below
    √ε of its scale.
    """

    def __init__(
        self,
        dim: int,
        delta: float,
        beta: float = 1.0,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__(dim, delta, beta, dtype, device)
        self._matrix: Tensor
        self.reset()

    def to_dense(self) -> Tensor:
        return self._matrix.to(self.dtype, copy=True)

    def smallest_eigenvalue(self) -> float:
        return float(torch.linalg.eigvalsh(self._matrix.double())[0])

    def _rounding(self) -> float:
        return float(torch.finfo(self._storage).eps)

    def _widen_tensors(self) -> None:
        self._matrix = self._matrix.to(self._storage)

    def _moments(self) -> tuple[float, float]:
        squared = float(torch.linalg.vector_norm(self._matrix, dtype=self._work_dtype)) ** 2
        return float(self._matrix.diagonal().double().sum()), squared

    def _downdate(self, rows: Tensor, steps: int) -> float:
        return downdate_(self._matrix, rows, self.beta, steps)

    def _repairable(self) -> float:
        return math.sqrt(torch.finfo(self._storage).eps) * self.scale / 4

    def _repair(self, norm: float, pivot: float) -> bool:
        deficit = (1 - pivot) / norm**2
        if not deficit <= self._repairable():
            return False
        self._matrix.diagonal().add_(max(4 * deficit, 2 * torch.finfo(self._storage).eps * self.scale))
        return True

    def _add_ridge(self, ridge: float) -> None:
        add_ridge_(self._matrix, ridge)

    def _apply(self, G: Tensor) -> Tensor:
        if self._storage == self._work_dtype:
            return G.to(self._storage) @ self._matrix
        wide = G.double()  # rows of length 1 fit into the range of half precision
        norms = torch.linalg.vector_norm(wide.detach(), dim=1, keepdim=True).clamp_min(torch.finfo(wide.dtype).tiny)
        product: Tensor = (wide / norms).to(self._storage) @ self._matrix * norms
        return product

    def _apply_(self, weight: Tensor, bias: Tensor | None) -> None:
        product = self._apply(weight if bias is None else torch.cat((weight, bias[:, None]), dim=1))
        weight.copy_(product[:, : weight.shape[1]])
        if bias is not None:
            bias.copy_(product[:, -1])

    def _reset(self) -> None:
        self._matrix = torch.zeros(self.dim, self.dim, dtype=self._storage, device=self.device)
        self._matrix.diagonal().fill_(self.scale)

    def _tensors(self) -> dict[str, Tensor]:
        return {"matrix": self._matrix}

    def _shapes(self, state: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
        return {"matrix": (self.dim, self.dim)}

    def _load_tensors(self, state: Mapping[str, Any]) -> None:
        self._matrix = state["matrix"].to(self.device, self._storage, copy=True)


class LowRankInverseCorrelation(InverseCorrelation):
    """P_n = c I − U Uᵀ with few columns U (dim, r): O(dim r) time and memory.

    U is held in factored form. The rows of Q (r, dim) are an orthonormal basis of the inputs' span, the core M (r, r)
    is P_n in the coordinates of that basis:

        P_n = c (I − Qᵀ Q) + Qᵀ M Q = c I − Qᵀ (c I − M) Q,      U = Qᵀ (c I − M)^½

    The core obeys the same Eq. 18 and 19 as P_n and is small, so that it can afford float64: only Q carries the
    rounding of `dtype`, and errors do not pile up with the number of updates. (The column recursion
    U_n = [U_{n-1}, u_n] in float32 loses digits with every update and lets singular values of U creep above √c.) An
    input inside the span needs no new column, so there are never more than dim of them.

    Rounding of Q alone could still push an eigenvalue of P below zero where M is below ε c. Hence P is applied with
    (1 − η) c I − M in place of c I − M: the singular values of U stay strictly below √c, the smallest eigenvalue of P
    above zero. P g changes by at most η c |g|, little more than a rounding of g does. η = ε (1 + √r / 2), because the
    defects of r rows add up like a random walk: to about ε √r / 5, as measured.

    `max_rank` bounds the columns. When they are full, the half of them is kept that P knows best: the eigenvectors of
    the core with the smallest eigenvalues m_i, i.e. the largest singular values of U. (Half, for compressions to be
    rare, and the newest inputs to stay exact for long.) What the others knew, Σ (1/m_i − δ_n), is spread evenly over
    the complement of the kept span, as a larger δ_n there: P stays positive definite and the trace of Φ_n exact.
    Forgetting it instead would leave P at 1/δ in most directions after any number of inputs; measured, xᵀPx of earlier
    inputs was then up to 10⁴ times too large, a step size that diverges. Spreading keeps it within a factor of 3 for
    β = 1. The price: where no input ever pointed P is too small, up to tenfold on correlated inputs.

    Args:
        dim: length of an input.
        delta: regularizer δ > 0; P_0 = I/δ.
        beta: forgetting factor β in (0, 1], one forgetting step per input.
        max_rank: largest number of columns; None for no bound but dim.
        dtype: storage type of Q; half precision types are computed with in float32.
        device: device of P, torch's default device by default.

    Raises:
        ValueError: if a number is out of its range, or 1/δ overflows the dtype.
        TypeError: if the dtype is not a real floating-point type.
    """

    def __init__(
        self,
        dim: int,
        delta: float,
        beta: float = 1.0,
        max_rank: int | None = 256,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__(dim, delta, beta, dtype, device)
        self.max_rank = None if max_rank is None else check_at_least_one("max_rank", max_rank)
        self._bound = dim if max_rank is None else min(max_rank, dim)
        if self._bound < dim:
            self._max_block = max(1, self._bound // 2)  # what a compression frees: a block always fits
        self._rank = 0
        self._basis: Tensor
        self._core: Tensor
        self.reset()

    @property
    def rank(self) -> int:
        """Number r of columns in use."""
        return self._rank

    @property
    def basis(self) -> Tensor:
        """Q (r, dim), orthonormal rows."""
        return self._basis[: self._rank]

    @property
    def core(self) -> Tensor:
        """M (r, r), float64: P in the coordinates of the basis."""
        return self._core[: self._rank, : self._rank]

    def to_dense(self) -> Tensor:
        Q = self.basis.double()
        P = -Q.mT @ self._squared_columns() @ Q
        P.diagonal().add_(self._complement_scale())
        return ((P + P.mT) / 2).to(self.dtype)

    def smallest_eigenvalue(self) -> float:
        if self._rank == 0:
            return self.scale
        Q = self.basis.double()
        root = torch.linalg.cholesky(Q @ Q.mT)  # with it, the rounding of Q is part of the answer
        return self._complement_scale() - float(torch.linalg.eigvalsh(root.mT @ self._squared_columns() @ root)[-1])

    def _complement_scale(self) -> float:
        """c, or 0 where the basis spans the whole space: what rounding leaves outside of it is not real then."""
        return self.scale if self._rank < self.dim else 0.0

    def _eta(self, columns: int) -> float:
        return torch.finfo(self._storage).eps * (1 + math.sqrt(columns) / 2)

    def _rounding(self) -> float:
        return self._eta(self._bound)

    def _clamped_scale(self) -> float:
        """(1 − η) c, the bound of the squared singular values of U."""
        return (1 - self._eta(self._rank)) * self._complement_scale()

    def _squared_columns(self) -> Tensor:
        """(1 − η) c I − M (r, r): UᵀU in the coordinates of the basis."""
        return self._clamped_scale() * torch.eye(self._rank, dtype=torch.float64, device=self.device) - self.core

    def _apply(self, G: Tensor) -> Tensor:
        Q, G = self.basis.to(self._work_dtype), G.to(self._work_dtype)
        return torch.addmm(G, self._mixed(G @ Q.mT), Q, beta=self._complement_scale(), alpha=-1)

    def _apply_(self, weight: Tensor, bias: Tensor | None) -> None:
        basis, scale = self.basis.to(self._work_dtype), self._complement_scale()
        Q, W = basis[:, : weight.shape[1]], weight.to(self._work_dtype)
        inside = W @ Q.mT
        if bias is not None:
            b = bias.to(self._work_dtype)
            inside.addr_(b, basis[:, -1])
        mixed = self._mixed(inside)
        W.addmm_(mixed, Q, beta=scale, alpha=-1)
        if W is not weight:
            weight.copy_(W)
        if bias is not None:
            b.addmv_(mixed, basis[:, -1], beta=scale, alpha=-1)
            if b is not bias:
                bias.copy_(b)

    def _mixed(self, inside: Tensor) -> Tensor:  # (q, r) coordinates of gradients in the basis
        """Their product with (1 − η) c I − M, which is taken in float64."""
        wide = inside.double()
        return torch.addmm(wide, wide, self.core, beta=self._clamped_scale(), alpha=-1).to(inside.dtype)

    def _moments(self) -> tuple[float, float]:
        scale, outside = self._complement_scale(), self.dim - self._rank
        trace = scale * outside + float(self.core.diagonal().sum())
        return trace, scale**2 * outside + float(self.core.square().sum())

    def _downdate(self, rows: Tensor, steps: int) -> float:
        inside = self._coordinates(rows)  # may extend the core
        return downdate_(self.core, inside, self.beta, steps)

    def _coordinates(
        self,
        rows: Tensor,  # (b, dim)
    ) -> Tensor:
        """Coordinates (b, r) of the rows, in float64, once the basis has been extended by their new directions."""
        Q, rows = self.basis.to(self._work_dtype), rows.to(self._work_dtype)
        inside = rows @ Q.mT
        new = self._new_directions(rows, inside, Q)
        if new.shape[0] == 0:
            return inside.double()
        if self._rank + new.shape[0] > self._bound:
            self._compress()
            return self._coordinates(rows)
        self._append(new)
        return torch.cat((inside, rows @ new.mT), dim=1).double()

    def _new_directions(
        self,
        rows: Tensor,  # (b, dim)
        inside: Tensor,  # (b, r) coordinates of the rows in the basis
        Q: Tensor,  # (r, dim)
    ) -> Tensor:
        """Orthonormal (k, dim), orthogonal to the basis: what the rows add to its span.

        Gram–Schmidt, done twice: the first pass leaves errors along Q that are as large as a small residual, the second
        pass removes them, and what it shortens by half or more has been nothing but such errors.
        """
        if self._rank == self.dim:
            return rows[:0]
        norms = torch.linalg.vector_norm(rows, dim=1, keepdim=True).clamp_min(torch.finfo(rows.dtype).tiny)
        residual = torch.addmm(rows, inside, Q, alpha=-1) / norms
        new = orthonormal_rows(residual, self._novelty(norms))[: self.dim - self._rank]
        if new.shape[0] and self._rank:
            new = orthonormal_rows(torch.addmm(new, new @ Q.mT, Q, alpha=-1), 0.5)
        return new

    def _novelty(
        self,
        norms: Tensor,  # (b, 1)
    ) -> float:
        """Shortest residual, relative to its row, that is a new direction."""
        novelty = NOVELTY * torch.finfo(self.dtype).eps  # that of the inputs' type, though the basis be wider
        if self._storage == self.dtype:
            return novelty
        negligible = math.sqrt(NEGLIGIBLE / self.scale) / float(norms.max())
        return max(NOVELTY * torch.finfo(self._storage).eps, min(novelty, negligible))

    def _append(self, new: Tensor) -> None:
        old, rank = self._rank, self._rank + new.shape[0]
        if rank > len(self._basis):
            basis, core = self.basis, self.core
            self._allocate(min(max(2 * old, rank), self._bound))
            self._basis[:old], self._core[:old, :old] = basis, core
        self._basis[old:rank] = new
        self._core.diagonal()[old:rank] = self.scale
        self._rank = rank

    def _allocate(self, capacity: int) -> None:
        """Buffers for columns: Q in the first rows of one, M in the corner of the other, zeros in the rest of both."""
        self._basis = torch.zeros(capacity, self.dim, dtype=self._storage, device=self.device)
        self._core = torch.zeros(capacity, capacity, dtype=torch.float64, device=self.device)

    def _widen_tensors(self) -> None:
        self._basis = self._basis.to(self._storage)
        for _ in range(2):  # the defect of its rows: ε of the old type, ε², ε⁴
            self.basis.copy_(polished(self.basis))

    def _compress(self) -> None:
        """Keep the best known directions, free half of the columns, spread what the others knew over the complement."""
        kept = self._bound - self._max_block
        self._ridge += self._keep(kept) / (self.dim - kept)

    def _keep(self, count: int) -> float:
        """Rotate the basis to eigenvectors of the core and keep the `count` with the smallest eigenvalues of P.

        An eigenvalue below the rounding unit of float64 is that of a direction known too well for the digits: it counts
        as that unit. Returns Σ (1/m_i − δ_n) of the others, what P knew about them.
        """
        eigenvalues, vectors = torch.linalg.eigh(self.core)
        eigenvalues = eigenvalues.clamp_min(torch.finfo(torch.float64).eps * self.scale)
        Q = vectors[:, :count].mT.to(self._work_dtype) @ self.basis.to(self._work_dtype)
        self._rank = Q.shape[0]
        self.basis.copy_(polished(Q))
        self._basis[self._rank :] = 0
        self._core.zero_().diagonal()[: self._rank] = eigenvalues[:count]
        return float((1 / eigenvalues[count:] - self._ridge).clamp_min(0).sum())

    def _repairable(self) -> float:
        return math.inf

    def _repair(self, norm: float, pivot: float) -> bool:
        if not (self.core.isfinite().all() and self.basis.isfinite().all()):
            return False
        self._keep(self._rank)
        return True

    def _add_ridge(self, ridge: float) -> None:
        add_ridge_(self.core, ridge)

    def _reset(self) -> None:
        self._rank = 0
        self._allocate(min(32, self._bound))

    def _tensors(self) -> dict[str, Tensor]:
        return {"basis": self.basis, "core": self.core}

    def _shapes(self, state: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
        rank = len(state["basis"])
        if rank > self._bound:
            raise ValueError(f"State mismatch: expected at most {self._bound} columns, got {rank}: raise max_rank.")
        return {"basis": (rank, self.dim), "core": (rank, rank)}

    def _load_tensors(self, state: Mapping[str, Any]) -> None:
        self._rank = len(state["basis"])
        self._allocate(min(max(32, self._rank), self._bound))
        self.basis.copy_(state["basis"])
        self.core.copy_(state["core"])


def make_inverse_correlation(
    form: str,  # "dense" or "low_rank"
    dim: int,
    delta: float,
    beta: float,
    max_rank: int | None,
    dtype: torch.dtype,
    device: torch.device | str | None,
) -> InverseCorrelation:
    """P by the name of its form; `max_rank` concerns the low-rank form only."""
    if check_choice("estimator", form, ("dense", "low_rank")) == "dense":
        return DenseInverseCorrelation(dim, delta, beta, dtype, device)
    return LowRankInverseCorrelation(dim, delta, beta, max_rank, dtype, device)
