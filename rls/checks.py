"""Argument checks: each raises ValueError or TypeError saying what was expected and what was found."""

import torch
from torch import Tensor

FLOAT_DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def check_at_least_one(name: str, value: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"Expected {name} to be an integer of at least 1, got {value!r}.")
    return value


def check_positive(name: str, value: float) -> float:
    if not 0 < value < float("inf"):
        raise ValueError(f"Expected {name} to be positive and finite, got {value}.")
    return float(value)


def check_non_negative(name: str, value: float) -> float:
    if not 0 <= value < float("inf"):
        raise ValueError(f"Expected {name} to be zero or positive and finite, got {value}.")
    return float(value)


def check_forgetting_factor(beta: float) -> float:
    if not 0 < beta <= 1:
        raise ValueError(f"Expected the forgetting factor beta in (0, 1], got {beta}.")
    return float(beta)


def check_dtype(dtype: torch.dtype) -> torch.dtype:
    if dtype not in FLOAT_DTYPES:
        names = ", ".join(str(known) for known in FLOAT_DTYPES)
        raise TypeError(f"Dtype mismatch: expected one of {names}, got {dtype}.")
    return dtype


def check_choice(name: str, value: str, choices: tuple[str, ...]) -> str:
    if value not in choices:
        raise ValueError(f"Expected {name} to be one of {', '.join(map(repr, choices))}, got {value!r}.")
    return value


def check_real_floating(name: str, tensor: Tensor) -> None:
    if not tensor.is_floating_point():
        raise TypeError(f"Dtype mismatch: expected {name} to hold real floating-point numbers, got {tensor.dtype}.")


def check_last_dim(name: str, tensor: Tensor, dim: int, layouts: str) -> None:
    if tensor.ndim == 0 or tensor.shape[-1] != dim:
        raise ValueError(f"Shape mismatch: expected {name} as {layouts} with dim = {dim}, got {tuple(tensor.shape)}.")


def check_device(name: str, tensor: Tensor, device: torch.device) -> None:
    if tensor.device != device:
        raise ValueError(f"Device mismatch: expected {name} on {device}, got {tensor.device}.")
