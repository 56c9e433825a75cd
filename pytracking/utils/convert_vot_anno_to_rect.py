"""VOT's rotated boxes as upright ones, under the name of pytracking."""

from __future__ import annotations

from collections.abc import Sequence as SequenceOf

import numpy as np

from ltr.common.errors import InputError
from ltr.common.types import Array
from ltr.dataset.annotations import polygons_to_boxes
from ltr.dataset.regions import box_preserving_area


def convert_vot_anno_to_rect(vot_anno: SequenceOf[float] | Array, type: str) -> list[float]:
    """Box x, y, w, h of four corners x1 y1 ... x4 y4; four numbers are a box already.

    'union': the smallest upright box around the corners; 'preserve_area': see `box_preserving_area`. Raises InputError
    for another type or another count of numbers.
    """
    numbers = [float(value) for value in vot_anno]
    if len(numbers) == 4:
        return numbers
    if len(numbers) != 8:
        raise InputError(f"expected 4 numbers of a box or 8 of its corners, found {len(numbers)}")
    if type not in ("union", "preserve_area"):
        raise InputError(f"expected type 'union' or 'preserve_area', found '{type}'")
    if type == "preserve_area":
        return box_preserving_area(numbers)
    return [float(value) for value in polygons_to_boxes(np.array([numbers]))[0]]
