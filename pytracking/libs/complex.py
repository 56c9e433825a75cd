"""Complex numbers in the form that pytracking keeps them: real tensors (..., 2) of real and imaginary part.

A tensor counts as complex where it has at least four dimensions, the last of extent 2. PyTorch's own complex types do
the arithmetic. All functions take TensorLists too, and raise ValueError where they ask for a complex tensor and get a
real one, or a real one with too many dimensions.
"""

from __future__ import annotations

import torch
from torch import Tensor

from pytracking.libs.tensorlist import tensor_operation


def is_complex(a: Tensor) -> bool:
    """Whether a tensor counts as complex."""
    return a.dim() >= 4 and a.shape[-1] == 2


def is_real(a: Tensor) -> bool:
    """Whether a tensor does not count as complex."""
    return not is_complex(a)


@tensor_operation
def mult(a: Tensor, b: Tensor) -> Tensor:
    """Product a b; one of the two may be real, with a dimension less."""
    a, b = _operands(a, b)
    return torch.view_as_real(a * b)


@tensor_operation
def mult_conj(a: Tensor, b: Tensor) -> Tensor:
    """Product a conj(b); one of the two may be real, with a dimension less."""
    a, b = _operands(a, b)
    return torch.view_as_real(a * b.conj())


@tensor_operation
def div(a: Tensor, b: Tensor) -> Tensor:
    """Quotient a / b; b may be real, with a dimension less."""
    divisor = _operands(a, b)[1]
    return torch.view_as_real(_native(a) / divisor)


@tensor_operation
def abs_sqr(a: Tensor) -> Tensor:
    """Squared absolute value."""
    return torch.view_as_real(_native(a)).square().sum(-1)


@tensor_operation
def abs(a: Tensor) -> Tensor:
    """Absolute value."""
    return _native(a).abs()


@tensor_operation
def conj(a: Tensor) -> Tensor:
    """Complex conjugate."""
    return torch.view_as_real(_native(a).conj().resolve_conj())


@tensor_operation
def real(a: Tensor) -> Tensor:
    """Real part."""
    return _native(a).real


@tensor_operation
def imag(a: Tensor) -> Tensor:
    """Imaginary part."""
    return _native(a).imag


@tensor_operation
def complex(a: Tensor | None, b: Tensor | None = None) -> Tensor:
    """Complex tensor (..., 2) of real and imaginary part (...); one that is None is zero."""
    some = a if a is not None else b
    assert some is not None
    return torch.stack([torch.zeros_like(some) if part is None else part for part in (a, b)], -1)


@tensor_operation
def mtimes(a: Tensor, b: Tensor, conj_a: bool = False, conj_b: bool = False) -> Tensor:
    """Matrix product of (..., m, k, 2) and (..., k, n, 2), conjugated if asked; one may be real, a dimension less."""
    a, b = _operands(a, b)
    a, b = (a.conj() if conj_a else a), (b.conj() if conj_b else b)
    common = torch.promote_types(a.dtype, b.dtype)
    return torch.view_as_real(a.to(common) @ b.to(common))


@tensor_operation
def exp_imag(a: Tensor) -> Tensor:  # (...) -> (..., 2)
    """exp(i a) of real a."""
    return torch.stack((a.cos(), a.sin()), -1)


def _native(a: Tensor) -> Tensor:
    if is_real(a):
        raise ValueError(
            f"expected a complex tensor, at least four dimensions and the last of 2, found {tuple(a.shape)}"
        )
    return torch.view_as_complex(a.contiguous())


def _operands(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Both operands as PyTorch takes them, at least one complex."""
    if is_real(a) and is_real(b):
        raise ValueError(f"expected a complex tensor among the operands, found {tuple(a.shape)} and {tuple(b.shape)}")
    if (is_real(a) and a.dim() >= b.dim()) or (is_real(b) and b.dim() >= a.dim()):
        raise ValueError(f"expected a real operand with fewer dimensions, found {tuple(a.shape)} and {tuple(b.shape)}")
    return (a if is_real(a) else _native(a)), (b if is_real(b) else _native(b))
