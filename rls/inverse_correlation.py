"""The inverse correlation matrix P_n of a stream of inputs x_1, x_2, … (Eq. 13, 18, 19, 30).

    Φ_n = Σ_i βⁿ⁻ⁱ x_i x_iᵀ + δ_n I,      P_n = Φ_n⁻¹,      P_0 = I/δ,      δ_n = δ βⁿ

`DenseInverseCorrelation` stores P_n, `LowRankInverseCorrelation` only its action on the span of the inputs. Outside of
that span P_n is the multiple `scale` = 1/δ_n of the identity.

Wind-up: with β < 1 the ridge δ_n fades, and 1/δ_n would overflow on an endless stream. When δ_n falls below δ √ε (ε:
rounding unit of the dtype), 3 δ_n I is added to Φ_n. The equation above goes on to hold, with this larger δ_n, and
forgetting goes on, but no eigenvalue of P_n exceeds 1/(δ √ε), and half of the digits remain for what P_n has learnt.
"""

import math
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from rls.checks import (
    check_at_least_one,
    check_choice,
    check_device,
    check_dtype,
    check_forgetting_factor,
    check_last_dim,
    check_positive,
    check_real_floating,
)
from rls.matrices import add_ridge_, downdate_, orthonormal_rows, polished

RIDGE_RENEWAL = 4.0  # growth of δ_n at a renewal: large enough for the O(dim³) of the dense form to be rare
NOVELTY = 4.0  # a residual of less than this many rounding units of its input is rounding, not a new direction


class PositiveDefinitenessError(ArithmeticError):
    """P is no longer positive definite and could not be repaired."""


class PositiveDefinitenessWarning(RuntimeWarning):
    """P was no longer positive definite and has been repaired."""


