"""Rendered videos for training: cut-out photographs that move over moving photographs, with exact boxes."""

import importlib.util
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ltr.common.fingerprints import files_fingerprint
from ltr.common.types import Array
from ltr.data.synthetic_rendering import RenderedScene
from ltr.data.synthetic_scenes import SceneOptions, draw_scene
from ltr.dataset.base import Track, TrackDataset

__all__ = ["SceneOptions", "SyntheticTracks", "package_photographs"]


_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
_PACKAGE_PHOTOS = (
    ("skimage", "data", ("astronaut.png", "brick.png", "camera.png", "chelsea.png", "coffee.png", "coins.png")),
    ("skimage", "data", ("grass.png", "gravel.png", "hubble_deep_field.jpg", "motorcycle_left.png", "rocket.jpg")),
    ("sklearn", "datasets/images", ("china.jpg", "flower.jpg")),
)


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
        """Everything that the tracks depend on, as JSON data; files count by name and fingerprint."""
        files = {"cutouts": self.cutouts, "backgrounds": self.backgrounds}
        named = {kind: [[path.name, files_fingerprint([path])] for path in paths] for kind, paths in files.items()}
        return {"name": self.name, "num_tracks": self.num_tracks, "seed": self.seed, **asdict(self.options), **named}

    def _scene(self, index: int) -> RenderedScene:
        return draw_scene(tuple(self.cutouts), tuple(self.backgrounds), self.options, self.seed, index)


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
