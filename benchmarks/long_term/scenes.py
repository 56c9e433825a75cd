"""Rendered sequences in which the target leaves on one side and comes back on another, with look-alikes meanwhile."""

import shutil
from pathlib import Path

import numpy as np

from pytracking.evaluation.data import SequenceList
from pytracking.evaluation.demo_files import write_sequence
from pytracking.evaluation.demo_parts import Background, Camera, Cutout, Scene, Sprite, curve, still
from pytracking.evaluation.demo_scenes import (
    CAMERAMAN,
    CAT,
    COFFEE,
    COIN,
    HEADLIGHT,
    PATCH,
    PORTRAIT,
    ROCKET,
    SHUTTLE,
)
from pytracking.evaluation.folderdataset import FolderDataset

SEEN = 90  # frames with the target before each absence and after the last
CROSSING = 14  # frames that it takes to leave, and to come back
FRAME = (480, 320)
ABSENCES = (50, 80, 130, 200, 320, 500)  # frames
SIDES = ("left", "top", "right", "bottom")

# Other objects, backgrounds and random numbers for what is fitted than for what is judged.
OBJECTS: dict[str, tuple[Cutout, ...]] = {
    "train": (CAT, CAMERAMAN, PATCH, HEADLIGHT),
    "dev": (COFFEE, COIN, PORTRAIT, SHUTTLE, ROCKET),
}
BACKGROUNDS = {
    "train": (("grass.png", 1.2), ("brick.png", 1.2), ("hubble_deep_field.jpg", 0.8)),
    "dev": (("gravel.png", 1.2), ("motorcycle_left.png", 0.9), ("ihc.png", 1.2), ("rocket.jpg", 1.0)),
}
FIRST_SEED = {"train": 1000, "dev": 2000}


def scenes(part: str) -> list[Scene]:
    """The scenes of a part, one for each length of the absence."""
    return [_scene(part, number, absence) for number, absence in enumerate(ABSENCES)]


def rendered(part: str, folder: Path) -> SequenceList:
    """The sequences of a part, rendered into `folder` where they are not there yet."""
    for scene in scenes(part):
        target = folder / scene.name
        if not (target / "groundtruth.txt").is_file():  # written last
            shutil.rmtree(target, ignore_errors=True)
            write_sequence(scene, target)
    return FolderDataset(folder).get_sequence_list()[[scene.name for scene in scenes(part)]]


def _scene(part: str, number: int, absence: int) -> Scene:
    seed = FIRST_SEED[part] + number
    rng = np.random.default_rng(seed)
    objects, backgrounds = OBJECTS[part], BACKGROUNDS[part]
    cutout, other = objects[number % len(objects)], objects[(number + 1) % len(objects)]
    photo, scale = backgrounds[number % len(backgrounds)]
    size = float(rng.uniform(50, 90))
    first, second = (SIDES[i] for i in rng.choice(4, 2, replace=False))
    num_frames = 2 * SEEN + absence + 2 * CROSSING
    return Scene(
        f"{part}_absent_{absence}",
        num_frames,
        FRAME,
        ("out of view", "distractors"),
        Background(photo, scale),
        _target(cutout, size, absence, first, second, rng),
        behind=(
            _wanderer(cutout, size, num_frames, rng, gain=0.8, warmth=-0.25, angle=float(rng.uniform(20, 60))),
            _wanderer(other, size, num_frames, rng),
        ),
        camera=Camera(
            x=still(0, waves=[(12, 140, float(rng.random())), (2, 31, float(rng.random()))]),
            y=still(0, waves=[(8, 111, float(rng.random()))]),
        ),
        seed=seed,
    )


def _target(cutout: Cutout, size: float, absence: int, first: str, second: str, rng: np.random.Generator) -> Sprite:
    """Leaves over the side `first`, waits outside, and comes back over `second`, a little larger or smaller."""
    leaves, gone = SEEN, SEEN + CROSSING
    comes, back = gone + absence, gone + absence + CROSSING
    out, inside = _outside(first, size, rng), _inside(rng)
    entry, again, last = _outside(second, size, rng), _inside(rng), _inside(rng)
    # Outside it goes around the frame, by the corners of a larger one, rather than through it.
    way = _around(out, entry, size)
    times = np.linspace(gone, comes, len(way) + 2)[1:-1]
    path = [
        (0.0, _inside(rng)), (SEEN / 2, _inside(rng)), (leaves, inside), (gone, out),
        *zip(times, way, strict=True),
        (comes, entry), (back, again), (back + SEEN - 1, last),
    ]  # fmt: skip
    x, y = (curve(*((time, float(place[axis])) for time, place in path)) for axis in (0, 1))
    return Sprite(
        cutout,
        x=x,
        y=y,
        size=curve((gone, size), (comes, size * float(rng.uniform(0.85, 1.2)))),
        angle=still(0, waves=[(8, 90, float(rng.random()))]),
        gain=curve((gone, 1), (comes, float(rng.uniform(0.85, 1.15)))),
    )


def _wanderer(
    cutout: Cutout, size: float, num_frames: int, rng: np.random.Generator, gain: float = 1.0, warmth: float = 0.0,
    angle: float = 0.0,
) -> Sprite:  # fmt: skip
    """Something else that goes about inside the frame all the time."""
    knots = np.linspace(0, num_frames - 1, max(3, num_frames // 60))
    places = [_inside(rng) for _ in knots]
    x, y = (curve(*((float(t), float(place[axis])) for t, place in zip(knots, places, strict=True))) for axis in (0, 1))
    return Sprite(cutout, x=x, y=y, size=still(0.9 * size), angle=still(angle), gain=still(gain), warmth=still(warmth))


def _inside(rng: np.random.Generator) -> np.ndarray:  # (2,) x, y from the middle of the frame
    return np.array([rng.uniform(-0.32, 0.32) * FRAME[0], rng.uniform(-0.3, 0.3) * FRAME[1]])


def _outside(side: str, size: float, rng: np.random.Generator) -> np.ndarray:  # (2,)
    place, half = _inside(rng), np.array(FRAME) / 2 + size
    axis, sign = {"left": (0, -1), "right": (0, 1), "top": (1, -1), "bottom": (1, 1)}[side]
    place[axis] = sign * half[axis]
    return place


def _around(start: np.ndarray, end: np.ndarray, size: float) -> list[np.ndarray]:
    """Places outside the frame between two others there, from each to the next along one side."""
    half = np.array(FRAME) / 2 + 2 * size
    first, last = (np.where(place >= 0, half, -half) for place in (start, end))
    if (first == last).all() or (first == last).any():
        return [first, last]
    return [first, np.array([first[0], last[1]]), last]
