"""The box that a tracker starts with."""

import math
from collections.abc import Sequence


def check_initial_box(
    box: Sequence[float],
    image_sz: tuple[int, int],  # h, w
) -> tuple[float, float, float, float]:
    """The box x, y, w, h as floats.

    Raises ValueError for a box that is not finite, has no area, or does not meet the image.
    """
    x, y, w, h = (float(value) for value in box)
    if not all(math.isfinite(value) for value in (x, y, w, h)) or w <= 0 or h <= 0:
        raise ValueError(f"expected an initial box x, y, w, h of positive width and height, found {[x, y, w, h]}")
    if x >= image_sz[1] or y >= image_sz[0] or x + w <= 0 or y + h <= 0:
        raise ValueError(
            f"expected an initial box that meets the image of {image_sz[1]}x{image_sz[0]} pixels, "
            f"found x, y, w, h = {[x, y, w, h]}"
        )
    return x, y, w, h
