"""Text files of boxes, polygons and flags: one row per frame, whatever the separator and the line ends.

A comma separates numbers (`10,20`, `10, 20`), or is the decimal sign of numbers that something else separates, as a
spreadsheet writes them (`10,5;20,5`). This is where other forms become boxes (x, y, w, h) that count pixels from 0:
functions named for the form.
"""

import math
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ltr.common.errors import InputError
from ltr.common.types import Array

_SEPARATOR = re.compile(r"[ \t]*[,;][ \t]*|[ \t]+")
_OTHER_SEPARATOR = re.compile(r"[ \t]*;[ \t]*|,?[ \t]+")  # where commas are decimal signs
_MIXED_COMMAS = re.compile(r",(?=[^ \t]).*,(?=[ \t])|,(?=[ \t]).*,(?=[^ \t])")
_WITH_COMMA = re.compile(r"[+-]?\d+(,\d+)?(e[+-]?\d+)?|nan", re.ASCII | re.IGNORECASE)
# Python's float() also takes 1_000 and digits of other scripts, which no data set writes on purpose.
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|[+-]?nan|[+-]?inf(inity)?", re.ASCII | re.IGNORECASE)

Lines = list[tuple[int, str]]  # numbers and texts


@dataclass(frozen=True)
class _Layout:
    columns: Collection[int]  # numbers of them that a row may have
    absent: bool  # rows of NaN are accepted
    is_table: bool  # all rows have as many columns


def read_table(path: Path, columns: int | Collection[int], absent: bool = False) -> Array:
    """Rows of numbers as float64 (N, C), separated by comma, semicolon, tab or spaces.

    `columns` is the number of columns, or the numbers allowed; all rows have the same. Rows of NaN are accepted only
    with `absent`, for data sets that mark frames without target that way.
    Raises InputError naming file and line for a missing file, a malformed row, another number of columns, or NaN.
    """
    allowed = {columns} if isinstance(columns, int) else set(columns)
    lines = read_lines(path)
    table = _parse_regular(lines)
    if table is not None and table.shape[1] in allowed and (np.isfinite(table).all() or absent):
        for index in np.flatnonzero(~np.isfinite(table).all(axis=1)):
            _check_row(path, int(index) + 1, lines[index], table[index].tolist(), absent)
        return table
    return parse_table(path, enumerate(lines, start=1), allowed, absent)


def parse_table(path: Path, lines: Iterable[tuple[int, str]], columns: Collection[int], absent: bool = False) -> Array:
    """Numbered lines of a file as float64 (N, C). Raises as `read_table`, which see."""
    return np.array(_parse_rows(path, list(lines), _Layout(columns, absent, is_table=True)), dtype=np.float64)


def read_rows(path: Path, columns: Collection[int]) -> list[list[float]]:
    """Rows of numbers that may differ in their number of columns, as in VOT's files; rows of NaN are accepted.

    Raises as `read_table`, which see.
    """
    lines = list(enumerate(read_lines(path), start=1))
    return _parse_rows(path, lines, _Layout(columns, absent=True, is_table=False))


def read_boxes(path: Path, one_based: bool = False, absent: bool = False) -> Array:
    """Rows `x y w h` as 0-based boxes, float64 (N, 4); `one_based` files count from 1. Raises as `read_table`."""
    boxes = read_table(path, columns=4, absent=absent)
    if one_based:
        boxes[:, :2] -= 1
    return boxes


def polygons_to_boxes(polygons: Array) -> Array:
    """Smallest upright boxes (N, 4) around polygons (N, 8); NaN rows stay NaN."""
    corners = polygons.reshape(-1, 4, 2)
    low = corners.min(axis=1)
    return np.concatenate((low, corners.max(axis=1) - low), axis=1)


def boxes_to_polygons(boxes: Array) -> Array:
    """Corners (N, 8) of boxes (N, 4), clockwise from the top left."""
    x, y, w, h = boxes.T
    return np.stack((x, y, x + w, y, x + w, y + h, x, y + h), axis=1)


def corners_to_boxes(corners: Array) -> Array:
    """Boxes (N, 4) of rows `x1 y1 x2 y2`; a box ends at x2, no pixel is added."""
    return np.concatenate((corners[:, :2], corners[:, 2:] - corners[:, :2]), axis=1)


