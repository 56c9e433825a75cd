"""Boxes, polygons and marks, one for each frame, as VOT's text files give them.

The one reader of such files: of evaluation data sets, of training data and of the VOT experiments.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ltr.common.errors import InputError
from ltr.common.types import Array
from ltr.dataset.annotations import boxes_to_polygons, polygons_to_boxes, read_lines, read_rows

SKIPPED, INITIALIZED, FAILED = 0, 1, 2  # marks, as the files write them
BOX, POLYGON = 4, 8  # regions, by the count of their numbers


@dataclass(frozen=True)
class Regions:
    """One region, or one mark, for each frame."""

    kinds: Array  # (N,) ints: SKIPPED, INITIALIZED, FAILED, BOX or POLYGON
    values: Array  # (N, 8) float64: x y w h of a box, x1 y1 ... x4 y4 of a polygon; NaN elsewhere

    def __len__(self) -> int:
        return len(self.kinds)

    @property
    def is_region(self) -> Array:
        """Whether there is a box or a polygon, bool (N,)."""
        return np.asarray(self.kinds >= BOX)

    @property
    def boxes(self) -> Array:
        """Boxes x, y, w, h (N, 4): of a polygon the smallest upright one around it; NaN where there is no region."""
        boxes: Array = np.where((self.kinds == POLYGON)[:, None], polygons_to_boxes(self.values), self.values[:, :4])
        return boxes

    @property
    def polygons(self) -> Array:
        """Four corners each (N, 8), also of boxes; NaN where there is no region."""
        corners: Array = np.where((self.kinds == BOX)[:, None], boxes_to_polygons(self.values[:, :4]), self.values)
        return corners

    def row(self, index: int) -> list[float]:
        """The numbers of one frame: 4, 8, or the mark alone."""
        kind = int(self.kinds[index])
        return [float(value) for value in self.values[index, :kind]] if kind >= BOX else [float(kind)]

    def at(self, indices: Array | slice) -> Regions:
        """The regions of some frames."""
        return Regions(self.kinds[indices], self.values[indices])

    @classmethod
    def from_rows(cls, rows: Iterable[Iterable[float]]) -> Regions:
        """Regions from rows of 1, 4 or 8 numbers; rows of NaN are SKIPPED. Raises ValueError for other rows."""
        cells = [[float(value) for value in row] for row in rows]
        kinds = np.zeros(len(cells), dtype=np.int64)
        values = np.full((len(cells), POLYGON), np.nan)
        for index, row in enumerate(cells):
            if len(row) not in (1, BOX, POLYGON) or (len(row) == 1 and row[0] not in (SKIPPED, INITIALIZED, FAILED)):
                raise ValueError(f"row {index + 1}: expected 0, 1, 2, or a region of 4 or 8 numbers, found {row}")
            if len(row) == 1:
                kinds[index] = int(row[0])
            elif np.isfinite(row).all():
                kinds[index] = len(row)
                values[index, : len(row)] = row
            elif not np.isnan(row).all():
                raise ValueError(f"row {index + 1}: expected finite numbers, or NaN in all columns, found {row}")
        return cls(kinds, values)


def box_preserving_area(polygon: Iterable[float]) -> list[float]:
    """Upright box x, y, w, h in place of a rotated one, `x1 y1 ... x4 y4`, as pytracking converts VOT's polygons.

    It has the center of the corners and the aspect of the smallest upright box around them, shrunk to the area of the
    rotated box; one pixel is added to each side, because the corners are centers of pixels.
    Raises ValueError for anything but eight finite numbers.
    """
    corners = np.array([float(value) for value in polygon])
    if corners.shape != (8,) or not np.isfinite(corners).all():
        raise ValueError(f"expected a polygon of four corners, x1 y1 ... x4 y4, found {corners.tolist()}")
    corners = corners.reshape(4, 2)
    center, extent = corners.mean(axis=0), np.ptp(corners, axis=0)
    area = np.linalg.norm(corners[0] - corners[1]) * np.linalg.norm(corners[1] - corners[2])
    around = extent.prod()
    shrink = np.sqrt(area / around) if around > 0 else 1.0
    w, h = shrink * extent + 1
    return [float(center[0] - w / 2), float(center[1] - h / 2), float(w), float(h)]


def read_text_regions(path: Path) -> Regions:
    """A text file with a box, a polygon or a mark a row. Raises InputError naming file and line, also for masks."""
    for number, line in enumerate(read_lines(path), start=1):
        if line.startswith("m"):
            raise InputError(f"{path}, line {number}: expected a box or a polygon, found a mask")
    rows = read_rows(path, (1, BOX, POLYGON))
    try:
        return Regions.from_rows(rows)
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error


def read_annotation(path: Path) -> Regions:
    """A file of ground truth: boxes and polygons, NaN or 0 in frames without target. Raises as `read_text_regions`.

    The marks 1 and 2, of starts and failures, are for results alone.
    """
    regions = read_text_regions(path)
    wrong = np.flatnonzero((regions.kinds == INITIALIZED) | (regions.kinds == FAILED))
    if len(wrong):
        raise InputError(
            f"{path}, line {wrong[0] + 1}: expected a box or a polygon, found {regions.kinds[wrong[0]]}, "
            "a mark of results"
        )
    return regions
