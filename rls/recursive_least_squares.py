"""The exact recursive least-squares estimator (Eq. 18–21)."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from rls.checks import check_at_least_one, check_device, check_last_dim, check_real_floating
from rls.inverse_correlation import make_inverse_correlation
from rls.matrices import discounted
from rls.precision import OutsideInferenceMode, changes_state


class RecursiveLeastSquares(OutsideInferenceMode):
    """Weights of a linear map x ↦ W x, at every step the minimum over all samples so far of

        Σ_i βⁿ⁻ⁱ |W x_i − y_i|² + δ_n |W − W_0|²,      δ_n = δ βⁿ

    (Eq. 5 and 13; `rls.base` says what becomes of δ_n on an endless stream, or with inputs too long for it. What is
    added to δ_n then pulls to the weights of that moment).

    Args:
        in_features: p, length of an input.
        out_features: q, length of a target.
        delta: regularizer δ > 0.
        beta: forgetting factor β in (0, 1].
        estimator: form of P, "dense" or "low_rank".
        max_rank: bound of the columns of the low-rank form; None, which is exact, by default.
        dtype: of everything. float64 by default: the estimator is small, and exact is what it is for.
        device: torch's default device by default.
        weight: W_0 (q, p), zero by default.

    Raises:
        ValueError: if an argument is out of its range.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        delta: float,
        beta: float = 1.0,
        estimator: str = "dense",
        max_rank: int | None = None,
        dtype: torch.dtype = torch.float64,
        device: torch.device | str | None = None,
        weight: Tensor | None = None,
    ) -> None:
        self.inverse_correlation = make_inverse_correlation(
            estimator, in_features, delta, beta, max_rank, dtype, device
        )
        self.device = self.inverse_correlation.device
        shape = (check_at_least_one("out_features", out_features), in_features)
        if weight is not None and weight.shape != shape:
            raise ValueError(f"Shape mismatch: expected weight as {shape}, got {tuple(weight.shape)}.")
        with torch.inference_mode(False):
            self.weight = torch.zeros(shape, dtype=dtype, device=self.device)
            if weight is not None:
                self.weight.copy_(weight.detach())

    @changes_state
    def update(
        self,
        x: Tensor,  # (p,) or (b, p), oldest first
        y: Tensor,  # (q,) or (b, q)
    ) -> None:
        """Take one sample in (Eq. 21), or a block of b with the result of b single updates.

        Raises:
            ValueError: on wrong shapes, a wrong device, or numbers that are not finite; nothing is changed then.
            PositiveDefinitenessError: if P lost positive definiteness beyond repair.
        """
        P = self.inverse_correlation
        check_last_dim("y", y, len(self.weight), "(dim,) or (b, dim)")
        check_real_floating("y", y)
        check_device("y", y, P.device)
        if y.shape[:-1] != x.shape[:-1]:
            raise ValueError(
                f"Shape mismatch: expected as many targets as inputs {tuple(x.shape)}, got {tuple(y.shape)}."
            )
        if not y.isfinite().all():
            raise ValueError("Expected finite numbers in y, got NaN or infinity.")
        rows = x.detach().reshape(-1, x.shape[-1]).to(P.dtype)
        targets = y.detach().reshape(-1, len(self.weight)).to(P.dtype)
        for block in P.absorb(x):
            residual = targets[block] - rows[block] @ self.weight.mT
            self.weight += discounted(residual, P.beta).mT @ P.apply(discounted(rows[block], P.beta))

    def state_dict(self) -> dict[str, Any]:
        """Copy of the whole state."""
        return {"weight": self.weight.clone(), "inverse_correlation": self.inverse_correlation.state_dict()}

    @changes_state
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned.

        Raises:
            ValueError: if the state is of an estimator of another shape or other settings; nothing is changed then.
        """
        if state.keys() != {"weight", "inverse_correlation"}:
            raise ValueError(
                f"State mismatch: expected the keys 'weight' and 'inverse_correlation', got {sorted(state)}."
            )
        if state["weight"].shape != self.weight.shape:
            raise ValueError(
                f"State mismatch: expected weight as {tuple(self.weight.shape)}, got {tuple(state['weight'].shape)}."
            )
        self.inverse_correlation.load_state_dict(state["inverse_correlation"])
        self.weight.copy_(state["weight"])
