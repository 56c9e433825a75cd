"""The precision of a network's arithmetic: what "float32" means, and parts of a network in less.

PyTorch computes convolutions of float32 tensors on a GPU in TF32, with 10 bits of mantissa, unless it is told not to,
and its settings are the process's: whoever imports this package may have set others. Trackers say what they compute in.
"""

import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Concatenate

import torch
from torch import Tensor, nn

from ltr.common.errors import InputError
from rls.precision import Arguments, Owner, Result, exact_products

HALF = {"bfloat16": torch.bfloat16, "float16": torch.float16}


@contextmanager
def float32_arithmetic(device: torch.device) -> Iterator[None]:
    """Within, products and convolutions of float32 tensors are IEEE float32: no TF32, no bfloat16, no autocast.

    Parts of a network that `compute_in` prepared keep their own precision. The process's settings come back when the
    last thread leaves; threads that compute meanwhile share them.
    """
    with _IEEE:
        if not torch.is_autocast_enabled(device.type):  # asking costs less than switching
            yield
            return
        with torch.autocast(device.type, enabled=False):
            yield


def in_float32(
    method: Callable[Concatenate[Owner, Arguments], Result],
) -> Callable[Concatenate[Owner, Arguments], Result]:
    """For methods of what has a `device`: computes in `float32_arithmetic`."""

    @functools.wraps(method)
    def computing(self: Owner, /, *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        with float32_arithmetic(self.device):
            return method(self, *args, **kwargs)

    return computing


def compute_in(part: nn.Module, dtype: str, device: str) -> nn.Module:
    """Let a part of a network compute in "tf32", "bfloat16" or "float16"; it takes and gives float32. Returns the part.

    Raises InputError where the device has no instructions for it, and would be slower than in float32.
    """
    if dtype != "tf32" and dtype not in HALF:
        raise InputError(f"expected a network dtype of float32, tf32, {', '.join(HALF)}, found '{dtype}'")
    if not computes_in(dtype, device):
        raise InputError(
            f"expected a processor with instructions for {dtype}, which '{device}' lacks; use the dtype float32"
        )
    if dtype == "tf32":
        part.register_forward_pre_hook(lambda *_: _TF32.enter())
        part.register_forward_hook(lambda *_: _TF32.leave(), always_call=True)  # also where the part raised
        return part
    part.to(HALF[dtype])
    part.register_forward_pre_hook(lambda _, inputs: tuple(_cast(value, HALF[dtype]) for value in inputs))
    part.register_forward_hook(lambda _, inputs, output: _cast(output, torch.float32))
    return part


def computes_in(dtype: str, device: str) -> bool:
    """Whether a device has instructions for products in this dtype, and does not put others in their place."""
    if torch.device(device).type == "cuda":
        with torch.cuda.device(device):
            if dtype == "bfloat16":
                return bool(torch.cuda.is_bf16_supported(including_emulation=False))
            # The first with float16 arithmetic; the first with tensor cores for TF32.
            return bool(torch.cuda.get_device_capability() >= ((5, 3) if dtype == "float16" else (8, 0)))
    # float16 is left to GPUs: its range is too small for networks that were trained without it in mind.
    return dtype == "bfloat16" and bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


class _Shared:
    """A context of the whole process for its threads: entered by the first that comes, left by the last that goes."""

    def __init__(self, make: Callable[[], AbstractContextManager[None]]) -> None:
        self._make = make
        self._context = make()
        self._inside = 0
        self._lock = threading.Lock()

    def enter(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._context = self._make()
                self._context.__enter__()
            self._inside += 1

    def leave(self) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._context.__exit__(None, None, None)

    def __enter__(self) -> None:
        self.enter()

    def __exit__(self, *_: object) -> None:
        self.leave()


@contextmanager
def _convolutions(allow_tf32: bool) -> Iterator[None]:
    """Convolutions of float32 tensors: of TF32 numbers on a GPU or not, and not of bfloat16 ones on a CPU."""
    backends: Any = torch.backends  # whose types leave out what its modules make at run time
    cudnn, mkldnn = backends.cudnn, backends.mkldnn
    try:
        allowed = cudnn.allow_tf32
    except RuntimeError:  # torch's newer settings, one for each operation, are in use and say something else
        allowed = None
    each = (cudnn.conv, cudnn.rnn, mkldnn.conv) if hasattr(backends, "fp32_precision") else ()
    before = [setting.fp32_precision for setting in each]  # "none" inherits, and reads as what it inherits
    inherited = (cudnn.fp32_precision, cudnn.fp32_precision, mkldnn.fp32_precision) if each else ()
    wanted = ("tf32", "tf32", "ieee") if allow_tf32 else ("ieee", "ieee", "ieee")
    cudnn.allow_tf32 = allow_tf32  # both interfaces are to say the same
    for setting, value in zip(each, wanted, strict=False):
        setting.fp32_precision = value
    try:
        yield
    finally:
        if allowed is not None:
            cudnn.allow_tf32 = allowed
        for setting, own, default in zip(each, before, inherited, strict=True):
            setting.fp32_precision = "none" if own == default else own


@contextmanager
def _ieee() -> Iterator[None]:
    with exact_products(), _convolutions(allow_tf32=False):
        yield


_IEEE = _Shared(_ieee)
_TF32 = _Shared(functools.partial(_convolutions, allow_tf32=True))


def _cast(value: Any, dtype: torch.dtype) -> Any:
    if isinstance(value, Tensor):
        return value.to(dtype)
    if isinstance(value, dict):
        return {key: _cast(entry, dtype) for key, entry in value.items()}
    return value
