"""Drawing rendered scenes by chance: which objects there are, how they look, and how they and the camera move."""

import functools
import math
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from ltr.common.errors import InputError
from ltr.common.types import Array
from ltr.data.synthetic_rendering import RenderedScene, Sprite

_LONGEST_BACKGROUND = 1200  # pixels
_CANVAS_MARGIN = 0.15  # of the longer side of a cut-out, for its deformation


@dataclass(frozen=True, kw_only=True)
class SceneOptions:
    """Ranges that scenes are drawn from."""

    frame_size: tuple[int, int] = (400, 300)  # width, height
    num_frames: int = 20
    target_side: tuple[float, float] = (22.0, 130.0)  # sqrt(width * height) of the outline's box, log-uniform
    path_extent: float = 0.32  # amplitude of the target's path, in frame sides
    size_change: float = 0.45  # amplitude of log(size) within a track
    aspect_change: float = 0.15  # amplitude of log(aspect) within a track
    fixed_aspect: float = 0.25  # the photograph's own log(aspect) is changed by up to this
    max_rotation: float = 25.0  # degrees
    perspective: float = 0.06  # shift of the corners, in sides
    deformation: float = 0.07  # shift of a coarse grid on the object, in its longer side
    region_share: float = 0.25  # targets that are a part of the background, which moves as the camera does
    part_share: float = 0.25  # other targets that are a part of a cut-out
    blob_share: float = 0.2  # objects cut from a photograph along a random outline
    twin_share: float = 0.35  # scenes with a copy of the target, in other light
    distractors: int = 3  # at most, of other cut-outs
    occluder_share: float = 0.4
    motion_blur_share: float = 0.35  # of the objects
    gray_share: float = 0.2
    min_visible: float = 0.35  # visible share of the object from which a frame counts as visible


@functools.lru_cache(maxsize=4)
def draw_scene(
    cutouts: tuple[Path, ...], backgrounds: tuple[Path, ...], options: SceneOptions, seed: int, index: int
) -> RenderedScene:
    rng = np.random.default_rng((seed, index))
    frames = options.num_frames
    photo = _read_photo(backgrounds[rng.integers(len(backgrounds))])
    camera, camera_path = _camera(rng, photo, options)

    def material() -> Array:
        if cutouts and rng.random() >= options.blob_share:
            return _read_cutout(cutouts[rng.integers(len(cutouts))])
        return _blob(rng, _read_photo(backgrounds[rng.integers(len(backgrounds))]))

    side = math.exp(rng.uniform(*np.log(options.target_side)))
    behind, front = [], []
    if rng.random() < options.region_share:
        target = _region(rng, photo, camera, side, options)
    else:
        appearance = material()
        aspect = rng.uniform(-1, 1) * options.fixed_aspect
        target = _sprite(rng, appearance, side, aspect, camera_path, options)
        if rng.random() < options.part_share:
            target = replace(target, window=_part(rng, target.canvas.shape))
        if rng.random() < options.twin_share:
            twin_side = side * rng.uniform(0.8, 1.25)
            behind.append(_sprite(rng, appearance, twin_side, aspect, camera_path, options))
        for _ in range(rng.integers(options.distractors + 1)):
            other_side = side * rng.uniform(0.6, 1.8)
            behind.append(_sprite(rng, material(), other_side, 0.0, camera_path, options))
    if rng.random() < options.occluder_share:
        front.append(_sprite(rng, material(), side * rng.uniform(0.5, 1.3), 0.0, camera_path, options))
    flicker = rng.uniform(0, 0.3) * (rng.random() < 0.5)
    light = np.exp(flicker * _wave(rng, frames, 1) + 0.08 * rng.standard_normal((1, 3)))
    defocus = (rng.random() < 0.4) * rng.uniform(0, 1.6) * np.clip(0.5 + _wave(rng, frames), 0, None)
    return RenderedScene(
        photo,
        camera,
        (*behind, target, *front),
        len(behind),
        options.frame_size,
        light,
        gamma=math.exp(rng.uniform(-0.35, 0.35)),
        defocus=defocus,
        noise=rng.uniform(0, 6),
        jpeg_quality=int(rng.integers(25, 100)),
        gray=bool(rng.random() < options.gray_share),
        noise_seed=int(rng.integers(2**31)),
    )


@functools.lru_cache(maxsize=512)
def _read_cutout(path: Path) -> Array:  # (h, w, 4) uint8 RGBA, cropped to what is opaque
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if image is None or image.ndim != 3 or image.shape[2] != 4 or not (image[..., 3] > 127).any():
        raise InputError(f"{path}: expected an image with an alpha channel and opaque pixels")
    x, y, w, h = cv2.boundingRect((image[..., 3] > 127).astype(np.uint8))
    return cv2.cvtColor(image[y : y + h, x : x + w], cv2.COLOR_BGRA2RGBA)


