"""Results that do not have one row for each frame: which row belongs to which frame, and what is said about it.

A benchmark's toolkit cuts what is too long and fills what is too short. So does this project, by the same rules, but
never without a word: scoring warns with `RowCountWarning`, and reports list such results.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from ltr.common.errors import InputError
from ltr.common.types import Array
from ltr.dataset.frame_files import images_in
from pytracking.evaluation.data import Sequence
from pytracking.scoring.conventions import Rules

Offsets = Mapping[int, int]  # rows of a result -> how many of them stand before the sequence's first frame
NO_OFFSETS: Offsets = MappingProxyType({})
_FILLED = {
    "repeat": "the last box stands for the {} missing ones",
    "zeros": "boxes of zeros stand for the {} missing ones",
    "error": "{} are missing",
}


class RowCountWarning(UserWarning):
    """A result has more or fewer rows than its sequence has frames."""


def row_offsets(sequence: Sequence) -> dict[int, int]:
    """The row counts that say that a result begins before the sequence does, and by how many rows.

    Some sequences leave out the first images of their video: OTB's Tiger1 begins at the 6th, David at the 300th. Other
    toolkits give a row for each number up to the last frame, or for each image of the folder.
    """
    before = sequence.frames_before
    if not before:
        return {}
    frames = len(sequence.ground_truth_rect)
    offsets = {frames + before: before}
    try:
        first = sequence.frames[0]
    except (InputError, OSError, IndexError):
        return offsets
    images = sorted(path.name for path in images_in(first.parent))
    if len(images) > frames and first.name in images:
        offsets[len(images)] = images.index(first.name)
    return offsets


def row_text(rows: int, frames: int, rules: Rules, offsets: Offsets = NO_OFFSETS) -> str:
    """What becomes of a result with another number of rows than the sequence has frames; empty where they agree."""
    if rows == frames:
        return ""
    before = offsets.get(rows, 0)
    after = rows - before - frames
    parts = [f"the first {before}, of images before the sequence, are left out"] if before else []
    parts += [f"the last {after} are left out"] if after > 0 else []
    parts += [_FILLED[rules.short_result].format(-after)] if after < 0 else []
    return f"{rows} rows for {frames} frames: {' and '.join(parts)}"


def row_numbers(rows: int, frames: int, offsets: Offsets = NO_OFFSETS) -> Array:
    """Row of each frame, int (frames,): the last one again where there are too few."""
    before = offsets.get(rows, 0) if rows != frames else 0
    return np.minimum(np.arange(before, before + frames), rows - 1)


def frame_rows(rows: Array, frames: int, offsets: Offsets) -> Array:
    """The rows (M, ...) of a result that belong to frames of the sequence, as many as there are of them."""
    before = offsets.get(len(rows), 0)
    return rows[before : before + frames]
