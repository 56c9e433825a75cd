"""Rendered videos for training: cut-out photographs that move over moving photographs, with exact boxes.

Lengths are frame pixels; a pixel i covers [i, i + 1), so a box is the extent of the mapped outline in the frame.
"""

import functools
import importlib.util
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ltr.dataset.base import Track, TrackDataset

Array = np.ndarray[Any, Any]

_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
_PACKAGE_PHOTOS = (
    ("skimage", "data", ("astronaut.png", "brick.png", "camera.png", "chelsea.png", "coffee.png", "coins.png")),
    ("skimage", "data", ("grass.png", "gravel.png", "hubble_deep_field.jpg", "motorcycle_left.png", "rocket.jpg")),
    ("sklearn", "datasets/images", ("china.jpg", "flower.jpg")),
)
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


class SyntheticTracks(TrackDataset):
    """Track `index` is a function of the files, the options, the seed and `index` alone.

    Without cut-outs, targets are pieces of the backgrounds; without backgrounds, photographs in the wheels of
    scikit-image and scikit-learn are used.

    Raises:
        FileNotFoundError: a folder without images, or no photograph at all.
    """

    name = "synthetic"

    def __init__(
        self,
        cutouts: Path | Sequence[Path] | None = None,  # images with an alpha channel, or a folder of them
        backgrounds: Path | Sequence[Path] | None = None,
        *,
        num_tracks: int = 1000,
        seed: int = 0,
        options: SceneOptions | None = None,
    ) -> None:
        self.cutouts = _images(cutouts)
        self.backgrounds = _images(backgrounds) or package_photographs()
        self.num_tracks = num_tracks
        self.seed = seed
        self.options = options or SceneOptions()

    def __len__(self) -> int:
        return self.num_tracks

    def track_name(self, index: int) -> str:
        return f"synthetic-{self.seed}-{index:05d}"

    def track(self, index: int) -> Track:
        scene = self._scene(index)
        boxes, shares = zip(*(scene.annotation(frame) for frame in range(self.options.num_frames)), strict=True)
        return Track(boxes=np.array(boxes), visible=np.array(shares) >= self.options.min_visible)

    def read_frames(self, index: int, frames: Sequence[int]) -> list[Array]:
        scene = self._scene(index)
        return [scene.render(frame) for frame in frames]

    def describe(self) -> dict[str, Any]:
        """Everything that the tracks depend on, as JSON data; files count by name and size."""
        files = {"cutouts": self.cutouts, "backgrounds": self.backgrounds}
        named = {kind: [[path.name, path.stat().st_size] for path in paths] for kind, paths in files.items()}
        return {"name": self.name, "num_tracks": self.num_tracks, "seed": self.seed, **asdict(self.options), **named}

    def _scene(self, index: int) -> "_Scene":
        return _make_scene(tuple(self.cutouts), tuple(self.backgrounds), self.options, self.seed, index)


def package_photographs() -> list[Path]:
    """Photographs in installed packages; raises FileNotFoundError where there is none."""
    found = []
    for package, folder, names in _PACKAGE_PHOTOS:
        spec = importlib.util.find_spec(package)
        for location in (spec.submodule_search_locations or []) if spec else []:
            found += [path for name in names if (path := Path(location, folder, name)).is_file()]
    if not found:
        raise FileNotFoundError("expected folders of photographs, or their wheels: pip install scikit-image")
    return found


def _images(source: Path | Sequence[Path] | None) -> list[Path]:
    if source is None:
        return []
    if isinstance(source, str | Path):
        paths = sorted(path for path in Path(source).rglob("*") if path.suffix.lower() in _SUFFIXES)
    else:
        paths = [Path(path) for path in source]
    if not paths:
        raise FileNotFoundError(f"expected images ({', '.join(_SUFFIXES)}) in {source}, found none")
    return paths


@functools.lru_cache(maxsize=512)
def _read_cutout(path: Path) -> Array:  # (h, w, 4) uint8 RGBA, cropped to what is opaque
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if image is None or image.ndim != 3 or image.shape[2] != 4 or not (image[..., 3] > 127).any():
        raise ValueError(f"{path}: expected an image with an alpha channel and opaque pixels")
    x, y, w, h = cv2.boundingRect((image[..., 3] > 127).astype(np.uint8))
    return cv2.cvtColor(image[y : y + h, x : x + w], cv2.COLOR_BGRA2RGBA)


@functools.lru_cache(maxsize=128)
def _read_photo(path: Path) -> Array:  # (h, w, 3) uint8 RGB
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise ValueError(f"{path}: expected a readable image")
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


@dataclass(frozen=True)
class _Sprite:
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
class _Scene:
    photo: Array  # (h, w, 3)
    camera: Array  # (T, 2, 3) affine maps from photograph to frame
    sprites: tuple[_Sprite, ...]  # painted in this order
    target: int
    options: SceneOptions
    light: Array  # (T, 3)
    gamma: float
    defocus: Array  # (T,) standard deviation, pixels
    noise: float
    jpeg_quality: int
    gray: bool
    noise_seed: int

    def annotation(self, frame: int) -> tuple[Array, float]:
        """Box (4,) of the target, clipped to the frame, and the visible share of the object."""
        width, height = self.options.frame_size
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
        size = self.options.frame_size
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


@functools.lru_cache(maxsize=4)
def _make_scene(
    cutouts: tuple[Path, ...], backgrounds: tuple[Path, ...], options: SceneOptions, seed: int, index: int
) -> _Scene:
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
    return _Scene(
        photo,
        camera,
        (*behind, target, *front),
        len(behind),
        options,
        light,
        gamma=math.exp(rng.uniform(-0.35, 0.35)),
        defocus=defocus,
        noise=rng.uniform(0, 6),
        jpeg_quality=int(rng.integers(25, 100)),
        gray=bool(rng.random() < options.gray_share),
        noise_seed=int(rng.integers(2**31)),
    )


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
) -> _Sprite:
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
    return _Sprite(canvas, maps, grid, gain, smear)


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


def _region(rng: np.random.Generator, photo: Array, camera: Array, side: float, options: SceneOptions) -> _Sprite:
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
    return _Sprite(canvas, maps, None, np.ones((frames, 3)), np.zeros((frames, 2)), painted=False)


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
