"""Sequences of small images, and the dummy tracker, for the tests of the VOT experiment."""

import cv2
import numpy as np

from pytracking.evaluation import Sequence, Tracker


class DummyTracker(Tracker):
    """The tracker of the tests, whose box walks at random."""

    tracker_package = "tests.pytracking.dummy.tracker"
    parameter_package = "tests.pytracking.dummy.parameter"


def small_sequence(folder, name="walk", frames=12, polygons=False):
    """Grey images of 64 x 48 pixels; the target stands still."""
    place = folder / name / "color"
    place.mkdir(parents=True)
    paths = [place / f"{i:08d}.jpg" for i in range(1, frames + 1)]
    for path in paths:
        cv2.imwrite(str(path), np.full((48, 64, 3), 128, np.uint8))
    corners = np.tile([10.0, 8, 30, 8, 30, 28, 10, 28], (frames, 1))
    boxes = np.tile([10.0, 8, 20, 20], (frames, 1))
    return Sequence(name, paths, "vot2018", boxes, ground_truth_polygons=corners if polygons else None)
