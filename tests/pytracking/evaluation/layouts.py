"""Tiny copies of the data sets' native layouts: one real image, empty files for the others, and rows of numbers."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

WIDTH, HEIGHT = 48, 36
ROW = (5, 6, 20, 10)  # x, y, w, h of every frame, as written in the file


def write_images(root: Path, pattern: str, numbers: Iterable[int]) -> None:
    """Images `pattern.format(number)`, of which the first can be decoded."""
    paths = [root / pattern.format(number) for number in numbers]
    paths[0].parent.mkdir(parents=True, exist_ok=True)
    for path in paths:
        path.touch()
    cv2.imwrite(str(paths[0]), np.full((HEIGHT, WIDTH, 3), 90, np.uint8))


def write_rows(path: Path, rows: Iterable[Iterable[Any]], separator: str = ",") -> Path:
    """A text file with one row a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(separator.join(map(str, row)) + "\n" for row in rows))
    return path
