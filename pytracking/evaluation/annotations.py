"""Text files of boxes: one row per frame, whatever the separator and the line ends."""

import math
import re
from collections.abc import Collection
from pathlib import Path

import numpy as np

from pytracking.utils.errors import InputError

_SEPARATOR = re.compile(r"[ \t]*[,;][ \t]*|[ \t]+")


def read_table(path: Path, columns: int | Collection[int], absent: bool = False) -> np.ndarray:
    """Rows of numbers as float64 (N, C), separated by comma, semicolon, tab or spaces.

    `columns` is the number of columns, or the numbers allowed; all rows have the same. NaN is accepted only with
    `absent`, for data sets that mark frames without target that way.
    Raises InputError naming file and line for a missing file, a malformed row, another number of columns, or NaN.
    """
    allowed = {columns} if isinstance(columns, int) else set(columns)
    rows: list[list[float]] = []
    for number, line in enumerate(_lines(path), start=1):
        row = _parse(path, number, line, absent)
        if len(row) not in allowed or (rows and len(row) != len(rows[0])):
            expected = " or ".join(str(n) for n in ([len(rows[0])] if rows else sorted(allowed)))
            raise InputError(f"{path}, line {number}: expected {expected} numbers, found {len(row)}: {line!r}")
        rows.append(row)
    if not rows:
        raise InputError(f"{path}: expected one row of numbers per frame, found an empty file")
    return np.array(rows, dtype=np.float64)


def read_boxes(path: Path, one_based: bool = False, absent: bool = False) -> np.ndarray:
    """Rows `x y w h` as 0-based boxes, float64 (N, 4); `one_based` files count from 1. Raises as `read_table`."""
    boxes = read_table(path, columns=4, absent=absent)
    if one_based:
        boxes[:, :2] -= 1
    return boxes


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"cannot read annotation {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"annotation {path} is no text file: {error}") from error
    return [line.strip() for line in text.rstrip().splitlines()]


def _parse(path: Path, number: int, line: str, absent: bool) -> list[float]:
    try:
        row = [float(cell) for cell in _SEPARATOR.split(line)]
    except ValueError as error:
        raise InputError(f"{path}, line {number}: expected numbers, found {line!r}") from error
    if any(math.isinf(value) for value in row) or (not absent and any(math.isnan(value) for value in row)):
        raise InputError(f"{path}, line {number}: expected finite numbers, found {line!r}; correct the row")
    return row
