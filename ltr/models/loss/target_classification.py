"""Losses of the target classifier."""

import torch
from torch import Tensor


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
