"""Arithmetic of this package: in the dtype of its tensors, whatever the caller allows for networks."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

import torch
from torch import Tensor

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class OnDevice(Protocol):
    """Anything with a device."""

    device: torch.device


Owner = TypeVar("Owner", bound=OnDevice)


@contextmanager
def exact_arithmetic(device: torch.device) -> Iterator[None]:
    """Within, matrix products on the device have the precision of their tensors: no autocast, no TF32 or bfloat16.

    An error of P g is that of its factors times |x|²/δ, which TF32 (10 bits) and bfloat16 (7 bits) cannot afford.
    """
    with exact_products():
        if not torch.is_autocast_enabled(device.type):  # asking costs less than switching
            yield
            return
        with torch.autocast(device.type, enabled=False):
            yield


@contextmanager
def exact_products() -> Iterator[None]:
    """Within, matrix products of float32 tensors are IEEE float32 in the whole process.

    Its settings, of both of torch's interfaces to them, come back.
    """
    try:
        precision = torch.get_float32_matmul_precision()
    except RuntimeError:  # the newer settings, one for each backend, are in use and say something else
        precision = None
    if precision == "highest":  # asking costs less than switching
        yield
        return
    settings: Any = torch.backends  # whose types leave out what its modules make at run time
    backends = [each for each in (settings.cuda.matmul, settings.mkldnn.matmul) if hasattr(each, "fp32_precision")]
    before = [backend.fp32_precision for backend in backends]  # "none" inherits, and reads as what it inherits
    inherited = settings.fp32_precision if backends else None
    torch.set_float32_matmul_precision("highest")  # sets the backends, too
    try:
        yield
    finally:
        if precision is not None:
            torch.set_float32_matmul_precision(precision)
        for backend, own in zip(backends, before, strict=True):
            backend.fp32_precision = "none" if own == inherited else own


def changes_state(
    method: Callable[Concatenate[Owner, Arguments], Result],
) -> Callable[Concatenate[Owner, Arguments], Result]:
    """For methods that change tensors: exact arithmetic, no gradients, and no tensors of inference mode left behind.

    What inference mode makes may not be changed in place outside of it.
    """

    @wraps(method)
    def changing(self: Owner, *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        with exact_arithmetic(self.device), torch.inference_mode(False), torch.no_grad():
            return method(self, *args, **kwargs)

    return changing  # type: ignore[return-value]  # of `wraps`, whose type is not a function's


class OutsideInferenceMode:
    """Copies and unpickled objects whose tensors may be changed in place anywhere, whatever mode they were made in."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        with torch.inference_mode(False):
            owned = {name: v.clone() if isinstance(v, Tensor) and v.is_inference() else v for name, v in state.items()}
        self.__dict__.update(owned)
