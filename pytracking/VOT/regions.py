"""Regions as VOT's files give them: boxes, polygons of four corners, and marks of restarts and failures."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pytracking.utils.errors import InputError
from pytracking.utils.types import Array

SKIPPED, INITIALIZED, FAILED = 0, 1, 2  # marks, as the files write them
BOX, POLYGON = 4, 8  # regions, by the count of their numbers

_BINARY_VERSION = 1
_BINARY_MARK, _BINARY_BOX, _BINARY_POLYGON = 0, 1, 2


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
            elif not np.isnan(row).any() or np.isinf(row).any():
                raise ValueError(f"row {index + 1}: expected finite numbers, found {row}")
        return cls(kinds, values)


def read_regions(path: Path) -> Regions:
    """A file of VOT, one region or mark a frame: text, or vot-toolkit's binary form (`.bin`).

    Raises InputError for a missing or malformed file and for masks, which the years 2016 to 2019 do not have.
    """
    try:
        data = path.read_bytes()
        rows = _binary_rows(data) if path.suffix == ".bin" else _text_rows(data.decode("utf-8-sig"))
        return Regions.from_rows(rows)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    except (ValueError, struct.error) as error:
        raise InputError(f"{path}: {error}") from error


def format_row(row: Iterable[float]) -> str:
    """One line of VOT's text form: a mark as an integer, a region with four decimals."""
    values = list(row)
    return f"{values[0]:.0f}" if len(values) == 1 else ",".join(f"{value:.4f}" for value in values)


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


def initial_box(row: Iterable[float]) -> list[float]:
    """Box that a tracker is started with for a region of 4 or 8 numbers. Raises ValueError for any other."""
    values = [float(value) for value in row]
    if len(values) == BOX and np.isfinite(values).all():
        return values
    return box_preserving_area(values)


def _text_rows(text: str) -> Iterable[list[float]]:
    for number, line in enumerate(text.split("\n") if text.strip() else [], start=1):
        cells = line.strip().replace("\t", ",").split(",")
        if line.startswith("m"):
            raise ValueError(f"line {number}: expected a box or a polygon, found a mask")
        if line.strip():
            try:
                yield [float(cell) for cell in cells]
            except ValueError:
                raise ValueError(f"line {number}: expected numbers, found {line.strip()!r}") from None
        elif text.split("\n", number)[-1].strip():
            raise ValueError(f"line {number}: expected a region or a mark, found an empty line")


def _binary_rows(data: bytes) -> Iterable[list[float]]:
    """Rows of `<version int16> <length uint32>` and tagged regions, little endian."""
    version, length = struct.unpack_from("<hI", data)
    if version != _BINARY_VERSION:
        raise ValueError(f"expected version {_BINARY_VERSION} of vot-toolkit's binary form, found {version}")
    offset = struct.calcsize("<hI")
    for number in range(1, length + 1):
        (tag,) = struct.unpack_from("<B", data, offset)
        offset += 1
        if tag == _BINARY_POLYGON:
            (corners,) = struct.unpack_from("<H", data, offset)
            layout = f"<H{2 * corners}f"
            row = struct.unpack_from(layout, data, offset)[1:]
        elif tag in (_BINARY_MARK, _BINARY_BOX):
            layout = "<I" if tag == _BINARY_MARK else "<4f"
            row = struct.unpack_from(layout, data, offset)
        else:
            raise ValueError(f"frame {number}: expected a mark, a box or a polygon, found a region of kind {tag}")
        offset += struct.calcsize(layout)
        yield [float(value) for value in row]
