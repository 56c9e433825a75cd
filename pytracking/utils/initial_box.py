"""The gate for the box that a tracker starts with."""

import math
from typing import Any

from ltr.common.errors import InputError

LARGEST = 10  # sides of the image that a side of the box may have


def initial_box(info: Any, image_sz: tuple[int, int]) -> list[float]:  # h, w
    """Box x, y, w, h of `info["init_bbox"]`, for an image of this size.

    It may reach beyond the image, where a target enters it. Raises InputError where there is no box of four finite
    numbers, for one without area, wholly outside of the image or many times as large, and for one relative to the
    image's size.
    """
    try:
        box = info["init_bbox"]
    except (TypeError, KeyError):
        raise InputError(f"expected the first box as info['init_bbox'] = [x, y, w, h], found info = {info!r}") from None
    numbers = _numbers(box)
    x, y, w, h = numbers
    if w <= 0 or h <= 0:
        raise InputError(f"expected an initial box x, y, w, h of positive width and height, found {numbers}")
    height, width = image_sz
    if all(abs(value) <= 1 for value in numbers):
        pixels = [x * width, y * height, w * width, h * height]
        raise InputError(
            f"expected an initial box x, y, w, h in pixels, found {numbers}, less than a pixel; if it is relative to "
            f"the image of {width}x{height} pixels, give {[round(value, 2) for value in pixels]}"
        )
    if x >= width or y >= height or x + w <= 0 or y + h <= 0:
        raise InputError(
            f"expected an initial box that meets the image of {width}x{height} pixels, found x, y, w, h = {numbers}"
        )
    if w > LARGEST * width or h > LARGEST * height:
        raise InputError(
            f"expected an initial box of the order of the image of {width}x{height} pixels, "
            f"found x, y, w, h = {numbers}; give it in pixels of this image"
        )
    return numbers


def _numbers(box: Any) -> list[float]:
    try:
        values = [float(value) for value in box]
    except (TypeError, ValueError):
        values = []
    if isinstance(box, (str, bytes, dict)) or len(values) != 4 or not all(map(math.isfinite, values)):
        raise InputError(
            f"expected an initial box of four finite numbers x, y, w, h, found {box!r}; for several targets, start a "
            "tracker for each"
        )
    return values
