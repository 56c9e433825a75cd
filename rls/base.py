"""What both forms of the inverse correlation matrix share.

    Φ_n = Σ_i βⁿ⁻ⁱ x_i x_iᵀ + δ_n I,      P_n = Φ_n⁻¹,      P_0 = I/δ,      δ_n = δ βⁿ           (Eq. 13, 30)

Range: P has the eigenvalue 1/δ_n where no input pointed, and about 1/|x|² along an input. If P is rounded by u/δ_n, the
error of xᵀPx is u s with s = |x|²/δ_n, while exact arithmetic makes it s/(1+s) < 1 once x is in P. Hence a bound of s:

- A type narrower than float64 holds P as long as s ≤ 1/√u: then s/(1+s) + u s ≤ 1 + u. Longer inputs find P widened to
  float64, where it stays until `reset`.
- In float64 s ≤ 2⁻¹²/u, for an error of 2⁻¹². An input that is longer still raises δ_n with a LongInputWarning: as much
  of I is added to Φ_n as makes s a quarter of the bound.

u = ε, the rounding unit of the type, for the dense form; the low-rank form says its own (`_rounding`).

Wind-up: with β < 1 the ridge δ_n fades, and 1/δ_n would overflow on an endless stream. When δ_n would fall below its
floor, which is δ √ε or what makes s its bound, it is renewed in the same way to four times that. The equation above
goes on to hold with the δ_n in force, and forgetting goes on.

Watch: 1 + xᵀ P x is at least 1 for every positive definite P, and every update needs it anyway. An input that finds it
smaller, or not a number, makes P repair itself with a warning, or fail with the numbers.
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
    check_device,
    check_dtype,
    check_forgetting_factor,
    check_last_dim,
    check_positive,
    check_real_floating,
)
from rls.errors import LongInputWarning, PositiveDefinitenessError, PositiveDefinitenessWarning
from rls.precision import OutsideInferenceMode, changes_state, exact_arithmetic

__all__ = ["InverseCorrelation", "LongInputWarning", "PositiveDefinitenessError", "PositiveDefinitenessWarning"]

RIDGE_RENEWAL = 4.0  # times its floor is what δ_n is renewed to: enough for the O(dim³) of the dense form to be rare
FLOAT64_ERROR = 2.0**-12  # of xᵀPx, at the longest inputs that float64 takes with the δ_n in force


class InverseCorrelation(OutsideInferenceMode, ABC):
    """What both forms of P share: validation, the range of inputs, blocks, the watch over positive definiteness.

    Args:
        dim: length of an input.
        delta: regularizer δ > 0; P_0 = I/δ.
        beta: forgetting factor β in (0, 1], one forgetting step per input.
        dtype: storage type of P, for inputs up to `longest_input`; longer ones widen P to float64.
        device: device of P, torch's default device by default.

    Raises:
        ValueError: if a number is out of its range, or 1/δ is out of the range of the dtype.
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
        self._storage = dtype
        self._ridge = self.delta
        self._max_block = self.dim
        finfo = torch.finfo(dtype)
        smallest, largest = 4 / finfo.max, 1 / finfo.tiny
        if not smallest <= self.delta <= largest:
            raise ValueError(
                f"Expected delta from {smallest:.1e} to {largest:.1e} for {dtype}, which stores 1/delta, got "
                f"{self.delta}: use a wider dtype."
            )
        self._ridge_floor = max(self.delta * finfo.eps**0.5, smallest)

    @property
    def scale(self) -> float:
        """c_n = 1/δ_n, the bound of the eigenvalues of P_n, reached in every direction that no input had."""
        return 1 / self._ridge

    @property
    def longest_input(self) -> float:
        """Largest |x|²/δ_n that P takes as it is now stored (see `rls.base`)."""
        rounding = self._rounding()
        return FLOAT64_ERROR / rounding if self._storage == torch.float64 else rounding**-0.5

    def update(
        self,
        x: Tensor,  # (dim,) or (b, dim), oldest first
        one_step: bool = False,
    ) -> None:
        """Take one input into P (Eq. 18, 19), or b of them at once with the result of b single updates.

        With β < 1 every row of a block is one forgetting step, exactly as in the sequence of its rows; or the whole
        block is one with `one_step`: Φ_n = β Φ_{n-1} + Xᵀ X (Eq. 23).

        Raises:
            ValueError: on a wrong shape, device, or an input that is not finite; P is unchanged then.
            PositiveDefinitenessError: if P lost positive definiteness beyond repair; the rows before the one that
                showed it have been taken in.
        """
        for _ in self.absorb(x, one_step):
            pass

    def absorb(self, x: Tensor, one_step: bool = False) -> Iterator[slice]:
        """`update` in parts: yields the rows that have just been taken in, until all have been.

        Raises:
            ValueError, PositiveDefinitenessError: as `update`.
        """
        rows, lengths = self._checked(x)
        if one_step and lengths:
            lengths = [max(lengths)] * len(lengths)
        fading = 1.0 if one_step else self.beta  # with every row but the first
        start = 0
        while start < len(rows):
            steps = int(start == 0 or not one_step)
            self._make_room(lengths[start], steps)
            longest, ridge = self.longest_input, self._ridge * self.beta**steps
            stop, end = start + 1, min(len(rows), start + self._max_block)
            while stop < end and ridge * fading >= max(self._ridge_floor, lengths[stop] / longest):
                ridge *= fading
                stop += 1
            self._take_in(rows[start:stop], steps if one_step else stop - start)
            yield slice(start, stop)
            start = stop

    def check_update(self, x: Tensor) -> None:
        """Raise what `update` would raise on x, and change nothing."""
        rows, _ = self._checked(x)
        if len(rows):
            units = torch.nn.functional.normalize(rows.detach().double(), dim=1)
            smallest = float((self.apply(units) * units).sum(dim=1).min())
            if not smallest >= -self._repairable():
                raise self._lost(f"before update {self.num_updates + 1}: xᵀPx/|x|² = {smallest:.6g}, expected above 0")

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
        with exact_arithmetic(self.device):
            return self._apply(g.reshape(-1, self.dim)).to(g.dtype).reshape(g.shape)

    def apply_(
        self,
        weight: Tensor,  # (q, dim), or (q, dim - 1) with a bias
        bias: Tensor | None = None,  # (q,)
    ) -> None:
        """[weight, bias] ← [weight, bias] P in place, without a copy of both side by side where the form allows it.

        Raises:
            ValueError: on a wrong shape or device.
        """
        for name, part in (("weight", weight), ("bias", bias)):
            if part is not None:
                check_real_floating(name, part)
                check_device(name, part, self.device)
        shape = "(q, dim)" if bias is None else "(q, dim - 1)"
        check_last_dim("weight", weight, self.dim - (bias is not None), shape)
        with exact_arithmetic(self.device):
            self._apply_(weight, bias)

    @changes_state
    def reset(self) -> None:
        """Forget everything: P = I/δ, in its own dtype."""
        self._ridge = self.delta
        self._storage = self.dtype
        self.num_updates = 0
        self._reset()

    @abstractmethod
    def to_dense(self) -> Tensor:
        """P as a (dim, dim) matrix of its dtype."""

    @abstractmethod
    def smallest_eigenvalue(self) -> float:
        """Smallest eigenvalue of P as stored, in float64: the full diagnosis of positive definiteness."""

    def trace(self) -> float:
        """tr P: dim/δ at the start, and less with every input as long as β = 1."""
        return self._moments()[0]

    def effective_rank(self) -> float:
        """(tr P)² / tr P²: as many directions, all equally open, have this trace and Frobenius norm.

        dim at the start. A direction of which P has learnt much no longer counts.
        """
        trace, squared = self._moments()
        return trace**2 / squared

    def state_dict(self) -> dict[str, Any]:
        """Copy of the whole state: numbers and tensors."""
        return {**self._numbers(), **{name: tensor.clone() for name, tensor in self._tensors().items()}}

    def _numbers(self) -> dict[str, float | bool]:
        return {
            "dim": self.dim,
            "delta": self.delta,
            "beta": self.beta,
            "num_updates": self.num_updates,
            "ridge": self._ridge,
            "widened": self._storage != self.dtype,
        }

    def check_state_dict(self, state: Mapping[str, Any]) -> None:
        """Raise what `load_state_dict` would raise, and change nothing."""
        expected = {**self._numbers(), **self._tensors()}
        if state.keys() != expected.keys():
            raise ValueError(f"State mismatch: expected the keys {sorted(expected)}, got {sorted(state)}.")
        for name in ("dim", "delta", "beta"):
            if state[name] != expected[name]:
                raise ValueError(f"State mismatch: expected {name} = {expected[name]}, got {state[name]}.")
        check_positive("ridge of the state", state["ridge"])
        for name, shape in self._shapes(state).items():
            if (found := tuple(state[name].shape)) != shape:
                raise ValueError(f"State mismatch: expected {name} as {shape}, got {found}.")
            if not state[name].isfinite().all():
                raise ValueError(f"State mismatch: expected finite numbers in {name}, got NaN or infinity.")

    @changes_state
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned, onto the device and dtype of this object.

        Raises:
            ValueError: if the state is of another class, dim, delta or beta, or damaged; nothing is changed then.
        """
        self.check_state_dict(state)
        self._storage = torch.float64 if state["widened"] else self.dtype
        self._load_tensors(state)
        self.num_updates = state["num_updates"]
        self._ridge = state["ridge"]

    @property
    def _work_dtype(self) -> torch.dtype:
        return torch.promote_types(self._storage, torch.float32)

    def _checked(self, x: Tensor) -> tuple[Tensor, list[float]]:
        """x as rows (b, dim), and their |x|²."""
        if x.ndim > 2:
            raise ValueError(f"Shape mismatch: expected x as (dim,) or (b, dim), got {tuple(x.shape)}.")
        check_last_dim("x", x, self.dim, "(dim,) or (b, dim)")
        check_real_floating("x", x)
        check_device("x", x, self.device)
        rows = x.detach().reshape(-1, self.dim)
        norms: list[float] = torch.linalg.vector_norm(rows, dim=1, dtype=torch.float64).tolist()
        lengths = [norm * norm for norm in norms]
        if not all(map(math.isfinite, lengths)):
            if rows.isfinite().all():
                raise ValueError("Overflow: |x|² is more than float64 can hold; scale x, and delta with its square.")
            raise ValueError("Expected finite numbers in x, got NaN or infinity.")
        return rows, lengths

    @changes_state
    def _take_in(self, rows: Tensor, steps: int) -> None:
        """Take rows (b, dim) in with b forgetting steps, one before each, or with one or none before all of them."""
        count = len(rows)
        rows = rows.to(self._storage)
        pivot = self._downdate(rows, steps)
        if not 1 <= pivot < math.inf:
            if count > 1:  # one by one, so that only the offending input is repaired and reported
                for index in range(count):
                    self._take_in(rows[index : index + 1], int(index < steps))
                return
            self._recover(rows, steps, pivot)
        self.num_updates += count
        self._ridge *= self.beta**steps

    def _make_room(self, length: float, steps: int) -> None:
        """Bring |x|²/δ_n and δ_n into their bounds before an update by an input of this |x|²."""
        while True:
            floor = max(self._ridge_floor, length / self.longest_input)
            faded = self._ridge * self.beta**steps
            if faded >= floor:
                return
            ridge = RIDGE_RENEWAL * floor
            if ridge <= self.delta or self._storage == torch.float64:
                break
            if self.dtype.itemsize < torch.float32.itemsize:  # chosen for its size
                warnings.warn(
                    f"P in {self.dtype} takes inputs of |x|²/δ_n up to {self.longest_input:.3g}, this one has "
                    f"{length / faded:.3g}: P is stored in float64 from now on. Use a larger delta or shorter inputs "
                    "to keep it small.",
                    LongInputWarning,
                    stacklevel=4,
                )
            self._widen()
        if ridge > self.delta and floor > self._ridge_floor:
            warnings.warn(
                f"Inputs are too long for delta: |x|²/δ_n = {length / faded:.3g}, float64 resolves "
                f"{self.longest_input:.3g}. δ_n is raised from {faded:.3g} to {ridge:.3g}: use shorter inputs or a "
                "larger delta.",
                LongInputWarning,
                stacklevel=4,
            )
        self._renew_ridge(ridge * self.beta**-steps)  # before the forgetting steps of this update

    @changes_state
    def _widen(self) -> None:
        self._storage = torch.float64
        self._widen_tensors()

    @changes_state
    def _renew_ridge(self, ridge: float) -> None:
        self._add_ridge(ridge - self._ridge)
        self._ridge = ridge

    def _recover(self, row: Tensor, steps: int, pivot: float) -> None:
        """Repair P, then take the input in; fail with the numbers where that does not help."""
        numbers = f"at update {self.num_updates + 1}: 1 + xᵀPx/β = {pivot:.6g}, expected at least 1 "
        norm = float(torch.linalg.vector_norm(row, dtype=torch.float64))
        numbers += f"(|x| = {norm:.6g}, 1/δ_n = {self.scale:.6g}, dim = {self.dim}, {self._storage})"
        if pivot < math.inf and self._repair(norm, pivot) and 1 <= (pivot := self._downdate(row, steps)) < math.inf:
            message = f"P was not positive definite {numbers}; repaired."
            warnings.warn(message, PositiveDefinitenessWarning, stacklevel=6)
            return
        if pivot == math.inf:
            raise PositiveDefinitenessError(f"Overflow in P {numbers}. Call reset(), and use a larger delta.")
        raise self._lost(f"{numbers}; after the repair 1 + xᵀPx/β = {pivot:.6g}")

    @staticmethod
    def _lost(numbers: str) -> PositiveDefinitenessError:
        return PositiveDefinitenessError(
            f"P lost positive definiteness {numbers}. "
            "Call reset(), and use a larger delta, inputs of smaller norm or a wider dtype."
        )

    @abstractmethod
    def _rounding(self) -> float:
        """u, for which u/δ_n bounds the error of P as stored now."""

    @abstractmethod
    def _widen_tensors(self) -> None: ...

    @abstractmethod
    def _moments(self) -> tuple[float, float]:
        """tr P and tr P²."""

    @abstractmethod
    def _downdate(self, rows: Tensor, steps: int) -> float:
        """Take rows (b, dim) into P after 0, 1 or b forgetting steps (`matrices.downdate_`).

        Returns the smallest pivot. Below 1 (or not a number, or infinite), P is unchanged.
        """

    @abstractmethod
    def _repairable(self) -> float:
        """How far below zero an eigenvalue of P may be for `_repair` to succeed."""

    @abstractmethod
    def _repair(self, norm: float, pivot: float) -> bool:
        """Make P positive definite again, larger rather than smaller; False where nothing sensible can be done."""

    @abstractmethod
    def _add_ridge(self, ridge: float) -> None: ...

    @abstractmethod
    def _apply(self, G: Tensor) -> Tensor: ...

    @abstractmethod
    def _apply_(self, weight: Tensor, bias: Tensor | None) -> None: ...

    @abstractmethod
    def _reset(self) -> None: ...

    @abstractmethod
    def _tensors(self) -> dict[str, Tensor]:
        """P's tensors by name, as views."""

    @abstractmethod
    def _shapes(self, state: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
        """Shapes that the tensors of a state must have. Raises ValueError where none would do."""

    @abstractmethod
    def _load_tensors(self, state: Mapping[str, Any]) -> None: ...
