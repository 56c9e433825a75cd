"""A tracker without network, and tiny sequences, for tests of everything around trackers."""

from pathlib import Path

import cv2
import numpy as np

from pytracking.evaluation import Sequence, Tracker

TRACKERS = "tests.pytracking.dummy.tracker"
PARAMETERS = "tests.pytracking.dummy.parameter"


class DummyTracker(Tracker):
    """Finds its trackers and parameter files in this folder; importable by worker processes."""

    tracker_package = TRACKERS
    parameter_package = PARAMETERS


def write_frames(folder: Path, count: int, digits: int = 4, extension: str = "jpg") -> list[Path]:
    """Images of 48 x 36 pixels, numbered from 1, each of another brightness."""
    folder.mkdir(parents=True, exist_ok=True)
    frames = [folder / f"{number:0{digits}d}.{extension}" for number in range(1, count + 1)]
    for number, frame in enumerate(frames):
        cv2.imwrite(str(frame), np.full((36, 48, 3), 60 + number % 150, np.uint8))
    return frames


def write_black_frame(path: Path) -> None:
    """Replace an image by one that makes the dummy trackers fail."""
    cv2.imwrite(str(path), np.zeros((36, 48, 3), np.uint8))


def write_white_frame(path: Path) -> None:
    """Replace an image by one that makes the dummy tracker `wander` do what its parameter `white` says."""
    cv2.imwrite(str(path), np.full((36, 48, 3), 255, np.uint8))


def make_sequence(folder: Path, name: str, count: int = 6) -> Sequence:
    """Sequence with a target that moves one pixel a frame to the right."""
    boxes = np.array([[4.0 + number, 5.0, 10.0, 8.0] for number in range(count)])
    return Sequence(name, write_frames(folder / name, count), "dummy", boxes)
