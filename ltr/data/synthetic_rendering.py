"""Painting a rendered scene: its objects over time, its frames, and the exact box of its target.

Lengths are frame pixels; a pixel i covers [i, i + 1), so a box is the extent of the mapped outline in the frame.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from ltr.common.types import Array


@dataclass(frozen=True)
class Sprite:
    """One object over time."""

    canvas: Array  # (h, w, 4) float32, color times opacity and opacity, both on 0...1
    maps: Array  # (T, 3, 3) homographies from canvas to frame, between pixel centers
    grid: Array | None  # (T, 5, 5, 2) shifts that deform the canvas, pixels
    gain: Array  # (T, 3)
    smear: Array  # (T, 2) motion within the exposure, pixels
    window: tuple[int, int, int, int] | None = None  # x1, y1, x2, y2 on the canvas: the part that is the target
    painted: bool = True  # else it is seen already, being part of the background

    def deformed(self, frame: int) -> Array:
        if self.grid is None:
            return self.canvas
        height, width = self.canvas.shape[:2]
        shift = cv2.resize(self.grid[frame], (width, height), interpolation=cv2.INTER_CUBIC)
        x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
        return cv2.remap(self.canvas, x + shift[..., 0], y + shift[..., 1], cv2.INTER_LINEAR)

    def outline(self, canvas: Array, frame: int) -> Array:  # (n, 2) between pixel centers of the frame
        mask = (canvas[..., 3] > 0.5).astype(np.uint8)
        if self.window is not None:
            x1, y1, x2, y2 = self.window
            part = np.zeros_like(mask)
            part[y1:y2, x1:x2] = mask[y1:y2, x1:x2]
            mask = part if part.any() else mask
        opaque = cv2.findNonZero(mask)
        hull = cv2.convexHull(opaque).reshape(-1, 2).astype(np.float64)
        corners = (hull[:, None] + np.array([(-0.5, -0.5), (0.5, -0.5), (-0.5, 0.5), (0.5, 0.5)])).reshape(-1, 1, 2)
        return cv2.perspectiveTransform(corners, self.maps[frame]).reshape(-1, 2)

    def layer(self, frame: int) -> tuple[int, int, Array]:
        """Left, top and pixels of the object in the frame, whether inside it or not."""
        canvas = self.deformed(frame)
        smear = self.smear[frame]
        margin = 2 + math.ceil(np.abs(smear).max())
        corners = _corners(canvas.shape).reshape(-1, 1, 2)
        seen = cv2.perspectiveTransform(corners, self.maps[frame]).reshape(-1, 2)
        left, top = (int(v) for v in np.floor(seen.min(axis=0)) - margin)
        width, height = (int(v) for v in np.ceil(seen.max(axis=0)) + margin + 1 - (left, top))
        moved = np.array([[1, 0, -left], [0, 1, -top], [0, 0, 1.0]]) @ self.maps[frame]
        pixels = cv2.warpPerspective(canvas, moved, (width, height), flags=cv2.INTER_LINEAR)
        if np.abs(smear).max() >= 1:
            pixels = cv2.filter2D(pixels, -1, _line_kernel(smear))
        pixels[..., :3] *= self.gain[frame].astype(np.float32)
        return left, top, pixels


def _line_kernel(motion: Array) -> Array:
    length = math.ceil(np.abs(motion).max())
    size = 2 * length + 1
    kernel = np.zeros((size, size), np.float32)
    ends = [tuple(round(v) for v in length + sign * motion / 2) for sign in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], 1.0, 1)
    return kernel / kernel.sum()


def _corners(shape: tuple[int, ...]) -> Array:  # (4, 2) x, y of the outer corners, between pixel centers
    height, width = shape[:2]
    return np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float64) - 0.5


@dataclass(frozen=True)
class RenderedScene:
    photo: Array  # (h, w, 3)
    camera: Array  # (T, 2, 3) affine maps from photograph to frame
    sprites: tuple[Sprite, ...]  # painted in this order
    target: int
    frame_size: tuple[int, int]  # width, height
    light: Array  # (T, 3)
    gamma: float
    defocus: Array  # (T,) standard deviation, pixels
    noise: float
    jpeg_quality: int
    gray: bool
    noise_seed: int

    def annotation(self, frame: int) -> tuple[Array, float]:
        """Box (4,) of the target, clipped to the frame, and the visible share of the object."""
        width, height = self.frame_size
        sprite = self.sprites[self.target]
        outline = sprite.outline(sprite.deformed(frame), frame)
        left, top, pixels = sprite.layer(frame)
        opacity = np.zeros((height, width, 1), np.float32)
        _paste(opacity, left, top, pixels[..., 3:], pixels[..., 3:])
        for other in self.sprites[self.target + 1 :]:
            x, y, above = other.layer(frame)
            _paste(opacity, x, y, np.zeros_like(above[..., 3:]), above[..., 3:])
        share = float(opacity.sum() / max(pixels[..., 3].sum(), 1e-6))
        low, high = outline.min(axis=0) + 0.5, outline.max(axis=0) + 0.5
        low, high = (np.clip(corner, 0, (width, height)) for corner in (low, high))
        return np.concatenate((low, high - low)), share

    def render(self, frame: int) -> Array:  # (H, W, 3) uint8
        rng = np.random.default_rng((self.noise_seed, frame))
        size = self.frame_size
        image = cv2.warpAffine(
            self.photo, self.camera[frame], size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
        )
        image = image.astype(np.float32) / 255
        for sprite in (sprite for sprite in self.sprites if sprite.painted):
            left, top, pixels = sprite.layer(frame)
            _paste(image, left, top, pixels[..., :3], pixels[..., 3:])
        if self.defocus[frame] > 0.3:
            image = cv2.GaussianBlur(image, (0, 0), float(self.defocus[frame]))
        image = np.clip(image, 0, 1) ** self.gamma * self.light[frame].astype(np.float32)
        if self.gray:
            image = np.repeat(image.mean(axis=2, keepdims=True), 3, axis=2)
        grain: Array = np.asarray(rng.normal(0, self.noise, image.shape))
        image = image * 255 + grain.astype(np.float32)
        pixels = np.clip(np.rint(image), 0, 255).astype(np.uint8)
        if self.jpeg_quality >= 100:
            return pixels
        _, data = cv2.imencode(".jpg", pixels, (cv2.IMWRITE_JPEG_QUALITY, self.jpeg_quality))
        decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
        assert decoded is not None
        return decoded


def _paste(image: Array, left: int, top: int, color: Array, opacity: Array) -> None:
    """Paint premultiplied `color` (h, w, C) of this `opacity` (h, w, 1) over part of `image`, in place."""
    height, width = image.shape[:2]
    x1, y1 = max(left, 0), max(top, 0)
    x2, y2 = min(left + color.shape[1], width), min(top + color.shape[0], height)
    if x1 >= x2 or y1 >= y2:
        return
    part = np.s_[y1 - top : y2 - top, x1 - left : x2 - left]
    image[y1:y2, x1:x2] = image[y1:y2, x1:x2] * (1 - opacity[part]) + color[part]
