"""Results as `ResultStore` writes them, of dummy trackers on sequences without images, and zip files to be checked."""

import json
import zipfile
from pathlib import Path

import numpy as np

from pytracking.evaluation import Sequence
from pytracking.evaluation.results import ResultStore
from tests.pytracking.dummy import DummyTracker

TRACKER = ("wander", "default")


def run_folder(results_path: Path, run_id: int | None) -> Path:
    return DummyTracker(*TRACKER, run_id, results_path=results_path).results_dir


def make_output(frames: int, run_id: int | None = 0, flags: list[str] | None = None) -> dict:
    """Boxes whose x tells frame and run, times that add up, scores that fall."""
    shift = (run_id or 0) / 8
    return {
        "target_bbox": [[10.25 + frame + shift, 20.5, 30.0, 40.125] for frame in range(frames)],
        "time": [0.5, *[0.0625 + shift] * (frames - 1)],
        "object_presence_score": [1.0, *np.linspace(0.9, 0.1, frames - 1).tolist()],
        "flag": flags if flags is not None else ["init", *["normal"] * (frames - 1)],
    }


def save_run(results_path: Path, run_id: int | None, outputs: dict[str, dict], dataset: str, **options) -> ResultStore:
    """Store outputs, by sequence name, of one run; `options` are those of `Tracker`."""
    store = ResultStore(DummyTracker(*TRACKER, run_id, results_path=results_path, **options))
    store.open()
    for name, output in outputs.items():
        box = np.array(output["target_bbox"][:1])
        frames = [f"{number:06d}.jpg" for number in range(len(output["target_bbox"]))]
        store.save(Sequence(name, frames, dataset, box, first_box_only=True), output, seed=1)
    return store


def edit_json(path: Path, **changes) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def edit_lines(path: Path, change) -> None:
    """Replace the list of lines of a file by `change(lines)`."""
    path.write_text("".join(f"{line}\n" for line in change(path.read_text().splitlines())))


def read_zip(path: Path) -> dict[str, str]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def write_zip(path: Path, members: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return path
