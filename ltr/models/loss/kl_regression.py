"""Loss of a regressor that gives densities of boxes (Danelljan et al., CVPR 2020)."""

import math

import torch
from torch import Tensor


def kl_regression(
    scores: Tensor,  # (..., n) unnormalized log-densities s of n proposals
    proposal_density: Tensor,  # (..., n) q > 0, that the proposals were drawn with
    target_density: Tensor,  # (..., n) p, that is wanted
) -> Tensor:  # scalar
    """KL divergence of the scores' density from p, by Monte Carlo: log(1/n sum exp(s) / q) - 1/n sum s p / q.

    The entropy of p is left out, which no score changes. The mean over all axes but the last.

    Raises:
        ValueError: the shapes differ.
    """
    if not scores.shape == proposal_density.shape == target_density.shape:
        raise ValueError(
            "Shape mismatch: expected scores and densities alike, "
            f"got {tuple(scores.shape)}, {tuple(proposal_density.shape)} and {tuple(target_density.shape)}."
        )
    partition = torch.logsumexp(scores - proposal_density.log(), dim=-1) - math.log(scores.shape[-1])
    return (partition - (scores * target_density / proposal_density).mean(dim=-1)).mean()
