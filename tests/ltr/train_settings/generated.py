"""Small generated training data."""

from pathlib import Path

import cv2
import numpy as np


def make_tracks(root: Path, num_tracks: int = 2, num_frames: int = 20) -> Path:
    """Tracks in the plain layout: a bright square moves over noise."""
    rng = np.random.default_rng(0)
    for track in range(num_tracks):
        folder = root / f"square{track}"
        (folder / "img").mkdir(parents=True)
        background = rng.integers(0, 120, (96, 128, 3), dtype=np.uint8)
        boxes = []
        for frame in range(num_frames):
            x, y, side = 20 + 2 * frame, 30 + track, 24
            image = background.copy()
            image[y : y + side, x : x + side] = 200 + 20 * track
            cv2.imwrite(str(folder / "img" / f"{frame + 1:05d}.jpg"), image)
            boxes.append([x, y, side, side])
        np.savetxt(folder / "groundtruth.txt", boxes, fmt="%g", delimiter=",")
    return root
