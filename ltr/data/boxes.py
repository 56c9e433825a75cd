"""Random boxes for training: jittered search areas, and proposals of known overlap with the target.

Boxes are x, y, w, h, float64. All draws come from the generator that is given.
"""

import numpy as np

from ltr.common.boxes import overlap
from ltr.common.types import Array

PROPOSAL_SIGMAS = (0.01, 0.05, 0.1, 0.2, 0.3)  # in the side of the square of the box's area
DENSITY_SIGMAS = (0.05, 0.5)  # of a mixture of equal shares, in center over size and log size
SMALLEST_PROPOSAL = 1.0  # pixels a side
SHRINKING = 0.9  # of the noise, after a proposal that overlaps too little
MAX_REDRAWS = 100


def jittered_box(box: Array, center_factor: float, scale_factor: float, rng: np.random.Generator) -> Array:  # (4,)
    """Box whose sides have changed by exp(N(0, scale_factor)) each, and whose center has moved.

    The move is uniform within half of center_factor times the side of the square of its area, along each axis.
    """
    size = box[2:] * np.exp(rng.normal(size=2) * scale_factor)
    reach = np.sqrt(size.prod()) * center_factor
    center = box[:2] + box[2:] / 2 + reach * (rng.random(2) - 0.5)
    return np.concatenate((center - size / 2, size))


def propose_boxes(
    box: Array,  # (4,)
    num: int,
    min_iou: float,
    rng: np.random.Generator,
    sigmas: tuple[float, ...] = PROPOSAL_SIGMAS,
) -> tuple[Array, Array]:  # (num, 4), (num,) overlap with the box
    """Boxes whose center and sides have normal noise, of a deviation that is drawn for each box.

    Where the overlap is below `min_iou`, the box is drawn again with a smaller deviation.
    """
    center, size = box[:2] + box[2:] / 2, box[2:]
    spread = np.sqrt(size.prod()) * rng.choice(sigmas, size=num)
    proposals, iou = np.empty((num, 4)), np.zeros(num)
    missing = np.arange(num)
    for _ in range(MAX_REDRAWS):
        noise = rng.normal(size=(len(missing), 4)) * spread[missing, None]
        sides = np.maximum(size + noise[:, 2:], np.minimum(SMALLEST_PROPOSAL, size))
        proposals[missing] = np.concatenate((center + noise[:, :2] - sides / 2, sides), axis=1)
        iou[missing] = overlap(proposals[missing], box)
        missing = missing[iou[missing] < min_iou]
        if len(missing) == 0:
            break
        spread[missing] *= SHRINKING
    return proposals, iou


def draw_by_density(
    box: Array,  # (4,)
    num: int,
    target_sigma: float,
    rng: np.random.Generator,
    sigmas: tuple[float, ...] = DENSITY_SIGMAS,
) -> tuple[Array, Array, Array]:  # (num, 4), (num,) density they are drawn with, (num,) density of the target
    """Boxes from a mixture of Gaussians around a box, in its center over its size and the logarithm of its size.

    The target's density is a Gaussian there, too. Both are densities in these four numbers (PrDiMP).
    """
    noise = rng.normal(size=(num, 4)) * rng.choice(sigmas, size=num)[:, None]
    sides = box[2:] * np.exp(noise[:, 2:])
    center = box[:2] + box[2:] / 2 + noise[:, :2] * box[2:]
    drawn_with = np.mean([_gauss(noise, sigma) for sigma in sigmas], axis=0)
    return np.concatenate((center - sides / 2, sides), axis=1), drawn_with, _gauss(noise, target_sigma)


def _gauss(noise: Array, sigma: float) -> Array:  # (n, 4) -> (n,)
    density: Array = np.exp(-0.5 * np.square(noise / sigma).sum(axis=1)) / (2 * np.pi * sigma**2) ** 2
    return density
