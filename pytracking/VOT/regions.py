"""Regions of VOT's result files, and what a tracker is started with for one."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ltr.common.errors import InputError
from ltr.dataset.regions import BOX, Regions, box_preserving_area, read_text_regions

_BINARY_VERSION = 1
_BINARY_MARK, _BINARY_BOX, _BINARY_POLYGON = 0, 1, 2


def read_regions(path: Path) -> Regions:
    """A file of VOT, one region or mark a frame: text, or vot-toolkit's binary form (`.bin`).

    Raises InputError for a missing or malformed file and for masks, which the years 2016 to 2019 do not have.
    """
    if path.suffix == ".bin":
        return _read_binary(path)
    return read_text_regions(path)


def format_row(row: Iterable[float]) -> str:
    """One line of VOT's text form: a mark as an integer, a region with four decimals."""
    values = list(row)
    return f"{values[0]:.0f}" if len(values) == 1 else ",".join(f"{value:.4f}" for value in values)


def initial_box(row: Iterable[float]) -> list[float]:
    """Box that a tracker is started with for a region of 4 or 8 numbers. Raises ValueError for any other."""
    values = [float(value) for value in row]
    if len(values) == BOX and np.isfinite(values).all():
        return values
    return box_preserving_area(values)


def _read_binary(path: Path) -> Regions:
    try:
        return Regions.from_rows(_binary_rows(path.read_bytes()))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    except (ValueError, struct.error) as error:
        raise InputError(f"{path}: {error}") from error


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
