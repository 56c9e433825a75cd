"""What scenes of the demo data set are made of: curves, cutouts of photographs, cameras, light.

Lengths are pixels of a frame at zoom 1, angles degrees (positive turns x towards y), times frames from 0. The world's
origin is the center of the background photograph, and the center of the frame while the camera rests.
"""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ltr.common.types import Array

Points = tuple[tuple[float, float], ...]
RGB = tuple[float, float, float]


@dataclass(frozen=True)
class Curve:
    """A smooth function of time: a monotone cubic through `knots` (frame, value), held at both ends, plus sines."""

    knots: Points
    waves: tuple[tuple[float, float, float], ...] = ()  # (amplitude, period in frames, phase in turns)

    def __call__(self, times: Array) -> Array:
        """Values at `times` (n,) -> (n,) float64."""
        frames, values = np.array(self.knots, dtype=np.float64).T
        result: Array = np.full(len(times), values[0])
        if len(frames) > 1:
            from scipy.interpolate import PchipInterpolator  # no overshoot: what is held between two knots stays still

            result = PchipInterpolator(frames, values)(np.clip(times, frames[0], frames[-1]))
        for amplitude, period, phase in self.waves:
            result = result + amplitude * np.sin(2 * np.pi * (times / period + phase))
        return result


def curve(*knots: tuple[float, float], waves: Sequence[tuple[float, float, float]] = ()) -> Curve:
    return Curve(knots, tuple(waves))


def still(value: float, waves: Sequence[tuple[float, float, float]] = ()) -> Curve:
    return Curve(((0, value),), tuple(waves))


ZERO, ONE = still(0), still(1)


@dataclass(frozen=True)
class Cutout:
    """An object in a photograph: `points` run around it, in pixels of the photograph (pixel i covers [i, i + 1))."""

    photo: str
    points: Points
    smooth: bool = True  # the outline is a closed spline through the points, else their polygon
    tint: RGB = (1.0, 1.0, 1.0)

    @functools.cached_property
    def outline(self) -> Array:
        """(n, 2) float64 vertices of the polygon that bounds the object; the mask and the ground truth both use it."""
        points = np.array(self.points, dtype=np.float64)
        return closed_spline(points, steps=8) if self.smooth else points


def closed_spline(points: Array, steps: int) -> Array:
    """Uniform Catmull-Rom spline through `points` (n, 2), closed, as a polygon (n * steps, 2)."""
    before, after, further = (np.roll(points, shift, axis=0) for shift in (1, -1, -2))
    u = (np.arange(steps) / steps)[None, :, None]  # (1, steps, 1) against (n, 1, 2)
    p0, p1, p2, p3 = (p[:, None, :] for p in (before, points, after, further))
    cubic: Array = 2 * p1 + (p2 - p0) * u + (2 * p0 - 5 * p1 + 4 * p2 - p3) * u**2 + (3 * p1 - p0 - 3 * p2 + p3) * u**3
    polygon: Array = cubic.reshape(-1, 2) / 2
    return polygon


def ellipse(photo: str, cx: float, cy: float, rx: float, ry: float, tint: RGB = (1.0, 1.0, 1.0)) -> Cutout:
    turns = [2 * math.pi * i / 96 for i in range(96)]
    return Cutout(photo, tuple((cx + rx * math.cos(a), cy + ry * math.sin(a)) for a in turns), False, tint)


def rectangle(photo: str, x: float, y: float, w: float, h: float, tint: RGB = (1.0, 1.0, 1.0)) -> Cutout:
    return Cutout(photo, ((x, y), (x + w, y), (x + w, y + h), (x, y + h)), False, tint)


@dataclass(frozen=True)
class Sprite:
    """A cutout in motion; the center of its outline's box is at (x, y), its longer side is `size`."""

    cutout: Cutout
    x: Curve = ZERO
    y: Curve = ZERO
    size: Curve = ONE
    angle: Curve = ZERO
    squeeze: Curve = ONE  # width seen / width: the object turns about its own upright axis
    gain: Curve = ONE  # brightness of this object alone
    warmth: Curve = ZERO  # > 0 more red and less blue, < 0 the reverse
    side_light: Curve = ZERO  # brightness difference between its right edge and its middle
    pinned: bool = False  # lies on the background photograph where it was taken; the pose is not used


@dataclass(frozen=True)
class Background:
    photo: str
    scale: float = 1.0  # frame pixels per pixel of the photograph
    tint: RGB = (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Camera:
    x: Curve = ZERO
    y: Curve = ZERO
    zoom: Curve = ONE
    roll: Curve = ZERO
    defocus: Curve = ZERO  # standard deviation of the blur, pixels
    shutter: float = 0.0  # share of a frame's time during which it is open
    exposures: int = 1  # instants averaged over that time; odd, the middle one is the time of the ground truth
    noise: float = 1.5  # standard deviation, grey levels


@dataclass(frozen=True)
class Light:
    exposure: Curve = ONE
    warmth: Curve = ZERO
    slope: Curve = ZERO  # brightness difference between the right edge of the frame and its middle


@dataclass(frozen=True)
class Scene:
    name: str
    num_frames: int
    frame_size: tuple[int, int]  # width, height
    attributes: tuple[str, ...]
    background: Background
    target: Sprite
    behind: tuple[Sprite, ...] = ()  # painted before the target
    in_front: tuple[Sprite, ...] = ()  # painted after it
    camera: Camera = Camera()
    light: Light = Light()
    seed: int = 0
