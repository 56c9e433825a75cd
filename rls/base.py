"""What both forms of the inverse correlation matrix share.

    Φ_n = Σ_i βⁿ⁻ⁱ x_i x_iᵀ + δ_n I,      P_n = Φ_n⁻¹,      P_0 = I/δ,      δ_n = δ βⁿ           (Eq. 13, 30)

Wind-up: with β < 1 the ridge δ_n fades, and 1/δ_n would overflow on an endless stream. When δ_n falls below δ √ε (ε:
rounding unit of the dtype), as much of I is added to Φ_n as makes it 4 δ √ε. The equation above goes on to hold, with
this δ_n, and forgetting goes on; but no eigenvalue of P_n exceeds 1/(δ √ε), which leaves half of the digits to what P_n
has learnt.

Watch: 1 + xᵀ P x is at least 1 for every positive definite P, and every update needs it anyway. An input that finds it
smaller, or not a number, makes P repair itself with a warning, or fail with the numbers. The norm of the input (is it
finite?), this pivot and, in the low-rank form, the size of the residual are the only numbers an update asks for.

Reads: on a CPU they cost nothing. From a CUDA device each would wait for all work queued there. An update by one row
therefore decides on the device: an input that is not finite counts as zeros, one with a bad pivot is left out, a
direction that is not new becomes a column of zeros. The numbers travel to the host meanwhile, and are looked at when
the next update or a diagnosis comes (`InverseCorrelation.settle`). Blocks of several rows do read.

Graphs: such an update has a part of the host, a part of the device, and a part of the host again. A CUDA graph can
record the one in the middle together with what comes before and after it on the device.
"""

import math
import warnings
from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
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
from rls.verdicts import Verdict, reads_are_free

RIDGE_RENEWAL = 4.0  # times its floor is what δ_n is renewed to: enough for the O(dim³) of the dense form to be rare


class PositiveDefinitenessError(ArithmeticError):
    """P is no longer positive definite and could not be repaired."""


class PositiveDefinitenessWarning(RuntimeWarning):
    """P was no longer positive definite and has been repaired."""