def read_flags(path: Path) -> Array:
    """Flags 0 or 1, on one line or one a line, as bool (N,). Raises InputError naming file and line."""
    flags: list[bool] = []
    for number, line in enumerate(read_lines(path), start=1):
        cells = _SEPARATOR.split(line)
        if not set(cells) <= {"0", "1"}:
            wrong = next(cell for cell in cells if cell not in ("0", "1"))
            raise InputError(f"{path}, line {number}: expected 0 or 1, found '{wrong}'")
        flags += [cell == "1" for cell in cells]
    if not flags:
        raise InputError(f"{path}: expected a 0 or 1 per frame, found an empty file")
    return np.array(flags)


def check_rows(path: Path, rows: int, expected: int) -> None:
    """Raise InputError where an annotation does not have the rows that the data set says it has."""
    if rows != expected:
        raise InputError(f"{path}: expected {expected} ground-truth rows, found {rows}; copy or extract the file again")


def read_lines(path: Path) -> list[str]:
    """Lines of a text file without the space around them and without empty ones at the end. Raises InputError."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"cannot read annotation {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"annotation {path} is no text file: {error}") from error
    return [line.strip() for line in text.rstrip().split("\n")] if text.strip() else []


def _parse_regular(lines: list[str]) -> Array | None:
    """Table (N, C) by numpy's parser, twenty times as fast as row by row; None for whatever it does not take."""
    if not lines or _MIXED_COMMAS.search(lines[0]):
        return None
    delimiter = next((character for character in ",;\t" if character in lines[0]), None)
    try:
        table: Array = np.loadtxt(lines, dtype=np.float64, comments=None, delimiter=delimiter, ndmin=2)
    except ValueError:
        return None
    return table if len(table) == len(lines) else None  # it passes over empty lines


def _parse_rows(path: Path, lines: Lines, layout: _Layout) -> list[list[float]]:
    """Rows of numbers, with commas as separators or as decimal signs, whichever the whole file allows."""
    if not lines:
        raise InputError(f"{path}: expected one row of numbers per frame, found an empty file")
    with_points = _decimal_commas(lines)
    if with_points is None:
        return _read(path, lines, lines, layout)
    try:
        rows = _read(path, lines, with_points, layout)
    except InputError:
        return _read(path, lines, lines, layout)
    try:
        other_rows = _read(path, lines, lines, layout)
    except InputError:
        return rows
    index = next(index for index, row in enumerate(rows) if len(row) != len(other_rows[index]))
    number, line = lines[index]
    if ";" in line or "\t" in line:  # a spreadsheet's separators
        return rows
    raise InputError(
        f"{path}, line {number}: cannot tell whether {line!r} is {rows[index]} (commas as decimal signs) or "
        f"{other_rows[index]} (commas as separators); write points as decimal signs, or one kind of separator"
    )


def _decimal_commas(lines: Lines) -> Lines | None:
    """The lines with points in place of decimal commas; None where commas cannot be decimal signs."""
    rows = [_OTHER_SEPARATOR.split(line) for _, line in lines]
    if not any("," in cell for row in rows for cell in row):
        return None
    if not all(len(row) > 1 and all(map(_WITH_COMMA.fullmatch, row)) for row in rows):
        return None
    return [(number, ";".join(row).replace(",", ".")) for (number, _), row in zip(lines, rows, strict=True)]


def _read(path: Path, lines: Lines, texts: Lines, layout: _Layout) -> list[list[float]]:
    """Rows of `texts`, which stand for the lines of the file that messages show."""
    rows: list[list[float]] = []
    for (number, line), (_, text) in zip(lines, texts, strict=True):
        cells = _SEPARATOR.split(text)
        if not all(map(_NUMBER.fullmatch, cells)):
            raise InputError(f"{path}, line {number}: expected numbers, found {line!r}")
        row = [float(cell) for cell in cells]
        columns = {len(rows[0])} if layout.is_table and rows else layout.columns
        if len(row) not in columns:
            *others, last = (str(n) for n in sorted(columns))
            expected = f"{', '.join(others)} or {last}" if others else last
            raise InputError(f"{path}, line {number}: expected {expected} numbers, found {len(row)}: {line!r}")
        _check_row(path, number, line, row, layout.absent)
        rows.append(row)
    return rows


def _check_row(path: Path, number: int, line: str, row: list[float], absent: bool) -> None:
    finite = [math.isfinite(value) for value in row]
    if all(finite) or (absent and all(math.isnan(value) for value in row)):
        return
    expected = "finite numbers, or NaN in all columns" if absent else "finite numbers"
    raise InputError(f"{path}, line {number}: expected {expected}, found {line!r}; correct the row")
