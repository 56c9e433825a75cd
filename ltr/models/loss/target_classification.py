"""Losses of the target classifier."""

import torch
from torch import Tensor, nn


def lb_hinge(
    scores: Tensor,
    label: Tensor,  # same shape
    threshold: float,
) -> Tensor:  # scalar
    """Mean squared error of the scores, in which background only counts where it scores above zero (DiMP, Eq. 9).

    Background are the cells whose label lies below the threshold. There the wanted score is 0; elsewhere it is the
    label.

    Raises:
        ValueError: the shapes differ.
    """
    if scores.shape != label.shape:
        raise ValueError(f"Shape mismatch: expected scores and label alike, got {scores.shape} and {label.shape}.")
    residual = torch.where(label < threshold, scores.relu(), scores - label)
    return residual.square().mean()


class LBHinge(nn.Module):
    """`lb_hinge` with a fixed threshold."""

    def __init__(self, threshold: float = 0.05) -> None:
        super().__init__()
        self.threshold = threshold

    def forward(self, scores: Tensor, label: Tensor) -> Tensor:
        return lb_hinge(scores, label, self.threshold)

    def extra_repr(self) -> str:
        return f"threshold={self.threshold}"
