"""Image files of a sequence: by number, by the rows of the annotation, or as listed in a folder."""

import re
from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import NoReturn

from ltr.common.errors import InputError
from ltr.dataset.annotations import read_lines

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp"})

_NUMBERS = re.compile(r"[0-9]+(?:[.,][0-9]+)*")
Numbers = tuple[int | Decimal, ...]


def numbered_frames(root: Path, patterns: list[str], first: int, last: int) -> list[Path]:
    """Image files `first`..`last` below `root`, named by the first pattern whose first image exists."""
    pattern = next((p for p in patterns if (root / p.format(first)).exists()), patterns[0])
    return [root / pattern.format(number) for number in range(first, last + 1)]


def annotated_frames(annotation: Path, patterns: list[str], limit: int | None = None) -> list[Path]:
    """Image files 1, 2, ... beside an annotation, one for each of its rows, at most `limit`. Raises InputError."""
    rows = len(read_lines(annotation))
    return numbered_frames(annotation.parent, patterns, 1, rows if limit is None else min(rows, limit))


def listed_frames(folder: Path) -> list[Path]:
    """Images of a folder that are named by consecutive numbers, from whichever number on.

    Raises InputError where there is none, where a number is left out, and where two images have the same number.
    """
    frames = sorted((int(path.stem), path) for path in images_in(folder) if path.stem.isascii() and path.stem.isdigit())
    if not frames:
        raise InputError(f"{folder} holds no numbered images, such as 00000001.jpg; copy or extract it again")
    for (number, path), (following, next_path) in pairwise(frames):
        if following == number:
            _refuse_equal_numbers(path, next_path)
        if following != number + 1:
            raise InputError(f"{folder}: expected image {number + 1} after {path.name}, found {following}")
    return [path for _, path in frames]


def ordered_frames(images: Iterable[Path]) -> list[Path]:
    """Images of one folder in the order of the numbers in their names: 9.jpg before 10.jpg, 1.25.png before 1.5.png.

    Two groups of digits around a point or comma are a decimal number (a time stamp) or two counters (shot and frame):
    where the orders differ, the one that the names allow. Names without any number are in alphabetical order.
    Raises InputError, naming files, where two have the same numbers, where some have numbers and others none, and
    where the names leave it open whether their numbers are decimal.
    """
    paths = sorted(images)
    unnumbered = [path for path in paths if not _NUMBERS.search(path.stem)]
    if len(unnumbered) == len(paths):
        return paths
    if unnumbered:
        raise InputError(
            f"{unnumbered[0].parent}: expected a number in the name of every image, found none in "
            f"{unnumbered[0].name}; put it elsewhere if it is no frame of the sequence"
        )
    counted = {path: _counters(path.stem) for path in paths}
    measured = {path: _decimals(path.stem) for path in paths}
    by_counters, by_decimals = sorted(paths, key=counted.__getitem__), sorted(paths, key=measured.__getitem__)
    are_decimal = by_counters != by_decimals and _are_decimal(by_counters, by_decimals)
    numbers, chosen = (measured, by_decimals) if are_decimal else (counted, by_counters)
    for path, following in pairwise(chosen):
        if numbers[path] == numbers[following]:
            _refuse_equal_numbers(path, following)
    return chosen


def _counters(stem: str) -> Numbers:
    return tuple(int(digits) for run in _NUMBERS.findall(stem) for digits in re.split("[.,]", run))


def _decimals(stem: str) -> Numbers:
    """Runs of digits with one point or comma as decimal numbers; those with more, such as dates, as counters."""
    numbers: list[int | Decimal] = []
    for run in _NUMBERS.findall(stem):
        parts = re.split("[.,]", run)
        numbers += [Decimal(".".join(parts))] if len(parts) == 2 else [int(part) for part in parts]
    return tuple(numbers)


def _are_decimal(by_counters: list[Path], by_decimals: list[Path]) -> bool:
    """Whether the numbers of names are decimal, where the order depends on it. Raises InputError where it is open.

    A decimal number that is written as short as can be does not end in a zero, a counter does not begin with one.
    Where no name tells them apart, only one of the two readings may have equal steps.
    """
    fractions = [
        parts[1]
        for path in by_counters
        for run in _NUMBERS.findall(path.stem)
        if len(parts := re.split("[.,]", run)) == 2 and len(parts[1]) > 1
    ]
    no_counters = any(digits.startswith("0") for digits in fractions)
    no_decimals = any(digits.endswith("0") for digits in fractions)
    if not no_counters and not no_decimals:
        no_counters = not _has_equal_steps([_counters(path.stem) for path in by_counters])
        no_decimals = not _has_equal_steps([_decimals(path.stem) for path in by_decimals])
    if no_counters != no_decimals:
        return no_counters
    first, second = next(pair for pair in zip(by_counters, by_decimals, strict=True) if pair[0] != pair[1])
    raise InputError(
        f"{first.parent}: cannot tell the order of the images: with counters in their names (9 before 10) "
        f"{first.name} is before {second.name}, with decimal numbers (1.25 before 1.5) after it; "
        "rename them so that all numbers have equally many digits"
    )


def _has_equal_steps(numbers: list[Numbers]) -> bool:
    """Whether the last number grows by one step as long as those before it stay the same."""
    groups: defaultdict[Numbers, list[int | Decimal]] = defaultdict(list)
    for *before, last in numbers:
        groups[tuple(before)].append(last)
    return len({following - last for group in groups.values() for last, following in pairwise(group)}) <= 1


def _refuse_equal_numbers(path: Path, other: Path) -> NoReturn:
    raise InputError(
        f"{path.parent}: expected one image for each number, found {path.name} and {other.name}; "
        "remove one, or put the images of different sequences into folders of their own"
    )


def images_in(folder: Path) -> list[Path]:
    """Image files of a folder, in no order; none where there is no folder."""
    try:
        return [p for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES and not p.name.startswith(".")]
    except OSError:
        return []


def first_existing(paths: Iterable[Path]) -> Path:
    """The first path that exists, else the first."""
    candidates = list(paths)
    return next((path for path in candidates if path.exists()), candidates[0])
