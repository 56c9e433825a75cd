"""Renders the frames of a demo scene from the photographs in the scikit-image wheel; nothing is downloaded.

Ground truth is exact: the object's outline is a polygon in its photograph, every frame maps it affinely, and the box is
the bounding box of the mapped polygon, clipped to the frame (0 <= x, x + w <= width, likewise y). It bounds the whole
object inside the frame, also what an occluder hides; it is None where less than `ABSENT_BELOW` of the object is
visible. With motion blur it is the box in the middle of the exposure.
"""

import functools
import importlib.util
import math
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ltr.common.types import Array, Image
from pytracking.evaluation.demo_parts import Cutout, Scene, Sprite

ABSENT_BELOW = 0.01  # visible share of the object below which a frame has no box
MASK_SUPERSAMPLING = 8
MASK_FEATHER = 0.6  # standard deviation of the mask's soft edge, pixels of the photograph


@dataclass(frozen=True)
class DemoFrame:
    image: Image  # (H, W, 3) RGB
    box: Array | None  # (4,) float64 x, y, w, h; None where the target is absent
    visible: float  # share of the target's area that is inside the frame and not occluded


def photo_path(name: str) -> Path:
    """File of a photograph that every scikit-image wheel contains; raises FileNotFoundError where it is missing."""
    spec = importlib.util.find_spec("skimage")
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError("The demo data set needs the photographs of scikit-image: pip install scikit-image")
    path = Path(spec.submodule_search_locations[0], "data", name)
    if not path.is_file():
        raise FileNotFoundError(
            f"The demo data set needs {path}, which the scikit-image wheel contains: "
            "pip install --force-reinstall scikit-image"
        )
    return path


@functools.lru_cache(maxsize=4)
def _photo(name: str) -> Array:  # (H, W, 3) float32 RGB
    image = cv2.imread(str(photo_path(name)), cv2.IMREAD_COLOR)
    if image is None:
        raise OSError(f"{photo_path(name)} is not a readable image: pip install --force-reinstall scikit-image")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB).astype(np.float32)


# Maps are (3, 3) affine matrices between continuous coordinates, in which pixel i covers [i, i + 1).


def _translation(x: float, y: float) -> Array:
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1.0]])


def _scaling(x: float, y: float) -> Array:
    return np.diag([x, y, 1.0])


def _rotation(degrees: float) -> Array:
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])


def _map_points(matrix: Array, points: Array) -> Array:  # (3, 3), (n, 2) -> (n, 2)
    return points @ matrix[:2, :2].T + matrix[:2, 2]


def polygon_area(points: Array) -> float:
    """Area enclosed by the vertices (n, 2), in their units squared."""
    x, y = points.T
    return abs(float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))) / 2


def clip_polygon(points: Array, width: float, height: float) -> Array:
    """The part of a polygon (n, 2) inside [0, width] x [0, height], (m, 2), by Sutherland and Hodgman; m may be 0."""
    for axis, sign, bound in ((0, 1, 0.0), (0, -1, width), (1, 1, 0.0), (1, -1, height)):
        depth = sign * (points[:, axis] - bound)  # >= 0 inside
        if (depth >= 0).all():
            continue
        kept = []
        for here, there, d_here, d_there in zip(
            points, np.roll(points, -1, axis=0), depth, np.roll(depth, -1), strict=True
        ):
            if d_here >= 0:
                kept.append(here)
            if (d_here >= 0) != (d_there >= 0):
                kept.append(here + (there - here) * (d_here / (d_here - d_there)))
        points = np.array(kept).reshape(-1, 2)
    return points


