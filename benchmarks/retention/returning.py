"""Rendered sequences in which an early appearance returns late, as in the demo's `portrait_return`.

A cutout of a photograph moves over another photograph. It turns, narrows and darkens early, stays so for most of the
video, and is as at first again near the end. They are rendered once, into the folder for caches.
"""

from __future__ import annotations

import hashlib
import shutil
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from ltr.common.errors import InputError
from ltr.common.files import new_token
from ltr.dataset.annotations import read_boxes
from ltr.inference.engine import cache_folder
from pytracking.evaluation.data import Sequence
from pytracking.evaluation.demo_parts import Background, Camera, Cutout, Scene, Sprite, curve, still
from pytracking.evaluation.demo_rendering import SceneRenderer
from pytracking.evaluation.demo_scenes import CAMERAMAN, CAT, COFFEE, HEADLIGHT, PORTRAIT, SHUTTLE

VERSION = 1
FRAMES = 500
CHANGE, CHANGED, RETURN, RETURNED = 80, 180, 400, 404  # frames
# cutout, photograph behind, angle reached in degrees, width left, brightness left, warmth
CHANGES: tuple[tuple[str, Cutout, str, float, float, float, float], ...] = (
    ("cat", CAT, "gravel.png", 120, 0.75, 0.55, -0.4),
    ("coffee", COFFEE, "grass.png", -100, 0.7, 0.5, 0.4),
    ("cameraman", CAMERAMAN, "brick.png", 90, 0.8, 1.5, 0.3),
    ("shuttle", SHUTTLE, "hubble_deep_field.jpg", 150, 0.9, 0.45, -0.3),
    ("headlight", HEADLIGHT, "ihc.png", -140, 0.65, 0.6, 0.3),
    ("portrait", PORTRAIT, "motorcycle_left.png", 170, 0.8, 0.5, -0.5),
)


def returning_scene(number: int, frames: int = FRAMES) -> Scene:
    """A scene of `frames` frames; the times of change keep their share of them."""
    name, cutout, photo, angle, squeeze, gain, warmth = CHANGES[number]
    change, changed, back, returned = (time * frames / FRAMES for time in (CHANGE, CHANGED, RETURN, RETURNED))

    def excursion(start: float, there: float) -> tuple[tuple[float, float], ...]:
        return ((change, start), (changed, there), (back, there), (returned, start))

    return Scene(
        f"return_{name}",
        frames,
        (320, 240),
        ("return",),
        Background(photo, 0.9),
        Sprite(
            cutout,
            x=still(0, waves=[(60, 170 + 13 * number, 0.1 * number), (14, 61, 0.3)]),
            y=still(0, waves=[(30, 130 + 11 * number, 0.2), (8, 47, 0.1 * number)]),
            size=still(76, waves=[(6, 210, 0)]),
            angle=curve(*excursion(0, angle), waves=[(4, 73, 0)]),
            squeeze=curve(*excursion(1, squeeze)),
            gain=curve(*excursion(1, gain)),
            warmth=curve(*excursion(0, warmth)),
        ),
        camera=Camera(x=still(0, waves=[(20, 240, 0.1 * number)]), y=still(0, waves=[(12, 190, 0)])),
        seed=100 + number,
    )


def returning_sequences(count: int) -> list[Sequence]:
    """The first `count` of them, rendered where they are not there. Raises InputError for more than there are."""
    if not 0 <= count <= len(CHANGES):
        raise InputError(f"expected --returning from 0 to {len(CHANGES)}, found {count}")
    return [render(returning_scene(number), cache_folder() / "returning") for number in range(count)]


def render(scene: Scene, root: Path) -> Sequence:
    """The scene as a sequence; a folder is there as a whole or not at all."""
    stamp = hashlib.sha256(repr((VERSION, scene)).encode()).hexdigest()[:12]
    folder = root / f"{scene.name}-{stamp}"
    if not folder.is_dir():
        staging = root / f".{folder.name}.{new_token()}"
        staging.mkdir(parents=True)
        try:
            _write(scene, staging)
            if not folder.is_dir():
                staging.rename(folder)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    frames = [folder / f"{index + 1:05d}.png" for index in range(scene.num_frames)]
    boxes = partial(read_boxes, folder / "groundtruth.txt", absent=True)
    return Sequence(scene.name, frames, "returning", boxes, attributes=scene.attributes)


def _write(scene: Scene, folder: Path) -> None:
    renderer, rows = SceneRenderer(scene), []
    for index in range(scene.num_frames):
        frame = renderer.render(index)
        cv2.imwrite(str(folder / f"{index + 1:05d}.png"), cv2.cvtColor(frame.image, cv2.COLOR_RGB2BGR))
        rows.append(np.full(4, np.nan) if frame.box is None else frame.box)
    np.savetxt(folder / "groundtruth.txt", rows, fmt="%.4f", delimiter=",")