@functools.lru_cache(maxsize=128)
def _read_photo(path: Path) -> Array:  # (h, w, 3) uint8 RGB
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise InputError(f"{path}: expected a readable image")
    scale = _LONGEST_BACKGROUND / max(image.shape[:2])
    if scale < 1:
        image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def _wave(rng: np.random.Generator, frames: int, *shape: int) -> Array:
    """Smooth random functions of time (frames, *shape), within -1...1."""
    t = np.arange(frames).reshape(-1, *(1,) * (len(shape) + 1))
    period = frames * rng.uniform(0.6, 3.0, (1, *shape, 2))
    phase = rng.uniform(0, 2 * math.pi, (1, *shape, 2))
    weight: Array = rng.dirichlet((1.0, 1.0), (1, *shape))
    return (weight * np.sin(2 * math.pi * t / period + phase)).sum(axis=-1)


def _camera(rng: np.random.Generator, photo: Array, options: SceneOptions) -> tuple[Array, Array]:
    """Maps (T, 2, 3) from photograph to frame, and the shift (T, 2) of the scene that the camera's motion causes."""
    width, height = options.frame_size
    frames = options.num_frames
    cover = max(width / photo.shape[1], height / photo.shape[0])
    zoom = cover * math.exp(rng.uniform(0.05, 1.0)) * np.exp(rng.uniform(0, 0.35) * _wave(rng, frames))
    stretch = np.exp(rng.uniform(0, 0.06) * _wave(rng, frames))
    angle = np.radians(rng.uniform(0, 6) * _wave(rng, frames))
    free = np.maximum(np.array(photo.shape[1::-1]) - np.array([width, height]) / zoom.min(), 0) / 2
    start = np.array(photo.shape[1::-1]) / 2 + rng.uniform(-0.7, 0.7, 2) * free
    path = rng.uniform(0, 0.3) * _wave(rng, frames, 2) * np.array([width, height]) / zoom.mean()
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]).transpose(2, 0, 1)
    linear = zoom[:, None, None] * rotation * np.stack((stretch, 1 / stretch), axis=1)[:, None, :]
    look_at = start + path
    shift = np.array([width, height]) / 2 - (linear @ look_at[..., None])[..., 0]
    return np.concatenate((linear, shift[..., None]), axis=2), -path * zoom.mean()


def _sprite(
    rng: np.random.Generator,
    appearance: Array,  # (h, w, 4) uint8
    side: float,
    fixed_aspect: float,
    camera_path: Array,  # (T, 2)
    options: SceneOptions,
) -> Sprite:
    frames, size = options.num_frames, np.array(options.frame_size, float)
    log_size = rng.uniform(0, options.size_change) * _wave(rng, frames)
    log_aspect = fixed_aspect + rng.uniform(0, options.aspect_change) * _wave(rng, frames)
    angle = np.radians(rng.uniform(-0.5, 0.5) + rng.uniform(0, 1) * _wave(rng, frames)) * options.max_rotation
    if rng.random() < 0.5:
        appearance = appearance[:, ::-1]

    height, width = appearance.shape[:2]
    fit = side / math.sqrt(height * width)
    shrink = min(1.0, fit * math.exp(log_size.max()))  # a canvas as large as it is ever seen
    scale = fit / shrink * np.exp(log_size)
    canvas = _canvas(rng, appearance, shrink)

    rest = size / 2 + rng.uniform(-0.5, 0.5, 2) * size * 0.5
    path = rest + rng.uniform(0, options.path_extent) * size * _wave(rng, frames, 2)
    path = path + rng.uniform(0, 0.8) * camera_path
    # Reflecting at the frame's edges keeps the center of the object in sight.
    period = 2 * size
    path = np.abs((path % period + period) % period - size * (2 * ((path % period) > size)))
    corners = rng.uniform(0, options.perspective) * _wave(rng, frames, 4, 2)
    maps = np.stack(
        [_pose(canvas.shape, path[t], scale[t], log_aspect[t], angle[t], corners[t]) for t in range(frames)]
    )
    grid = None
    if rng.random() < 0.6:
        amplitude = rng.uniform(0, options.deformation) * max(canvas.shape)
        grid = (amplitude * _wave(rng, frames, 5, 5, 2)).astype(np.float32)
    gain = np.exp(rng.uniform(-0.35, 0.25) + 0.08 * rng.standard_normal((1, 3)) + 0.1 * _wave(rng, frames, 1))
    shutter = rng.uniform(0, 0.7) * (rng.random() < options.motion_blur_share)
    smear = np.clip(np.gradient(path, axis=0) * shutter, -side / 2, side / 2)
    return Sprite(canvas, maps, grid, gain, smear)


def _margin(shape: tuple[int, ...]) -> int:
    """Width of the empty border of a canvas of this shape."""
    longest = max(shape[:2])
    return next(m for m in range(longest) if math.ceil(_CANVAS_MARGIN * (longest - 2 * m)) + 1 <= m)


