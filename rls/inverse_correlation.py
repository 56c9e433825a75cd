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
from rls.matrices import add_ridge_, downdate_, guarded_downdate_, orthonormal_rows, polished, unit_row

NOVELTY = 10.0  # a residual of less than this many rounding units of its input is rounding, not a new direction


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
        self._matrix = torch.empty(dim, dim, dtype=dtype, device=self.device)
        self._reset()

    def to_dense(self) -> Tensor:
        self.settle()
        return self._matrix.clone()

    def smallest_eigenvalue(self) -> float:
        self.settle()
        return float(torch.linalg.eigvalsh(self._matrix.double())[0])

    def _moments(self) -> tuple[float, float]:
        return float(self._matrix.diagonal().double().sum()), self._norm(self._matrix) ** 2

    def _downdate(self, rows: Tensor, steps: int) -> float:
        return downdate_(self._matrix, rows, self.beta, steps)

    def _begin_unread(self) -> bool:
        return True

    def _downdate_unread(self, row: Tensor) -> list[Tensor]:
        return list(guarded_downdate_(self._matrix, row, self.beta, 1))

    def _end_unread(self) -> None:
        """The host knows all there is to know."""

    def _places(self) -> list[Tensor]:
        return [self._matrix]

    def _settle(self, numbers: list[float]) -> None:
        """P has no shape that depends on an update."""

    def _repair(self, row: Tensor, pivot: float) -> bool:
        eps = torch.finfo(self.dtype).eps
        deficit = (1 - pivot) / self._norm(row) ** 2
        lift = max(4 * deficit, 2 * eps * self.scale)
        if not lift <= math.sqrt(eps) * self.scale:
            return False
        self._matrix.diagonal().add_(lift)
        return True

    def _add_ridge(self, ridge: float) -> None:
        add_ridge_(self._matrix, ridge)

    def _apply(self, G: Tensor) -> Tensor:
        return G.to(self.dtype) @ self._matrix

    def _reset(self) -> None:
        self._matrix.zero_().diagonal().fill_(self.scale)

    def _tensors(self) -> dict[str, Tensor]:
        return {"matrix": self._matrix.clone()}

    def _load_tensors(self, state: Mapping[str, Any]) -> None:
        self._matrix.copy_(state["matrix"])


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

    On a CUDA device all shapes stay the same: columns that are not in use are zeros, and take part in every product. An
    update by one row that may have to compress, because all columns are in use, reads whether its direction is new. Any
    other gets a column, of zeros where the direction is not new, which the next update takes over.

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
        self._rank = 0
        self._doubtful = 0  # of these columns, the last ones that may be zero: 1 between an update and `settle`
        self.max_rank = None if max_rank is None else check_at_least_one("max_rank", max_rank)
        self._bound = dim if max_rank is None else min(max_rank, dim)
        self._basis = torch.empty(0, dim, dtype=dtype, device=self.device)
        self._core = torch.empty(0, 0, dtype=torch.float64, device=self.device)
        self._slot = torch.zeros(1, dtype=torch.long, device=self.device)  # of the column of an update without reads
        self._takes_slot = False
        if self._bound < dim:
            self._max_block = max(1, self._bound // 2)  # what a compression frees: a block always fits
        self._reset()

    @property
    def rank(self) -> int:
        """Number r of columns in use."""
        self.settle()
        return self._rank

    @property
    def basis(self) -> Tensor:
        """Q (r, dim), orthonormal rows."""
        self.settle()
        return self._basis[: self._rank]

    @property
    def core(self) -> Tensor:
        """M (r, r), float64: P in the coordinates of the basis."""
        self.settle()
        return self._core[: self._rank, : self._rank]

    def to_dense(self) -> Tensor:
        Q = self.basis.double()
        P = -Q.mT @ self._squared_columns() @ Q
        P.diagonal().add_(self._complement_scale())
        return ((P + P.mT) / 2).to(self.dtype)

    def smallest_eigenvalue(self) -> float:
        self.settle()
        if self._rank == 0:
            return self.scale
        Q = self.basis.double()
        root = torch.linalg.cholesky(Q @ Q.mT)  # with it, the rounding of Q is part of the answer
        return self._complement_scale() - float(torch.linalg.eigvalsh(root.mT @ self._squared_columns() @ root)[-1])

    @property
    def _columns(self) -> int:
        """Number of columns that products run over."""
        return self._rank if self._reads_are_free else len(self._basis)

    def _complement_scale(self) -> float:
        """c, or 0 where the basis spans the whole space: what rounding leaves outside of it is not real then."""
        return self.scale if self._rank - self._doubtful < self.dim else 0.0

    def _clamped_scale(self) -> float:
        """(1 − η) c, the bound of the squared singular values of U."""
        eta = torch.finfo(self.dtype).eps * (1 + math.sqrt(self._columns) / 2)
        return (1 - eta) * self._complement_scale()

    def _squared_columns(self) -> Tensor:
        """(1 − η) c I − M (r, r): UᵀU in the coordinates of the basis."""
        return self._clamped_scale() * torch.eye(self._rank, dtype=torch.float64, device=self.device) - self.core

    def _apply(self, G: Tensor) -> Tensor:
        Q, G = self._rows_in_use(), G.to(self._work_dtype)
        return torch.addmm(G, self._mixed(G @ Q.mT), Q, beta=self._complement_scale(), alpha=-1)

    def _apply_(self, weight: Tensor, bias: Tensor | None) -> None:
        if weight.dtype != self._work_dtype or (bias is not None and bias.dtype != self._work_dtype):
            super()._apply_(weight, bias)
            return
        basis, scale = self._rows_in_use(), self._complement_scale()
        Q = basis[:, : weight.shape[1]]
        inside = weight @ Q.mT
        if bias is not None:
            inside.addr_(bias, basis[:, -1])
        mixed = self._mixed(inside)
        weight.addmm_(mixed, Q, beta=scale, alpha=-1)
        if bias is not None:
            bias.addmv_(mixed, basis[:, -1], beta=scale, alpha=-1)

    def _rows_in_use(self) -> Tensor:
        """Q (r, dim) with the columns that products run over: nothing is read."""
        return self._basis[: self._columns].to(self._work_dtype)

    def _mixed(self, inside: Tensor) -> Tensor:  # (q, r) coordinates of gradients in the basis
        """Their product with (1 − η) c I − M, which is taken in float64."""
        wide, core = inside.double(), self._core[: self._columns, : self._columns]
        return torch.addmm(wide, wide, core, beta=self._clamped_scale(), alpha=-1).to(inside.dtype)

    def _moments(self) -> tuple[float, float]:
        scale, outside = self._complement_scale(), self.dim - self._rank
        trace = scale * outside + float(self.core.diagonal().sum())
        return trace, scale**2 * outside + float(self.core.square().sum())

    def _downdate(self, rows: Tensor, steps: int) -> float:
        inside = self._coordinates(rows)  # may extend the core
        return downdate_(self.core, inside, self.beta, steps)

    def _begin_unread(self) -> bool:
        self._takes_slot = self._rank < self._bound  # else it is of the whole space, or to be compressed if it is new
        if self._takes_slot:
            self._reserve(self._rank + 1)
            self._slot.fill_(self._rank)
        return self._takes_slot

    def _downdate_unread(self, row: Tensor) -> list[Tensor]:
        if not self._takes_slot:
            inside = self._coordinates(row)
            return list(guarded_downdate_(self.core, inside, self.beta, 1))
        Q, wide = self._rows_in_use(), row.to(self._work_dtype)
        inside = wide @ Q.mT
        new, is_new = self._new_direction(wide, inside, Q)
        self._basis.index_copy_(0, self._slot, new.to(self.dtype))
        self._core.diagonal().index_copy_(0, self._slot, self._core.new_full((1,), self.scale))
        coordinates = inside.index_copy(1, self._slot, wide @ new.mT).double()
        return [*guarded_downdate_(self._core, coordinates, self.beta, 1), is_new]

    def _end_unread(self) -> None:
        if self._takes_slot:
            self._rank += 1
            self._doubtful = 1

    def _places(self) -> list[Tensor]:
        return [self._basis, self._core, self._slot]

    def _settle(self, numbers: list[float]) -> None:
        if self._doubtful:
            self._doubtful = 0
            if numbers[0] == 0:  # a column of zeros, whose zero coordinates have left zeros around it in the core
                self._rank -= 1

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
        new = orthonormal_rows(residual, NOVELTY * torch.finfo(self.dtype).eps)[: self.dim - self._rank]
        if new.shape[0] and self._rank:
            new = orthonormal_rows(torch.addmm(new, new @ Q.mT, Q, alpha=-1), 0.5)
        return new

    def _new_direction(
        self,
        row: Tensor,  # (1, dim)
        inside: Tensor,  # (1, r)
        Q: Tensor,  # (r, dim)
    ) -> tuple[Tensor, Tensor]:
        """`_new_directions` of one row without a host read: (1, dim), zeros where it is not new; and whether it is."""
        norm = torch.linalg.vector_norm(row).clamp_min(torch.finfo(row.dtype).tiny)
        residual = torch.addmm(row, inside, Q, alpha=-1) / norm
        new, _ = unit_row(residual, NOVELTY * torch.finfo(self.dtype).eps)
        return unit_row(torch.addmm(new, new @ Q.mT, Q, alpha=-1), 0.5)

    def _reserve(self, count: int) -> None:
        """Room for so many columns."""
        if count > len(self._basis):
            old, basis, core = self._rank, self.basis, self.core
            self._allocate(min(max(2 * old, count), self._bound))
            self._basis[:old], self._core[:old, :old] = basis, core

    def _append(self, new: Tensor) -> None:
        old, rank = self._rank, self._rank + new.shape[0]
        self._reserve(rank)
        self._basis[old:rank] = new
        self._core.diagonal()[old:rank] = self.scale
        self._rank = rank

    def _allocate(self, capacity: int) -> None:
        """Buffers for columns: Q in the first rows of one, M in the corner of the other, zeros in the rest of both.

        Where there is a bound, and reads are not free, they are made once, for all columns: growth by copies takes half
        as much memory again for a moment, and new memory can make a CUDA device wait.
        """
        if self.max_rank is not None and not self._reads_are_free:
            capacity = self._bound
            if self._basis.shape[0] == capacity:
                self._basis.zero_()
                self._core.zero_()
                return
        self._basis = torch.zeros(capacity, self.dim, dtype=self.dtype, device=self.device)
        self._core = torch.zeros(capacity, capacity, dtype=torch.float64, device=self.device)

    def _compress(self) -> None:
        """Keep the best known directions, free half of the columns, spread what the others knew over the complement."""
        kept = self._bound - self._max_block
        self._ridge += self._keep(kept) / (self.dim - kept)

    def _keep(self, count: int) -> float:
        """Rotate the basis to eigenvectors of the core and keep the `count` with the smallest eigenvalues of P.

        An eigenvalue below the rounding unit of float64 says nothing; P forgets such a direction rather than trust it.
        Returns Σ (1/m_i − δ_n) of the others, what P knew about them.
        """
        eigenvalues, vectors = torch.linalg.eigh(self.core)
        known = eigenvalues > torch.finfo(torch.float64).eps * self.scale
        eigenvalues = eigenvalues.where(known, self.scale)
        Q = vectors[:, :count].mT.to(self._work_dtype) @ self.basis.to(self._work_dtype)
        self._rank = Q.shape[0]
        self.basis.copy_(polished(Q))
        self._basis[self._rank :] = 0
        self._core.zero_().diagonal()[: self._rank] = eigenvalues[:count]
        return float((1 / eigenvalues[count:] - self._ridge).clamp_min(0).sum())

    def _repair(self, row: Tensor, pivot: float) -> bool:
        if not (self.core.isfinite().all() and self.basis.isfinite().all()):
            return False
        self._keep(self._rank)
        return True

    def _add_ridge(self, ridge: float) -> None:
        add_ridge_(self.core, ridge)

    def _reset(self) -> None:
        self._rank = self._doubtful = 0
        self._allocate(min(32, self._bound))

    def _tensors(self) -> dict[str, Tensor]:
        rank = self._rank
        return {"basis": self._basis[:rank].clone(), "core": self._core[:rank, :rank].clone()}

    def _load_tensors(self, state: Mapping[str, Any]) -> None:
        rank = len(state["basis"])
        if rank > self._bound:
            raise ValueError(f"State mismatch: expected at most {self._bound} columns, got {rank}: raise max_rank.")
        self._allocate(min(max(32, rank), self._bound))
        self._rank, self._doubtful = rank, 0
        self._basis[:rank].copy_(state["basis"])
        self._core[:rank, :rank].copy_(state["core"])


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