@dataclass
class UnsettledUpdate:
    """An update whose numbers the host has not looked at."""

    number: int
    row: Tensor  # (1, dim), zeros where the input was not finite
    verdict: Verdict  # norm of the input, pivot, whether that is good, and what the form of P adds


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
        self._work_dtype = torch.promote_types(dtype, torch.float32)
        self.device = torch.empty(0, device=device).device  # "cuda" becomes "cuda:0", as tensors report it
        self.num_updates = 0
        self._ridge = self.delta
        self._max_block = self.dim
        self._reads_are_free = reads_are_free(self.device)
        self._unsettled: UnsettledUpdate | None = None
        finfo = torch.finfo(dtype)
        smallest = 4 / finfo.max
        if self.delta < smallest:
            raise ValueError(f"Expected delta of at least {smallest:.1e} for {dtype}, got {delta}: use a wider dtype.")
        self._ridge_floor = max(self.delta * finfo.eps**0.5, smallest)

    @property
    def scale(self) -> float:
        """c_n = 1/δ_n, the bound of the eigenvalues of P_n, reached in every direction that no input had."""
        return 1 / self._ridge

    @torch.no_grad()
    def update(
        self,
        x: Tensor,  # (dim,) or (b, dim), oldest first
        one_step: bool = False,
    ) -> None:
        """Take one input into P (Eq. 18, 19), or b of them at once with the result of b single updates.

        With β < 1 every row of a block is one forgetting step, exactly as in the sequence of its rows; or the whole
        block is one with `one_step`: Φ_n = β Φ_{n-1} + Xᵀ X (Eq. 23).

        On a CUDA device an update by one row reads nothing back. What is wrong with the input or with P is then raised,
        or repaired with a warning, by the next update, before it takes anything in, or by `settle` or a diagnosis. P
        meanwhile is that of an input of zeros in its place, which counts as an update: unchanged, but for forgetting.

        Raises:
            ValueError: on a wrong shape, device, or an input that is not finite; P is unchanged then.
            PositiveDefinitenessError: if P lost positive definiteness beyond repair; the rows before the one that
                showed it have been taken in.
        """
        rows = self._as_rows(x)
        self.settle()
        if not self._reads_are_free and len(rows) == 1:
            self._begin_unread()
            self.end_update(*self.update_on_device(rows))
            return
        self._check_finite(rows)
        for index, block in enumerate(self.blocks(rows.shape[0])):
            part = rows[block]
            self._absorb(part, int(index == 0) if one_step else len(part))

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
        self._apply_(weight, bias)

    def begin_update(self) -> Hashable | None:
        """Before `update_on_device`: what it depends on beside its input, or None where no graph can record it.

        Recorded, it may be repeated for other inputs as long as this stays the same. Recorded it cannot be on a CPU,
        with β < 1, which changes δ_n with every update, nor where it would have to read whether an input is new.

        Raises:
            As `settle`.
        """
        self.settle()
        if self._reads_are_free or self.beta < 1 or not self._begin_unread():
            return None
        return self._ridge, *((tensor.data_ptr(), tensor.shape) for tensor in self._places())

    @torch.no_grad()
    def update_on_device(
        self,
        x: Tensor,  # (dim,) or (1, dim)
    ) -> tuple[Tensor, Tensor]:
        """What an update by one input does on a CUDA device, and nothing on the host; `apply` may follow at once.

        Returns what `end_update` is to get. It comes after `begin_update`.
        """
        row = self._as_rows(x)
        norm = torch.linalg.vector_norm(row, dtype=self._work_dtype)
        row = row.masked_fill(~norm.isfinite(), 0.0)
        numbers = norm, *self._downdate_unread(row)
        return row, torch.stack([number.double().squeeze() for number in numbers])

    def end_update(
        self,
        row: Tensor,  # (1, dim)
        numbers: Tensor,  # (3 or 4,) float64
    ) -> None:
        """After `update_on_device` has been started, with what it returned."""
        self._end_unread()
        self._count(1, 1)
        self._unsettled = UnsettledUpdate(self.num_updates, row, Verdict(numbers))

    def settle(self) -> None:
        """Look at the numbers of the last update, waiting for the device if need be; does nothing on a CPU.

        Raises:
            ValueError: if the input of that update was not finite.
            PositiveDefinitenessError: if P lost positive definiteness beyond repair.
        """
        update, self._unsettled = self._unsettled, None
        if update is None:
            return
        norm, pivot, good, *others = update.verdict.read()
        self._settle(others)
        if not math.isfinite(norm):
            raise self._not_finite(
                f" in update {update.number}, which counts as one by zeros. The input of this call, if it had one, has "
                "not been taken in: call again."
            )
        if not good:
            with torch.no_grad():
                self._recover(update.row, 0, pivot if pivot < math.inf else math.nan, update.number)

    def reset(self) -> None:
        """Forget everything: P = I/δ. What nobody has looked at in the last update is forgotten, too."""
        self._unsettled = None
        self._ridge = self.delta
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
        self.settle()
        return self._moments()[0]

    def effective_rank(self) -> float:
        """(tr P)² / tr P²: as many directions, all equally open, have this trace and Frobenius norm.

        dim at the start. A direction of which P has learnt much no longer counts.
        """
        self.settle()
        trace, squared = self._moments()
        return trace**2 / squared

    def state_dict(self) -> dict[str, Any]:
        """Copy of the whole state: numbers and tensors."""
        self.settle()
        return self._state()

    def _state(self) -> dict[str, Any]:
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
        expected = self._state().keys()
        if state.keys() != expected:
            raise ValueError(f"State mismatch: expected the keys {sorted(expected)}, got {sorted(state)}.")
        for name in ("dim", "delta", "beta"):
            if state[name] != getattr(self, name):
                raise ValueError(f"State mismatch: expected {name} = {getattr(self, name)}, got {state[name]}.")
        self._load_tensors(state)
        self._unsettled = None
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
        rows = self._as_rows(x)
        self._check_finite(rows)
        return rows

    def _as_rows(self, x: Tensor) -> Tensor:
        if x.ndim > 2:
            raise ValueError(f"Shape mismatch: expected x as (dim,) or (b, dim), got {tuple(x.shape)}.")
        check_last_dim("x", x, self.dim, "(dim,) or (b, dim)")
        check_real_floating("x", x)
        check_device("x", x, self.device)
        return x.detach().reshape(-1, self.dim).to(self.dtype)

    def _check_finite(self, rows: Tensor) -> None:
        if not math.isfinite(self._norm(rows)):
            raise self._not_finite(".")

    def _not_finite(self, end: str) -> ValueError:
        return ValueError(f"Expected finite numbers in x, got NaN, infinity or more than {self.dtype} can hold{end}")

    def blocks(self, count: int) -> Iterator[slice]:
        """Parts of a block of `count` rows to absorb one after the other; none spans a renewal of the ridge."""
        start = 0
        while start < count:
            stop = min(count, start + self._max_block, start + self._steps_to_renewal())
            yield slice(start, stop)
            start = stop

    def _norm(self, rows: Tensor) -> float:
        return float(torch.linalg.vector_norm(rows, dtype=self._work_dtype))

    def _steps_to_renewal(self) -> int:
        """Updates after which the ridge is below its floor, at least 1."""
        if self.beta == 1:
            return self._max_block
        return max(1, math.ceil(math.log(self._ridge_floor / self._ridge) / math.log(self.beta)))

    def _absorb(self, rows: Tensor, steps: int) -> None:
        """Take rows (b, dim) in with b forgetting steps, one before each, or with one or none before all of them."""
        count = rows.shape[0]
        pivot = self._downdate(rows, steps)
        if not pivot >= 1:
            if count > 1:  # one by one, so that only the offending input is repaired and reported
                for index in range(count):
                    self._absorb(rows[index : index + 1], int(index < steps))
                return
            self._recover(rows, steps, pivot, self.num_updates + 1)
        self._count(count, steps)

    def _count(self, count: int, steps: int) -> None:
        self.num_updates += count
        self._ridge *= self.beta**steps
        if self._ridge < self._ridge_floor:
            self._renew_ridge(RIDGE_RENEWAL * self._ridge_floor)

    def _renew_ridge(self, ridge: float) -> None:
        self._add_ridge(ridge - self._ridge)
        self._ridge = ridge

    def _recover(self, row: Tensor, steps: int, pivot: float, number: int) -> None:
        """Repair P, then take the input in; fail with the numbers where that does not help."""
        numbers = (
            f"at update {number}: 1 + xᵀPx/β = {pivot:.6g}, expected at least 1 "
            f"(|x| = {self._norm(row):.6g}, 1/δ_n = {self.scale:.6g}, dim = {self.dim}, {self.dtype})"
        )
        if self._repair(row, pivot) and (pivot := self._downdate(row, steps)) >= 1:
            message = f"P was not positive definite {numbers}; repaired."
            warnings.warn(message, PositiveDefinitenessWarning, stacklevel=5)
            return
        raise PositiveDefinitenessError(
            f"P lost positive definiteness {numbers}; after the repair 1 + xᵀPx/β = {pivot:.6g}. "
            "Call reset(), and use a larger delta, inputs of smaller norm or a wider dtype."
        )

    @abstractmethod
    def _moments(self) -> tuple[float, float]:
        """tr P and tr P²."""

    @abstractmethod
    def _downdate(self, rows: Tensor, steps: int) -> float:
        """Take rows (b, dim) into P after 0, 1 or b forgetting steps (`matrices.downdate_`).

        Returns the smallest pivot. Below 1 (or not a number), P is unchanged.
        """

    @abstractmethod
    def _begin_unread(self) -> bool:
        """The host's part before `_downdate_unread`; whether a graph can record that."""

    @abstractmethod
    def _downdate_unread(self, row: Tensor) -> list[Tensor]:
        """`_downdate` by one row (1, dim) after one forgetting step, without a host read.

        Where the pivot is bad, P only forgets. Returns the pivot, whether it is good, and what `_settle` is to get.
        """

    @abstractmethod
    def _end_unread(self) -> None:
        """The host's part after `_downdate_unread`."""

    @abstractmethod
    def _places(self) -> list[Tensor]:
        """Tensors that an update changes in place."""

    @abstractmethod
    def _settle(self, numbers: list[float]) -> None:
        """Use what `_downdate_unread` returned beyond the first two, once the host knows it."""

    @abstractmethod
    def _repair(self, row: Tensor, pivot: float) -> bool:
        """Make P positive definite again, larger rather than smaller; False where nothing sensible can be done."""

    @abstractmethod
    def _add_ridge(self, ridge: float) -> None: ...

    @abstractmethod
    def _apply(self, G: Tensor) -> Tensor: ...

    def _apply_(self, weight: Tensor, bias: Tensor | None) -> None:
        product = self._apply(weight if bias is None else torch.cat((weight, bias[:, None]), dim=1))
        weight.copy_(product[:, : weight.shape[1]])
        if bias is not None:
            bias.copy_(product[:, -1])

    @abstractmethod
    def _reset(self) -> None: ...

    @abstractmethod
    def _tensors(self) -> dict[str, Tensor]: ...

    @abstractmethod
    def _load_tensors(self, state: Mapping[str, Any]) -> None: ...
