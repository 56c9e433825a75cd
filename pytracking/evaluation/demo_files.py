"""Writes the demo data set: each sequence is `<folder>/<sequence>/img/%05d.jpg`, numbered from 1, with its boxes.

`groundtruth.txt` has a row `x,y,w,h` for each frame, NaN where the object is not visible (see `demo_rendering`).
"""

import contextlib
import hashlib
import json
import os
import shutil
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ltr.common.files import write_atomic
from pytracking.evaluation.demo_parts import Scene
from pytracking.evaluation.demo_rendering import ABSENT_BELOW, MASK_FEATHER, MASK_SUPERSAMPLING, SceneRenderer
from pytracking.evaluation.demo_scenes import SCENES

DEMO_VERSION = "1"
JPEG_QUALITY = 88


def demo_sequences() -> tuple[tuple[str, int, tuple[str, ...]], ...]:
    """(name, number of frames, attributes) of every sequence; renders nothing."""
    return tuple((scene.name, scene.num_frames, scene.attributes) for scene in SCENES)


def is_rendered(folder: Path, names: Sequence[str] | None = None) -> bool:
    """Whether `folder` holds the named sequences (all by default), complete and of this version."""
    recorded = _read_manifest(Path(folder))
    return all(
        recorded.get(scene.name, {}).get("stamp") == _stamp(scene)
        and Path(folder, scene.name, "groundtruth.txt").is_file()
        and _frame_path(Path(folder, scene.name), scene.num_frames - 1).is_file()
        for scene in _scenes(names)
    )


def render_demo(folder: Path, names: Sequence[str] | None = None) -> None:
    """Renders the named sequences (all by default) into `folder`; those of this version that are there are kept.

    A sequence appears under its name, and then in `demo.json`, once it is complete, so that a killed rendering is done
    again. Several processes may render into the same folder. Raises ValueError for an unknown name, OSError where a
    photograph is missing or `folder` cannot be written.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(folder)
    finished: dict[str, dict[str, Any]] = {}
    for scene in _scenes(names):
        if is_rendered(folder, [scene.name]):
            continue
        staging = folder / f".{scene.name}.{os.getpid()}"
        shutil.rmtree(staging, ignore_errors=True)
        try:
            write_sequence(scene, staging)
            if not is_rendered(folder, [scene.name]):  # another process may have been faster
                _put_in_place(staging, folder / scene.name)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        finished[scene.name] = _manifest_entry(scene)
        _write_manifest(folder, finished)


def _scenes(names: Sequence[str] | None) -> list[Scene]:
    known = {scene.name: scene for scene in SCENES}
    unknown = [name for name in names or () if name not in known]
    if unknown:
        raise ValueError(f"The demo data set has the sequences {', '.join(known)}; found {', '.join(unknown)}")
    return list(SCENES) if names is None else [known[name] for name in names]


def _frame_path(sequence: Path, t: int) -> Path:
    return sequence / "img" / f"{t + 1:05d}.jpg"


def write_sequence(scene: Scene, folder: Path) -> None:
    """Render a scene into a folder that is not there yet: `img` and, once all frames are there, `groundtruth.txt`."""
    _frame_path(folder, 0).parent.mkdir(parents=True)
    renderer = SceneRenderer(scene)

    def write(t: int) -> str:
        frame = renderer.render(t)
        bgr = cv2.cvtColor(frame.image, cv2.COLOR_RGB2BGR)
        jpeg = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]
        _frame_path(folder, t).write_bytes(jpeg.tobytes())
        return "NaN,NaN,NaN,NaN" if frame.box is None else ",".join(f"{v:.4f}" for v in frame.box)

    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:  # OpenCV and NumPy work outside the interpreter lock
        try:
            rows = list(pool.map(write, range(scene.num_frames)))
        except BaseException:
            pool.shutdown(cancel_futures=True)  # Ctrl-C and a full disk end at once, not after the last frame
            raise
    (folder / "groundtruth.txt").write_text("\n".join(rows) + "\n", encoding="ascii")


def _put_in_place(staging: Path, final: Path) -> None:
    old = staging.with_name(f"{staging.name}.old")
    with contextlib.suppress(FileNotFoundError):
        final.rename(old)
    try:
        staging.rename(final)
    except OSError:
        if not final.is_dir():  # else another process has just put the same rendering there
            raise
    shutil.rmtree(old, ignore_errors=True)


def _stamp(scene: Scene) -> str:
    """Changes whenever the scene, its outlines, or the way of rendering does."""
    settings = (DEMO_VERSION, ABSENT_BELOW, JPEG_QUALITY, MASK_SUPERSAMPLING, MASK_FEATHER)
    return hashlib.sha256(repr((settings, scene)).encode()).hexdigest()[:16]


def _manifest_entry(scene: Scene) -> dict[str, Any]:
    return {
        "num_frames": scene.num_frames,
        "frame_size": list(scene.frame_size),
        "attributes": list(scene.attributes),
        "seed": scene.seed,
        "stamp": _stamp(scene),
    }


def _read_manifest(folder: Path) -> dict[str, dict[str, Any]]:
    """Entries by sequence; none where the manifest is absent or unreadable, so that all is rendered again."""
    try:
        return dict(json.loads((folder / "demo.json").read_text(encoding="utf-8"))["sequences"])
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _write_manifest(folder: Path, finished: dict[str, dict[str, Any]]) -> None:
    manifest = {
        "version": DEMO_VERSION,
        "generator": {
            "jpeg_quality": JPEG_QUALITY,
            "absent_below": ABSENT_BELOW,
            "mask_supersampling": MASK_SUPERSAMPLING,
            "mask_feather": MASK_FEATHER,
            "opencv": cv2.__version__,
            "numpy": np.__version__,
        },
        "sequences": dict(sorted({**_read_manifest(folder), **finished}.items())),
    }
    write_atomic(folder / "demo.json", json.dumps(manifest, indent=1) + "\n")


def _remove_abandoned(folder: Path) -> None:
    """Removes what renderings killed over an hour ago left; younger folders may belong to a live process."""
    for images in folder.glob(".*/img"):
        if time.time() - images.stat().st_mtime > 3600:
            shutil.rmtree(images.parent, ignore_errors=True)