class InverseCorrelation(ABC):
    """What both forms of P share: validation, block and ridge bookkeeping, the watch over positive definiteness.

    Args:
        dim: length of an input.
        delta: regularizer δ > 0; P_0 = I/δ.
        beta: forgetting factor β in (0, 1], one forgetting step per input.
        dtype: storage type of P.
        device: device of P, torch's default device by default.

    Raises:
        ValueError: if a number is out of its range, or 1/δ overflows the dtype.
        TypeError: if the dtype is not a real floating-point type.
    """

    def __init__(
        self, dim: int, delta: float, beta: float, dtype: torch.dtype, device: torch.device | str | None
    ) -> None:
        self.dim = check_at_least_one("dim", dim)
        self.delta = check_positive("delta", delta)
        self.beta = check_forgetting_factor(beta)
        self.dtype = check_dtype(dtype)
        self.device = torch.empty(0, device=device).device  # "cuda" becomes "cuda:0", as tensors report it
        self.num_updates = 0
        self._ridge = self.delta
        self._max_block = self.dim
        finfo = torch.finfo(dtype)
        smallest = 4 / finfo.max
        if self.delta < smallest:
            raise ValueError(f"Expected delta of at least {smallest:.1e} for {dtype}, got {delta}: use a wider dtype.")
        self._ridge_floor = max(self.delta * finfo.eps**0.5, smallest)

    @property
    def scale(self) -> float:
        """c_n = 1/δ_n, the eigenvalue of P_n in every direction that no input had."""
        return 1 / self._ridge

    @torch.no_grad()
    def update(
        self,
        x: Tensor,  # (dim,) or (b, dim), oldest first
    ) -> None:
        """Take one input into P (Eq. 18, 19), or b of them at once with the result of b single updates.

        With β < 1 every row of a block is one forgetting step, exactly as in the sequence of its rows.

        Raises:
            ValueError: on a wrong shape, device, or an input that is not finite; P is unchanged then.
            PositiveDefinitenessError: if P lost positive definiteness beyond repair.
        """
        rows = self.checked_rows(x)
        for block in self.blocks(len(rows)):
            self._absorb(rows[block])

    def apply(
        self,
        g: Tensor,  # (..., dim)
    ) -> Tensor:
        """g P, of the shape and dtype of g, computed in the dtype of P (float32 at least for the low-rank form).

        Raises:
            ValueError: on a wrong shape or device.
        """
        check_last_dim("g", g, self.dim, "(..., dim)")
        check_real_floating("g", g)
        check_device("g", g, self.device)
        return self._apply(g.reshape(-1, self.dim)).to(g.dtype).reshape(g.shape)

    def reset(self) -> None:
        """Forget everything: P = I/δ."""
        self._ridge = self.delta
        self.num_updates = 0
        self._reset()

    @abstractmethod
    def to_dense(self) -> Tensor:
        """P as a (dim, dim) matrix of its dtype."""

    @abstractmethod
    def smallest_eigenvalue(self) -> float:
        """Smallest eigenvalue of P as stored, in float64: the full diagnosis of positive definiteness."""

    def state_dict(self) -> dict[str, Any]:
        """Copy of the whole state: numbers and tensors."""
        return {
            "dim": self.dim,
            "delta": self.delta,
            "beta": self.beta,
            "num_updates": self.num_updates,
            "ridge": self._ridge,
            **self._tensors(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned, onto the device and dtype of this object.

        Raises:
            ValueError: if the state is of another class, dim, delta or beta; nothing is changed then.
        """
        expected = self.state_dict().keys()
        if state.keys() != expected:
            raise ValueError(f"State mismatch: expected the keys {sorted(expected)}, got {sorted(state)}.")
        for name in ("dim", "delta", "beta"):
            if state[name] != getattr(self, name):
                raise ValueError(f"State mismatch: expected {name} = {getattr(self, name)}, got {state[name]}.")
        self._load_tensors(state)
        self.num_updates = state["num_updates"]
        self._ridge = state["ridge"]

    def checked_rows(
        self,
        x: Tensor,  # (dim,) or (b, dim)
    ) -> Tensor:
        """x as rows (b, dim) of the dtype of P.

        Raises:
            ValueError: on a wrong shape, device, or numbers that are not finite.
        """
        if x.ndim > 2:
            raise ValueError(f"Shape mismatch: expected x as (dim,) or (b, dim), got {tuple(x.shape)}.")
        check_last_dim("x", x, self.dim, "(dim,) or (b, dim)")
        check_real_floating("x", x)
        check_device("x", x, self.device)
        rows = x.detach().reshape(-1, self.dim).to(self.dtype)
        if not math.isfinite(self._norm(rows)):
            raise ValueError(f"Expected finite numbers in x, got NaN, infinity or more than {self.dtype} can hold.")
        return rows

    def blocks(self, count: int) -> Iterator[slice]:
        """Parts of a block of `count` rows to absorb one after the other; none spans a renewal of the ridge."""
        start = 0
        while start < count:
            stop = min(count, start + self._max_block, start + self._steps_to_renewal())
            yield slice(start, stop)
            start = stop

    @property
    def _work_dtype(self) -> torch.dtype:
        return torch.promote_types(self.dtype, torch.float32)

    def _norm(self, rows: Tensor) -> float:
        return float(torch.linalg.vector_norm(rows, dtype=self._work_dtype))

    def _steps_to_renewal(self) -> int:
        """Updates after which the ridge is below its floor, at least 1."""
        if self.beta == 1:
            return self._max_block
        return max(1, math.ceil(math.log(self._ridge_floor / self._ridge) / math.log(self.beta)))

    def _absorb(self, rows: Tensor) -> None:
        pivot = self._downdate(rows)
        if not pivot >= 1:
            if len(rows) > 1:  # one by one, so that only the offending input is repaired and reported
                for index in range(len(rows)):
                    self._absorb(rows[index : index + 1])
                return
            self._recover(rows, pivot)
        self.num_updates += len(rows)
        self._ridge *= self.beta ** len(rows)
        if self._ridge < self._ridge_floor:
            self._add_ridge((RIDGE_RENEWAL - 1) * self._ridge)
            self._ridge *= RIDGE_RENEWAL

    def _recover(self, row: Tensor, pivot: float) -> None:
        """Repair P, then take the input in; fail with the numbers where that does not help."""
        numbers = (
            f"at update {self.num_updates + 1}: 1 + xᵀPx/β = {pivot:.6g}, expected at least 1 "
            f"(|x| = {self._norm(row):.6g}, 1/δ_n = {self.scale:.6g}, "
            f"dim = {self.dim}, {self.dtype})"
        )
        if self._repair(row, pivot) and (pivot := self._downdate(row)) >= 1:
            message = f"P was not positive definite {numbers}; repaired."
            warnings.warn(message, PositiveDefinitenessWarning, stacklevel=5)
            return
        raise PositiveDefinitenessError(
            f"P lost positive definiteness {numbers}; after the repair 1 + xᵀPx/β = {pivot:.6g}. "
            "Call reset(), and use a larger delta, inputs of smaller norm or a wider dtype."
        )

    @abstractmethod
    def _downdate(self, rows: Tensor) -> float:
        """Take rows (b, dim) into P; returns the smallest pivot. Below 1 (or not a number), P is unchanged."""

    @abstractmethod
    def _repair(self, row: Tensor, pivot: float) -> bool:
        """Make P positive definite again, larger rather than smaller; False where nothing sensible can be done."""

    @abstractmethod
    def _add_ridge(self, ridge: float) -> None: ...

    @abstractmethod
    def _apply(self, G: Tensor) -> Tensor: ...

    @abstractmethod
    def _reset(self) -> None: ...

    @abstractmethod
    def _tensors(self) -> dict[str, Tensor]: ...

    @abstractmethod
    def _load_tensors(self, state: Mapping[str, Any]) -> None: ...


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
        return self._matrix.clone()

    def smallest_eigenvalue(self) -> float:
        return float(torch.linalg.eigvalsh(self._matrix.double())[0])

    def _downdate(self, rows: Tensor) -> float:
        return downdate_(self._matrix, rows, self.beta)

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
    (1 − η) c I − M in place of c I − M, η = 2 ε: the singular values of U stay strictly below √c, the smallest
    eigenvalue of P above zero, and P g changes by at most η c |g|, what a rounding of g does as well.

    `max_rank` bounds the columns. When they are full, the half of them is kept that P knows best: the eigenvectors of
    the core with the smallest eigenvalues, i.e. the largest singular values of U. In the directions that are dropped P
    returns to P_0 = I/δ. It forgets them, stays positive definite, and is larger than the exact P_n, never smaller.
    Half, because the newest inputs, along which the next gradients point, then stay exact for longer than with smaller
    cuts, at lower cost and with nearly the same error in all other directions (`benchmarks/inverse_correlation.py`).

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
        self._rank: int
        self._basis: Tensor  # (capacity, dim); the first `rank` rows are Q
        self._core: Tensor  # (capacity, capacity) float64; the first `rank` rows and columns are M
        self.max_rank = None if max_rank is None else check_at_least_one("max_rank", max_rank)
        self._bound = dim if max_rank is None else min(max_rank, dim)
        if self._bound < dim:
            self._max_block = max(1, self._bound // 2)  # what a compression frees: a block always fits
        self._reset()

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

    def _clamped_scale(self) -> float:
        """(1 − η) c, the bound of the squared singular values of U."""
        return (1 - 2 * torch.finfo(self.dtype).eps) * self._complement_scale()

    def _squared_columns(self) -> Tensor:
        """(1 − η) c I − M (r, r): UᵀU in the coordinates of the basis."""
        return self._clamped_scale() * torch.eye(self._rank, dtype=torch.float64, device=self.device) - self.core

    def _apply(self, G: Tensor) -> Tensor:
        Q, G = self.basis.to(self._work_dtype), G.to(self._work_dtype)
        inside = (G @ Q.mT).double()
        mixed = torch.addmm(inside, inside, self.core, beta=self._clamped_scale(), alpha=-1)
        return torch.addmm(G, mixed.to(Q.dtype), Q, beta=self._complement_scale(), alpha=-1)

    def _downdate(self, rows: Tensor) -> float:
        inside = self._coordinates(rows)  # may extend the core
        return downdate_(self.core, inside, self.beta)

    def _coordinates(
        self,
        rows: Tensor,  # (b, dim)
    ) -> Tensor:
        """Coordinates (b, r) of the rows in the basis, once it has been extended by their new directions."""
        rows, Q = rows.double(), self.basis.double()
        inside = rows @ Q.mT
        new = self._new_directions(rows, inside, Q)
        if self._rank + len(new) > self._bound:
            self._compress()
            return self._coordinates(rows)
        self._append(new)
        return torch.cat((inside, rows @ new.mT), dim=1) if len(new) else inside

    def _new_directions(
        self,
        rows: Tensor,  # (b, dim)
        inside: Tensor,  # (b, r) coordinates of the rows in the basis
        Q: Tensor,  # (r, dim)
    ) -> Tensor:
        """Orthonormal (k, dim), orthogonal to the basis: what the rows add to its span.

        Gram–Schmidt, done twice: the first pass leaves errors along Q that are as large as a small residual, the second
        pass removes them, and what it shortens by half or more has been nothing but such errors. In float64, because
        the residual of correlated inputs is a small difference of large numbers.
        """
        norms = torch.linalg.vector_norm(rows, dim=1, keepdim=True).clamp_min(torch.finfo(rows.dtype).tiny)
        residual = torch.addmm(rows, inside, Q, alpha=-1) / norms
        new = orthonormal_rows(residual, NOVELTY * torch.finfo(self.dtype).eps)[: self.dim - self._rank]
        if len(new) and self._rank:
            new = orthonormal_rows(torch.addmm(new, new @ Q.mT, Q, alpha=-1), 0.5)
        return new

    def _append(self, new: Tensor) -> None:
        old, self._rank = self._rank, self._rank + len(new)
        if self._rank > len(self._basis):
            self._reserve(min(max(2 * len(self._basis), self._rank), self._bound))
        self._basis[old : self._rank] = new
        self.core[old:] = 0
        self.core[:, old:] = 0
        self.core.diagonal()[old:] = self.scale

    def _reserve(self, capacity: int) -> None:
        basis = torch.empty(capacity, self.dim, dtype=self.dtype, device=self.device)
        core = torch.empty(capacity, capacity, dtype=torch.float64, device=self.device)
        used = len(self._basis)
        basis[:used], core[:used, :used] = self._basis, self._core
        self._basis, self._core = basis, core

    def _compress(self) -> None:
        """Keep the best known directions, free half of the columns; what is dropped returns to P_0 = I/δ."""
        if self._ridge < self.delta:
            self._add_ridge(self.delta - self._ridge)
            self._ridge = self.delta
        self._keep(self._bound - self._max_block)

    def _keep(self, count: int) -> None:
        """Rotate the basis to eigenvectors of the core and keep the `count` with the smallest eigenvalues of P."""
        eigenvalues, vectors = torch.linalg.eigh(self.core)
        kept = vectors[:, :count]
        self._rank = kept.shape[1]
        Q = kept.mT.to(self._work_dtype) @ self._basis[: len(vectors)].to(self._work_dtype)
        self._basis[: self._rank] = polished(Q)
        floor = torch.finfo(torch.float64).eps * self.scale
        self.core.copy_(eigenvalues[:count].clamp(floor, self.scale).diag())

    def _repair(self, row: Tensor, pivot: float) -> bool:
        if not (self.core.isfinite().all() and self.basis.isfinite().all()):
            return False
        self._keep(self._rank)
        return True

    def _add_ridge(self, ridge: float) -> None:
        add_ridge_(self.core, ridge)

    def _reset(self) -> None:
        self._rank = 0
        capacity = min(32, self._bound)
        self._basis = torch.empty(capacity, self.dim, dtype=self.dtype, device=self.device)
        self._core = torch.empty(capacity, capacity, dtype=torch.float64, device=self.device)

    def _tensors(self) -> dict[str, Tensor]:
        return {"basis": self.basis.clone(), "core": self.core.clone()}

    def _load_tensors(self, state: Mapping[str, Any]) -> None:
        rank = len(state["basis"])
        if rank > self._bound:
            raise ValueError(f"State mismatch: expected at most {self._bound} columns, got {rank}: raise max_rank.")
        self._reset()
        self._rank = rank
        if rank > len(self._basis):
            self._reserve(rank)
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
