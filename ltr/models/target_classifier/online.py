"""Online gradient descent on the target filter's loss, plain (BGD-DiMP) and preconditioned by RLS (RLS-DiMP).

They stand in for DiMP's steepest descent after the first frame and minimize the same loss.
"""

from __future__ import annotations

from typing import Literal, Protocol

import torch
from torch import Tensor

from ltr.models.target_classifier.loss import FilterLoss
from rls.base import InverseCorrelation
from rls.checks import check_choice
from rls.inverse_correlation import make_inverse_correlation

Optimized = tuple[Tensor, list[Tensor], list[Tensor]]  # filter, every iterate, losses


class FilterLearner(Protocol):
    """What improves a filter on samples: DiMP's steepest descent, or an online optimizer in its place."""

    def __call__(
        self,
        weights: Tensor,  # (1, C, k, k)
        feat: Tensor,  # (N, C, H, W)
        bb: Tensor,  # (N, 4) xywh in crop pixels
        sample_weight: Tensor | None = None,  # (N,)
        num_iter: int | None = None,
        compute_losses: bool = True,
    ) -> Optimized: ...


class LossOfSamples(Protocol):
    """The network's part of the loss: `DiMPSteepestDescentGN`, whose learnt maps define it."""

    def loss(
        self,
        feat: Tensor,  # (N, C, H, W)
        bb: Tensor,  # (N, 4) xywh in crop pixels
        filter_size: int,
        sample_weight: Tensor | None = None,  # (N,)
    ) -> FilterLoss: ...


class FilterPreconditioner:
    """P of all virtual inputs so far, which multiplies the gradients of a filter (Eq. 41).

    P starts at I / delta, and is kept until `reset`. `reset_interval` n sets it back to I / delta at every n-th update
    (authors' code: 100, against the errors of its float16 P).
    """

    def __init__(
        self,
        delta: float = 0.1,
        beta: float = 1.0,
        estimator: Literal["low_rank", "dense"] = "low_rank",
        dtype: torch.dtype = torch.float32,
        max_rank: int | None = 256,
        reset_interval: int | None = None,
    ) -> None:
        check_choice("estimator", estimator, ("low_rank", "dense"))
        self.delta = delta
        self.beta = beta
        self.estimator = estimator
        self.dtype = dtype
        self.max_rank = max_rank
        self.reset_interval = reset_interval
        self.num_updates = 0
        self.P: InverseCorrelation | None = None  # made by the first update, which knows its size

    def reset(self) -> None:
        """Back to P = I / delta."""
        self.num_updates = 0
        if self.P is not None:
            self.P.reset()

    def update(self, virtual_input: Tensor) -> None:  # (C * k * k,)
        """Take a virtual input into P (Eq. 18, 19). Raises what `InverseCorrelation.update` raises."""
        if self.P is None:
            self.P = make_inverse_correlation(
                self.estimator,
                len(virtual_input),
                self.delta,
                self.beta,
                self.max_rank,
                self.dtype,
                virtual_input.device,
            )
        self.P.update(virtual_input.to(self.dtype))
        self.num_updates += 1
        if self.reset_interval is not None and self.num_updates % self.reset_interval == 0:
            self.P.reset()

    def apply(self, gradient: Tensor) -> Tensor:  # (1, C, k, k)
        """∇L P."""
        assert self.P is not None
        flat = gradient.reshape(1, -1).to(self.dtype)
        return self.P.apply(flat).to(gradient.dtype).reshape(gradient.shape)