def _part(rng: np.random.Generator, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Random rectangle with 40 to 75 % of each side of the object on a canvas."""
    margin = _margin(shape)
    inside = np.array(shape[1::-1]) - 2 * margin
    size = inside * rng.uniform(0.4, 0.75, 2)
    corner = margin + (inside - size) * rng.random(2)
    x1, y1, x2, y2 = (int(v) for v in np.rint(np.concatenate((corner, corner + size))))
    return x1, y1, x2, y2


def _region(rng: np.random.Generator, photo: Array, camera: Array, side: float, options: SceneOptions) -> Sprite:
    """Target that is a piece of the photograph, of four random ones that with the most structure."""
    frames = options.num_frames
    middle = cv2.invertAffineTransform(camera[frames // 2])
    zoom = math.sqrt(abs(np.linalg.det(camera[frames // 2, :, :2])))
    best: tuple[float, Array, Array] | None = None
    for _ in range(4):
        center = middle @ np.append((0.5 + rng.uniform(-0.3, 0.3, 2)) * options.frame_size, 1)
        ratio = math.exp(rng.uniform(-0.5, 0.5))
        extent = np.maximum(np.rint(side / zoom * np.array([ratio, 1 / ratio])), 4)
        corner = np.clip(np.rint(center - extent / 2), 0, np.maximum(np.array(photo.shape[1::-1]) - extent, 0))
        x, y, w, h = (int(v) for v in np.concatenate((corner, extent)))
        structure = float(photo[y : y + h, x : x + w].std(axis=(0, 1)).mean())
        if best is None or structure > best[0]:
            best = structure, corner, extent
    assert best is not None
    _, corner, extent = best
    canvas = np.ones((int(extent[1]), int(extent[0]), 4), np.float32)
    to_photo = np.array([[1, 0, corner[0]], [0, 1, corner[1]], [0, 0, 1.0]])
    maps = np.stack([np.vstack((camera[t], (0, 0, 1))) @ to_photo for t in range(frames)])
    return Sprite(canvas, maps, None, np.ones((frames, 3)), np.zeros((frames, 2)), painted=False)


def _canvas(rng: np.random.Generator, appearance: Array, shrink: float) -> Array:
    height, width = appearance.shape[:2]
    size = max(round(width * shrink), 4), max(round(height * shrink), 4)
    rgba: Array = appearance.astype(np.float32) / 255
    rgba[..., :3] *= rgba[..., 3:]
    rgba = cv2.resize(rgba, size, interpolation=cv2.INTER_AREA)
    margin = math.ceil(_CANVAS_MARGIN * max(size)) + 1  # `_margin` finds it again
    canvas: Array = cv2.copyMakeBorder(rgba, margin, margin, margin, margin, cv2.BORDER_CONSTANT, value=(0, 0, 0, 0))
    softness = rng.uniform(0.2, 0.8)
    canvas = cv2.GaussianBlur(canvas, (0, 0), softness)
    ramp: Array = 1 + rng.uniform(0, 0.35) * np.linspace(-1, 1, canvas.shape[1], dtype=np.float32)
    canvas[..., :3] *= ramp[None, :, None]
    return canvas


def _pose(
    shape: tuple[int, ...], center: Array, scale: float, log_aspect: float, angle: float, corners: Array
) -> Array:
    """Homography (3, 3) that puts the canvas around `center`; `corners` (4, 2) are shifts in sides of the canvas."""
    height, width = shape[:2]
    unit = np.array([(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)])
    extent = np.array([width * math.exp(log_aspect / 2), height * math.exp(-log_aspect / 2)]) * scale
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    seen = center + ((unit + corners) * extent) @ turn.T
    canvas = unit * (width, height) + (width / 2, height / 2) - 0.5
    return cv2.getPerspectiveTransform(canvas.astype(np.float32), (seen - 0.5).astype(np.float32))


def _blob(rng: np.random.Generator, photo: Array) -> Array:
    """Piece (h, w, 4) of a photograph within a random smooth outline, or a rounded rectangle."""
    side = rng.uniform(0.12, 0.45) * min(photo.shape[:2])
    aspect = math.exp(rng.uniform(-0.5, 0.5))
    width, height = (
        min(int(v), limit) for v, limit in zip((side * aspect, side / aspect), photo.shape[1::-1], strict=True)
    )
    x, y = rng.integers(photo.shape[1] - width + 1), rng.integers(photo.shape[0] - height + 1)
    turn = np.linspace(0, 2 * math.pi, 96, endpoint=False)
    power = rng.uniform(1.0, 4.0)  # 1: ellipse, more: towards a rectangle
    radius = (np.abs(np.cos(turn)) ** (2 * power) + np.abs(np.sin(turn)) ** (2 * power)) ** (-1 / (2 * power))
    for order in range(2, 6):
        radius = radius * (1 + rng.normal(0, 0.18 / order) * np.cos(order * turn + rng.uniform(0, 2 * math.pi)))
    points = radius[:, None] * np.stack((np.cos(turn), np.sin(turn)), axis=1)
    points = (points - points.min(axis=0)) / np.ptp(points, axis=0) * (width - 1, height - 1)
    alpha = np.zeros((height, width), np.uint8)
    cv2.fillPoly(alpha, [np.rint(points).astype(np.int32)], 255, cv2.LINE_AA)
    return np.dstack((photo[y : y + height, x : x + width], alpha))
