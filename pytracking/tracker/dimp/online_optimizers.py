"""The online optimizers of the DiMP family: their parameters, and how each is made of them.

Parameter files are listed without loading PyTorch, so the functions that make optimizers import what they need.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ltr.common.errors import unknown_name
from pytracking.utils.params import Count, NonNegative, Positive, PositiveInt, PositiveShare, Share, TypedParams

if TYPE_CHECKING:
    from ltr.models.target_classifier.online import FilterLearner


@dataclass(kw_only=True)
class OnlineOptimizerParams(TypedParams):
    """What the parameter file says of the optimizer; `DiMPParams` has the rest."""

    net_opt_update_iter: Count = 2  # iterations of a scheduled update
    online_optimizer: str = "steepest_descent"  # or bgd, rls_bgd, rls_sd: a name in `ONLINE_OPTIMIZERS`
    guard_updates: bool = True  # undo an update that raises the loss, see `UpdateGuard`; False: the paper's form
    online_step_length: NonNegative = 3e-3  # eta of BGD and RLS-BGD
    ema_coefficient: Share = 1.0  # alpha of the moving average of filters; 1: none
    rls_delta: Positive = 0.1  # regularizer: P starts at I / delta
    rls_beta: PositiveShare = 1.0  # forgetting factor
    rls_estimator: Literal["low_rank", "dense"] = "low_rank"  # how P is kept: a bounded number of columns, or all of it
    rls_dtype: Literal["float32", "float16", "bfloat16"] = "float32"  # of the dense P
    rls_max_rank: PositiveInt | None = 240  # columns of P; at p = 8192 it then stays below 8 MiB
    rls_virtual_inputs: PositiveInt = 1  # rows of an update of P: the virtual input, and sketches with random signs
    rls_virtual_input_stride: PositiveInt = 1  # 1: all score positions (paper), 2: every second one (authors' code)
    rls_reset_interval: PositiveInt | None = None  # updates after which P starts again (authors' code: 100)

    def validate(self) -> None:
        super().validate()
        _maker(self.online_optimizer)


# The network's steepest descent, the second argument, defines the loss.
MakeOptimizer = Callable[[OnlineOptimizerParams, Any], "FilterLearner"]


def _schedule(params: OnlineOptimizerParams) -> dict[str, Any]:
    return {"num_iter": params.net_opt_update_iter, "ema_coefficient": params.ema_coefficient}


def _descent(params: OnlineOptimizerParams) -> dict[str, Any]:
    return {"step_length": params.online_step_length, **_schedule(params)}


def _inverse_correlation(params: OnlineOptimizerParams) -> dict[str, Any]:
    import torch

    return {
        "delta": params.rls_delta,
        "beta": params.rls_beta,
        "estimator": params.rls_estimator,
        "dtype": getattr(torch, params.rls_dtype),
        "max_rank": params.rls_max_rank,
        "virtual_input_stride": params.rls_virtual_input_stride,
        "reset_interval": params.rls_reset_interval,
        "virtual_inputs": params.rls_virtual_inputs,
    }


def steepest_descent(params: OnlineOptimizerParams, loss: Any) -> FilterLearner:
    """DiMP: the optimizer of the first frame goes on."""
    learner: FilterLearner = loss
    return learner


def bgd(params: OnlineOptimizerParams, loss: Any) -> FilterLearner:
    """BGD-DiMP and its moving averages."""
    from ltr.models.target_classifier.online import BatchGradientDescent

    return BatchGradientDescent(loss, **_descent(params))


def rls_bgd(params: OnlineOptimizerParams, loss: Any) -> FilterLearner:
    """RLS-DiMP."""
    from ltr.models.target_classifier.online import RLSBatchGradientDescent

    return RLSBatchGradientDescent(loss, **_descent(params), **_inverse_correlation(params))


def rls_sd(params: OnlineOptimizerParams, loss: Any) -> FilterLearner:
    """RLS-DiMP whose step length is the Gauss-Newton one."""
    from ltr.models.target_classifier.online import RLSSteepestDescent

    return RLSSteepestDescent(loss, **_schedule(params), **_inverse_correlation(params))


# By the name in the parameter `online_optimizer`; an optimizer of one's own is added here from its own file.
ONLINE_OPTIMIZERS: dict[str, MakeOptimizer] = {
    "steepest_descent": steepest_descent,
    "bgd": bgd,
    "rls_bgd": rls_bgd,
    "rls_sd": rls_sd,
}


def make_online_optimizer(params: OnlineOptimizerParams, loss: Any) -> FilterLearner:
    """Online optimizer of a parameter file, on the loss that the network's steepest descent defines.

    Raises InputError, with the known names, for an unknown one.
    """
    return _maker(params.online_optimizer)(params, loss)


def _maker(name: str) -> MakeOptimizer:
    if name not in ONLINE_OPTIMIZERS:
        raise unknown_name("online_optimizer", name, ONLINE_OPTIMIZERS)
    return ONLINE_OPTIMIZERS[name]
