"""The hat function max(0, 1 - |t|), the kernel of bilinear interpolation, integrated over the bins of a pooling.

The mean of a cell's hat over a bin is the cell's weight in that bin. With c = clamp(u, -1, 1) the integral from 0 to u
is c - c|c|/2, and its derivative is 1 - |c|.
"""

import torch
from torch import Tensor

from ltr.common.types import Array


def hat_integral(u: Tensor) -> Tensor:
    """Integral of the hat from 0 to u; differentiable any number of times.

    The derivative 1 - |c| is 0 where the clamp ends: whatever subgradient the clamp takes for a box on the grid, the
    product is exact.
    """
    c = u.clamp(-1, 1)
    return c - 0.5 * c * c.abs()


def hat_integral_(u: Tensor) -> tuple[Tensor, Tensor]:
    """The integral and |c|, for gradients by hand: the derivative is 1 - |c|. `u` is overwritten."""
    c = u.clamp_(-1, 1)
    distance = c.abs()
    return torch.addcmul(c, c, distance, value=-0.5), distance


def host_hat_integral(u: Array) -> Array:
    """The integral for arrays of the host."""
    c = u.clip(-1, 1)
    integral: Array = c - 0.5 * c * abs(c)
    return integral


def inverse_sizes(sizes: Tensor) -> Tensor:
    """1 / size of every bin; 0 for bins without extent, which then weigh nothing."""
    # A zero that is made where the sizes are: a number would be copied from the host.
    return torch.where(sizes > 0, sizes.reciprocal(), sizes.new_zeros(()))
