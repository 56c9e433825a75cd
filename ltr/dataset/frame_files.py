"""Image files of a sequence: by number, by the rows of the annotation, or as listed in a folder."""

from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

from ltr.admin.errors import InputError
from ltr.dataset.annotations import read_lines

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp"})


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

    Raises InputError where there is none, or where a number is left out.
    """
    frames = sorted((int(path.stem), path) for path in images_in(folder) if path.stem.isascii() and path.stem.isdigit())
    if not frames:
        raise InputError(f"{folder} holds no numbered images, such as 00000001.jpg; copy or extract it again")
    for (number, path), (following, _) in pairwise(frames):
        if following != number + 1:
            raise InputError(f"{folder}: expected image {number + 1} after {path.name}, found {following}")
    return [path for _, path in frames]


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
