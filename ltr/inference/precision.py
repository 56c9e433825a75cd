"""Parts of a network in lower precision than what is around them."""

from typing import Any

import torch
from torch import Tensor, nn

from ltr.common.errors import InputError

DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}


def compute_in(part: nn.Module, dtype: str, device: str) -> nn.Module:
    """Let a part of a network compute in "bfloat16" or "float16"; it takes and gives float32. Returns the part.

    Raises InputError where the device has no instructions for it, and would be slower than in float32.
    """
    if dtype not in DTYPES:
        raise InputError(f"expected a network dtype of float32, {', '.join(DTYPES)}, found '{dtype}'")
    if not computes_in(dtype, device):
        raise InputError(
            f"expected a processor with instructions for {dtype}, which '{device}' lacks; use the dtype float32"
        )
    part.to(DTYPES[dtype])
    part.register_forward_pre_hook(lambda _, inputs: tuple(_cast(value, DTYPES[dtype]) for value in inputs))
    part.register_forward_hook(lambda _, inputs, output: _cast(output, torch.float32))
    return part


def computes_in(dtype: str, device: str) -> bool:
    """Whether a device has instructions for products in this dtype, and does not put others in their place."""
    if torch.device(device).type == "cuda":
        with torch.cuda.device(device):
            if dtype == "float16":
                return torch.cuda.get_device_capability() >= (5, 3)  # the first with float16 arithmetic
            return torch.cuda.is_bf16_supported(including_emulation=False)
    # float16 is left to GPUs: its range is too small for networks that were trained without it in mind.
    return dtype == "bfloat16" and bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def _cast(value: Any, dtype: torch.dtype) -> Any:
    if isinstance(value, Tensor):
        return value.to(dtype)
    if isinstance(value, dict):
        return {key: _cast(entry, dtype) for key, entry in value.items()}
    return value
