"""Several crops of one image, made on the device that has the whole of it."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ltr.admin.transfer import upload
from pytracking.features.preprocessing import CropGeometry
from pytracking.utils.types import Array


class Lines(NamedTuple):
    """Which two rows (or columns) of an image each one of a crop lies between, for n crops."""

    first: Array  # (n, k) int64
    second: Array  # (n, k) int64
    weight: Array  # (n, k) float32 of the second


def crop_together(
    image: Tensor,  # (H, W, 3) uint8
    geometries: Sequence[CropGeometry],
    output_sz: tuple[int, int],
) -> Tensor:  # (n, 3, *output_sz) float 0..255
    """What `preprocessing.crop` makes of each, but for the rounding of float32, with two transfers for all of them."""
    height, width = output_sz
    lines = [_lines(geometries, axis, image.shape[axis], output_sz[axis]) for axis in (0, 1)]
    places = np.concatenate([part for axis in lines for part in (axis.first, axis.second)], axis=1)
    top, bottom, left, right = upload(torch.from_numpy(places), image.device).split([height, height, width, width], 1)
    weights = np.concatenate([axis.weight for axis in lines], axis=1)
    down, across = upload(torch.from_numpy(weights), image.device).split([height, width], 1)
    across = across[:, None, :, None]

    def row(of_row: Tensor) -> Tensor:  # (n, h) -> (n, h, w, 3)
        start, end = (image[of_row[:, :, None], of_column[:, None]].float() for of_column in (left, right))
        return start.lerp_(end, across)

    return row(top).lerp_(row(bottom), down[:, :, None, None]).permute(0, 3, 1, 2)


def _lines(geometries: Sequence[CropGeometry], axis: int, extent: int, count: int) -> Lines:
    """Lines of one axis; positions are rounded as torch does when it resizes."""
    numbers = [(each.step, each.offset[axis], each.top_left[axis], each.bottom_right[axis]) for each in geometries]
    step, offset, low, high = np.array(numbers).T[:, :, None]  # (n, 1) each
    taken = high - low
    stretch = (taken / count).astype(np.float32)
    position = np.maximum(stretch * (np.arange(count, dtype=np.float32) + np.float32(0.5)) - np.float32(0.5), 0)
    first = position.astype(np.int64)
    last = -(-(extent - offset) // step) - 1  # of the subsampled image, whose edge is repeated

    def in_image(line: Array) -> Array:
        return offset + step * (low + line).clip(0, last)

    return Lines(in_image(first), in_image(np.minimum(first + 1, taken - 1)), position - first.astype(np.float32))
