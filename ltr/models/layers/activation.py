"""Score activation of DiMP: between rectifier and identity, chosen per cell by the target mask."""

from torch import Tensor


def leaky_relu_par(scores: Tensor, mask: Tensor) -> Tensor:
    """a(s) = (1 - m)/2 |s| + (1 + m)/2 s: the identity where m = 1, a rectifier where m = 0. Shapes equal."""
    return (1 - mask) / 2 * scores.abs() + (1 + mask) / 2 * scores


def leaky_relu_par_derivative(scores: Tensor, mask: Tensor) -> Tensor:
    """a'(s) = (1 - m)/2 sign(s) + (1 + m)/2, with sign(0) = 0."""
    return (1 - mask) / 2 * scores.sign() + (1 + mask) / 2