class BatchGradientDescent:
    """BGD-DiMP: `num_iter` steps f <- f - step_length * gradient, then f <- (1 - a) f_before + a f.

    `loss` is the network's `DiMPSteepestDescentGN`, whose learnt maps define the loss; `ema_coefficient` is a, the
    alpha of the paper's moving-average baselines (1: no averaging).
    """

    preconditioner: FilterPreconditioner | None = None
    virtual_input_stride = 1

    def __init__(
        self, loss: LossOfSamples, step_length: float, num_iter: int = 5, ema_coefficient: float = 1.0
    ) -> None:
        if step_length <= 0 or not 0 < ema_coefficient <= 1:
            raise ValueError(
                "expected step_length > 0 and 0 < ema_coefficient <= 1, "
                f"found step_length={step_length}, ema_coefficient={ema_coefficient}"
            )
        self.loss = loss
        self.step_length = step_length
        self.num_iter = num_iter
        self.ema_coefficient = ema_coefficient
        self.gradient_norms: list[tuple[Tensor, Tensor]] = []  # of the last call that computed losses; see `update`

    def reset(self) -> None:
        """Forget what earlier calls left behind; called at the first frame of a video."""
        if self.preconditioner is not None:
            self.preconditioner.reset()

    @torch.no_grad()
    def update(
        self,
        weights: Tensor,  # (1, C, k, k)
        feat: Tensor,  # (N, C, H, W)
        bb: Tensor,  # (N, 4) xywh in crop pixels
        sample_weight: Tensor | None = None,  # (N,)
        num_iter: int | None = None,
        compute_losses: bool = True,
    ) -> Optimized:
        """Updated filter, its iterates (the first is the start) and the losses before each step and at the end.

        With the losses come the norms of the gradient and of what becomes of it, in `gradient_norms`, for each step.
        The two lines that make RLS-DiMP of BGD-DiMP are those with the preconditioner (Algorithm 2).
        """
        num_iter = self.num_iter if num_iter is None else num_iter
        loss = self.loss.loss(feat, bb, weights.shape[-1], sample_weight)
        start, iterates, losses, norms = weights, [weights], [], []
        for iteration in range(num_iter):
            scores = loss.scores(weights)
            if iteration == 0 and self.preconditioner is not None:
                gradient, virtual_input = loss.gradient_and_virtual_input(weights, scores, self.virtual_input_stride)
                self.preconditioner.update(virtual_input)  # once in a call: P_n by Eq. 18 and 19, x_n by Eq. 44
            else:
                gradient = loss.gradient(weights, scores)
            direction = gradient if self.preconditioner is None else self.preconditioner.apply(gradient)  # Eq. 41
            if compute_losses:
                losses.append(loss.value(weights, scores))
                norms.append((gradient.norm(), direction.norm()))
            weights = weights - self.step_length * direction
            iterates.append(weights)
        if self.ema_coefficient < 1:
            weights = torch.lerp(start, weights, self.ema_coefficient)
            iterates.append(weights)
        if compute_losses:
            losses.append(loss.value(weights, loss.scores(weights)))
            self.gradient_norms = norms
        return weights, iterates, losses

    __call__ = update


class RLSBatchGradientDescent(BatchGradientDescent):
    """RLS-DiMP: every gradient is multiplied by the inverse correlation matrix P of all virtual inputs so far (Eq. 41).

    P is updated once in a call, before the first step, with the virtual input of the current samples (Eq. 44), and is
    kept between calls; see `FilterPreconditioner`. `virtual_input_stride` 1 sums over all score positions (paper), 2
    over every second one (authors' code).
    """

    preconditioner: FilterPreconditioner

    def __init__(
        self,
        loss: LossOfSamples,
        step_length: float,
        num_iter: int = 5,
        ema_coefficient: float = 1.0,
        delta: float = 0.1,
        beta: float = 1.0,
        estimator: Literal["low_rank", "dense"] = "low_rank",
        dtype: torch.dtype = torch.float32,
        max_rank: int | None = 256,
        virtual_input_stride: int = 1,
        reset_interval: int | None = None,
    ) -> None:
        super().__init__(loss, step_length, num_iter, ema_coefficient)
        self.preconditioner = FilterPreconditioner(delta, beta, estimator, dtype, max_rank, reset_interval)
        self.virtual_input_stride = virtual_input_stride

    @property
    def P(self) -> InverseCorrelation | None:
        """None before the first update."""
        return self.preconditioner.P