class _Pyramid:
    """An image at halving sizes, so that a shrinking warp neither aliases nor gets slow."""

    def __init__(self, image: Array, offset: tuple[float, float] = (0.0, 0.0)) -> None:
        """`image` (H, W, C) float32 whose corner lies at `offset` (x, y) in its photograph."""
        height, width = image.shape[:2]
        self.levels: list[tuple[Array, Array]] = []  # (image, map from its pixels to the photograph)
        while True:
            h, w = image.shape[:2]
            self.levels.append((image, _translation(*offset) @ _scaling(width / w, height / h)))
            if min(h, w) < 16:
                return
            image = cv2.resize(image, ((w + 1) // 2, (h + 1) // 2), interpolation=cv2.INTER_AREA)

    def warp(self, matrix: Array, roi: tuple[int, int, int, int], border: int) -> Array:
        """Image under the map photograph -> frame `matrix`, in the frame's window `roi` = x, y, w, h -> (h, w, C)."""
        shrink = -0.5 * math.log2(abs(np.linalg.det(matrix)))
        level = min(max(shrink, 0.0), len(self.levels) - 1.0)
        low = int(level)
        result = self._warp_level(low, matrix, roi, border)
        if level - low < 0.02:
            return result
        return cv2.addWeighted(
            result, 1 - (level - low), self._warp_level(low + 1, matrix, roi, border), level - low, 0
        )

    def _warp_level(self, level: int, matrix: Array, roi: tuple[int, int, int, int], border: int) -> Array:
        image, to_photo = self.levels[level]
        x, y, w, h = roi
        # OpenCV puts pixel centers at integers: half a pixel is added before the map and taken off after it.
        centers = _translation(-x - 0.5, -y - 0.5) @ matrix @ to_photo @ _translation(0.5, 0.5)
        return cv2.warpAffine(image, centers[:2], (w, h), flags=cv2.INTER_LINEAR, borderMode=border)


def _cutout_pyramid(cutout: Cutout) -> _Pyramid:
    """Photograph times mask, and the mask, as (H, W, 4): color that is multiplied by alpha blends without a seam."""
    photo = _photo(cutout.photo)
    height, width = photo.shape[:2]
    margin = 3
    x0, y0 = np.floor(cutout.outline.min(axis=0)).astype(int) - margin
    x1, y1 = np.ceil(cutout.outline.max(axis=0)).astype(int) + margin
    columns, rows = np.arange(x0, x1).clip(0, width - 1), np.arange(y0, y1).clip(0, height - 1)
    color = photo[rows[:, None], columns[None]] * np.asarray(cutout.tint, np.float32)

    fine, bits = MASK_SUPERSAMPLING, 8
    mask = np.zeros(((y1 - y0) * fine, (x1 - x0) * fine), np.uint8)
    vertices = ((cutout.outline - (x0, y0)) * fine - 0.5) * 2**bits
    cv2.fillPoly(mask, [np.round(vertices).astype(np.int32)], 255, lineType=cv2.LINE_8, shift=bits)
    alpha = cv2.resize(mask.astype(np.float32) / 255, (x1 - x0, y1 - y0), interpolation=cv2.INTER_AREA)
    alpha = cv2.GaussianBlur(alpha, (0, 0), MASK_FEATHER)[..., None]
    return _Pyramid(np.concatenate((color * alpha, alpha), axis=2), (float(x0), float(y0)))


class _Actor:
    """A sprite with its pixels and its curves sampled at every instant."""

    def __init__(self, sprite: Sprite, times: Array, background: Array) -> None:
        """`times` (n,) are the instants, `background` the map of the background photograph to the world."""
        low, high = sprite.cutout.outline.min(axis=0), sprite.cutout.outline.max(axis=0)
        self.outline, self.center, self.extent = sprite.cutout.outline, (low + high) / 2, float((high - low).max())
        self.pyramid = _cutout_pyramid(sprite.cutout)
        self.pinned_map = background if sprite.pinned else None
        self.x, self.y, self.angle = sprite.x(times), sprite.y(times), sprite.angle(times)
        self.size, self.squeeze = sprite.size(times), sprite.squeeze(times)
        self.side_light = sprite.side_light(times)
        self.color = sprite.gain(times)[:, None] * _warmth_gains(sprite.warmth(times))  # (n, 3)

    def to_world(self, i: int) -> Array:
        if self.pinned_map is not None:
            return self.pinned_map
        scale = self.size[i] / self.extent
        posed: Array = _rotation(self.angle[i]) @ _scaling(scale * self.squeeze[i], scale)
        return _translation(self.x[i], self.y[i]) @ posed @ _translation(*-self.center)

    def paint(self, canvas: Array, matrix: Array, i: int) -> tuple[tuple[slice, slice], Array]:
        """Blends the object, mapped by photograph -> frame `matrix`, into `canvas` (H, W, 3).

        Returns the window of the frame it touches (rows, columns) and its alpha there.
        """
        limits = np.array(canvas.shape[1::-1])
        outline = _map_points(matrix, self.outline)
        x0, y0 = np.floor(outline.min(axis=0) - 3).astype(int).clip(0, limits)
        x1, y1 = np.ceil(outline.max(axis=0) + 3).astype(int).clip(0, limits)
        window = slice(y0, y1), slice(x0, x1)
        if x0 >= x1 or y0 >= y1:
            return window, np.zeros((y1 - y0, x1 - x0), np.float32)
        pixels = self.pyramid.warp(matrix, (x0, y0, x1 - x0, y1 - y0), cv2.BORDER_CONSTANT)
        middle, half = (outline.max(axis=0) + outline.min(axis=0)) / 2, np.ptp(outline, axis=0) / 2
        from_middle = (np.arange(x0, x1) + 0.5 - middle[0]) / half[0]
        gains = (1 + self.side_light[i] * from_middle)[:, None] * self.color[i]  # (columns, 3)
        alpha = pixels[..., 3]
        canvas[window] *= 1 - alpha[..., None]
        canvas[window] += pixels[..., :3] * gains.astype(np.float32)
        return window, alpha


def _warmth_gains(warmth: Array) -> Array:  # (n,) -> (n, 3)
    return np.stack((1 + 0.5 * warmth, np.ones_like(warmth), 1 - 0.5 * warmth), axis=1)


class SceneRenderer:
    """Renders any frame of a scene, in any order and from any thread, always to the same pixels."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.width, self.height = scene.frame_size
        exposures = scene.camera.exposures
        shifts = scene.camera.shutter * ((np.arange(exposures) + 0.5) / exposures - 0.5)
        times = (np.arange(scene.num_frames)[:, None] + shifts).ravel()  # frame t: instants t * exposures + 0, ...

        photo = _photo(scene.background.photo) * np.asarray(scene.background.tint, np.float32)
        size = scene.background.scale
        self._background = _Pyramid(photo)
        self._to_world = _scaling(size, size) @ _translation(-photo.shape[1] / 2, -photo.shape[0] / 2)
        self._behind = [_Actor(sprite, times, self._to_world) for sprite in scene.behind]
        self._target = _Actor(scene.target, times, self._to_world)
        self._in_front = [_Actor(sprite, times, self._to_world) for sprite in scene.in_front]

        camera, light = scene.camera, scene.light
        self._camera = np.stack([c(times) for c in (camera.x, camera.y, camera.zoom, camera.roll)], axis=1)
        frames = np.arange(scene.num_frames)
        self._defocus = camera.defocus(frames)
        self._light = light.exposure(frames)[:, None] * _warmth_gains(light.warmth(frames))
        self._slope = light.slope(frames)
        noise = np.random.default_rng(scene.seed).normal(0, camera.noise, (self.height + 64, self.width + 64))
        self._noise = noise.astype(np.float32)

    def _instant(self, t: int) -> int:
        return t * self.scene.camera.exposures + self.scene.camera.exposures // 2

    def _to_frame(self, i: int) -> Array:  # map from the world to the frame
        x, y, zoom, roll = self._camera[i]
        centered: Array = _rotation(roll) @ _scaling(zoom, zoom) @ _translation(-x, -y)
        return _translation(self.width / 2, self.height / 2) @ centered

    def outline(self, t: int) -> Array:
        """(n, 2) polygon of the target in frame `t`, also outside the frame and where it is hidden."""
        i = self._instant(t)
        return _map_points(self._to_frame(i) @ self._target.to_world(i), self._target.outline)

    def _expose(self, i: int) -> tuple[Array, float]:
        """The scene at instant `i` before optics and light, (H, W, 3) float32, and the target's visible share."""
        to_frame = self._to_frame(i)
        whole = (0, 0, self.width, self.height)
        canvas = self._background.warp(to_frame @ self._to_world, whole, cv2.BORDER_REFLECT_101)
        for actor in self._behind:
            actor.paint(canvas, to_frame @ actor.to_world(i), i)
        matrix = to_frame @ self._target.to_world(i)
        window, alpha = self._target.paint(canvas, matrix, i)
        visible = np.zeros((self.height, self.width), np.float32)
        visible[window] = alpha
        for actor in self._in_front:
            window, alpha = actor.paint(canvas, to_frame @ actor.to_world(i), i)
            visible[window] *= 1 - alpha
        area = polygon_area(_map_points(matrix, self._target.outline))
        return canvas, min(float(visible.sum(dtype=np.float64)) / area, 1.0)

    def render(self, t: int) -> DemoFrame:
        """Frame `t`, from 0; raises IndexError outside the scene."""
        if not 0 <= t < self.scene.num_frames:
            raise IndexError(f"{self.scene.name} has frames 0 to {self.scene.num_frames - 1}, got {t}")
        first, exposures = t * self.scene.camera.exposures, self.scene.camera.exposures
        image, share = np.zeros((self.height, self.width, 3), np.float32), 0.0
        for i in range(first, first + exposures):
            canvas, visible = self._expose(i)
            image += canvas / exposures
            share = visible if i == self._instant(t) else share
        return DemoFrame(self._develop(image, t), self._box(t, share), share)

    def _develop(self, image: Array, t: int) -> Array:
        """Lens, light and sensor: (H, W, 3) float32 -> uint8."""
        if self._defocus[t] > 0.05:
            image = cv2.GaussianBlur(image, (0, 0), self._defocus[t])
        across = np.linspace(-1, 1, self.width)[:, None]
        image *= ((1 + self._slope[t] * across) * self._light[t]).astype(np.float32)  # (W, 3)
        row, column = np.random.default_rng((self.scene.seed, t)).integers(0, 64, 2)
        image += self._noise[row : row + self.height, column : column + self.width, None]
        return np.rint(image).clip(0, 255).astype(np.uint8)

    def _box(self, t: int, visible: float) -> Array | None:
        if visible < ABSENT_BELOW:
            return None
        polygon = clip_polygon(self.outline(t), self.width, self.height)
        low, high = polygon.min(axis=0), polygon.max(axis=0)
        return np.concatenate((low, high - low))
