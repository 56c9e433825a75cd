"""Package of results for the OxUvA server: `<video>_<object>.csv` for each track, without header.

Columns: video, object, frame_num, present, score, xmin, xmax, ymin, ymax; one row for each frame after the first, which
holds the given box. Coordinates are relative to the image size, clipped to [0, 1].

`present` is true where the tracker says that the target is there (`reported_frames`): by its flag, the rule of the
paper's authors, and the threshold that is recorded; of others, where the presence score exceeds pytracking's 0.55.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from collections.abc import Sequence as SequenceOf
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ltr.common.environment import config_file
from ltr.common.errors import InputError, unknown_name
from ltr.common.image import image_size
from ltr.common.types import Array
from pytracking.analysis.presence import DEFAULT_THRESHOLD, reported_frames
from pytracking.evaluation.tabledataset import load_table
from pytracking.evaluation.tracker import Tracker
from pytracking.util_scripts import packing
from pytracking.util_scripts.packing import Report, Run
from pytracking.util_scripts.packing_program import RUN_ID, Program, announce

SPLITS = ("dev", "test")
COLUMNS = ("video", "object", "frame_num", "present", "score", "xmin", "xmax", "ymin", "ymax")
PROTOCOL = """Protocol of OxUvA:
  - one run from the first frame's box alone, `present` decided for each frame without looking at later ones
  - not trained on YouTube-BB's validation set, where the videos come from; say whether the tracker keeps to the
    training data of the constrained challenge or takes part in the open one
  - parameters, the presence threshold among them, are chosen on the dev set; the test set is used once
  - to hand in: the zip file of the test set (dev results are scored with OxUvA's own toolkit)"""


@dataclass(frozen=True)
class Task:
    """One track: the numbers of its first frame, whose box is given, and of its last."""

    name: str  # <video>_<object>
    first: int
    last: int

    @property
    def num_frames(self) -> int:
        return self.last - self.first + 1

    @property
    def result_names(self) -> tuple[str, str]:
        """Names under which results may be stored; the second is pytracking's."""
        return self.name, f"{self.name}_frames[{self.first:06d}:{self.last + 1:06d}]"


@dataclass(frozen=True)
class Predictions:
    """What is reported of one track, for the frames after the first."""

    present: Array  # (N,) bool
    score: Array  # (N,)
    corners: Array  # (N, 4) xmin, xmax, ymin, ymax in [0, 1]


@cache
def tasks(split: str) -> tuple[Task, ...]:
    """The 200 tracks of `dev` or the 166 of `test`."""
    if split not in SPLITS:
        raise unknown_name("split of OxUvA", split, SPLITS)
    return tuple(Task(name, first, last) for name, (first, last) in load_table("oxuva_tasks")[split].items())


def pack_oxuva_results(
    tracker_name: str,
    param_name: str,
    run_id: int | None = None,
    output_name: str | None = None,
    *,
    split: str = "test",
    presence_threshold: float | None = None,
    results_path: Path | None = None,
) -> Path:
    """Validate one run, write `<results_path>/packed/oxuva_<split>/<output_name>.zip`, and return its path.

    The default name is `<tracker>_<param>[_<run>]`. With `presence_threshold` the score decides what is present even
    where flags are stored. Raises InputError with everything that is wrong; nothing is written then.
    """
    tracker = Tracker(tracker_name, param_name, run_id, results_path=results_path)
    path = packing.package_path(f"oxuva_{split}", output_name or tracker.display_name, results_path)
    report = Report(f"{tracker.display_name} for OxUvA {split}")
    run = Run(tracker, f"oxuva_{split}")
    chosen, predictions = tasks(split), {}
    if run.is_there(report):
        packing.check_records(report, [run])
        reader = _Reader(report, run, split, presence_threshold)
        predictions = {task: found for task in chosen if (found := reader.read(task)) is not None}
        report.notes += sorted(reader.rules)
    report.raise_if_wrong("nothing was written")
    packing.write_package(path, ((f"{task.name}.csv", "".join(_rows(task, p))) for task, p in predictions.items()))
    announce(path, report, _content([p.present for p in predictions.values()]), PROTOCOL)
    return path


def check_oxuva_package(path: Path, split: str = "test") -> Report:
    """Validate a zip file, made by whatever program. Raises InputError with everything that is wrong."""
    report = Report(f"{path} for OxUvA {split}")
    _, members = packing.unwrap(packing.read_package(report, path))  # the server takes one folder around the files
    expected = {f"{task.name}.csv": task for task in tasks(split)}
    other = {f"{task.name}.csv" for name in SPLITS if name != split for task in tasks(name)}
    if len(other & members.keys()) > len(expected.keys() & members.keys()):
        report.add("the other split", f"most files are not of {split}", "give the other --split")
    packing.check_names(report, members, expected)
    present = [_check_csv(report, name, task, members[name]) for name, task in expected.items() if name in members]
    report.raise_if_wrong("the server would refuse this package, or score it wrongly")
    announce(path, report, _content(present), PROTOCOL)
    return report


class _Reader:
    """Reads stored results of one run as predictions; collects the rules that decided what is present."""

    def __init__(self, report: Report, run: Run, split: str, threshold: float | None) -> None:
        self.report, self.run, self.split, self.threshold = report, run, split, threshold
        record = run.record(report)
        self.run_hash, self.parameters = record.get("hash"), record.get("parameters", {})
        self.rules: set[str] = set()

    def read(self, task: Task) -> Predictions | None:
        report, run = self.report, self.run
        folder = run.tracker.results_dir
        name = next((n for n in task.result_names if (folder / f"{n}.txt").exists()), task.name)
        boxes = run.boxes(report, name)
        if boxes is None:
            return None
        info = run.info(report, name)
        packing.check_hash(report, run, name, info, self.run_hash)
        packing.check_rows(report, name, len(boxes), task.num_frames, run.again)
        score = run.column(report, name, "object_presence_scores")
        size = self._image_size(task, name, info)
        if score is None or size is None:
            return None
        packing.check_rows(report, f"{name}_object_presence_scores", len(score), task.num_frames, run.again)
        present = self._present(task, name, score)
        if not len(boxes) == len(score) == len(present):
            return None
        packing.check_sizes(report, name, np.where(present[:, None], boxes, 0))  # absent targets need no box
        return Predictions(present[1:], score[1:], relative_corners(boxes[1:], size))

    def _present(self, task: Task, name: str, score: Array) -> Array:  # (N,) -> (N,) bool
        if self.threshold is not None:
            self.rules.add(f"present: score > {self.threshold:g} (--presence_threshold)")
            return score > self.threshold
        flags = self.run.flags(self.report, name)
        if flags is not None:
            packing.check_rows(self.report, f"{name}_flags", len(flags), task.num_frames, self.run.again)
            if len(flags) != len(score):
                return np.empty(0, bool)
        present, rule = reported_frames(score, flags, self.parameters)
        self.rules.add(f"present: {rule}")
        return present

    def _image_size(self, task: Task, name: str, info: dict[str, Any]) -> tuple[float, float] | None:
        """Width and height, stored with the result or read off the first frame."""
        stored = info.get("image_size")
        if isinstance(stored, list) and len(stored) == 2 and all(isinstance(v, int) and v > 0 for v in stored):
            return stored[0], stored[1]
        root = packing.dataset_folder("oxuva_path")
        if root is None:
            remedy = f"set oxuva_path in {config_file()}: the first image of each track is read"
            self.report.add("unknown image sizes", f"{name}: no image_size in {name}_info.json", remedy)
            return None
        try:
            video = task.name.split("_")[0]
            return image_size(root / "images" / self.split / video / f"{task.first:06d}.jpeg")
        except InputError as error:
            self.report.add("unknown image sizes", str(error), "complete the data set")
            return None


def relative_corners(boxes: Array, size: tuple[float, float]) -> Array:  # (N, 4), (width, height) -> (N, 4)
    """Boxes `x, y, w, h` in pixels as `xmin, xmax, ymin, ymax` relative to the image, clipped to [0, 1]."""
    x, y, w, h = boxes.T
    width, height = size
    corners = np.stack([x / width, (x + np.maximum(w, 0)) / width, y / height, (y + np.maximum(h, 0)) / height], axis=1)
    return np.clip(corners, 0, 1)


def _rows(task: Task, predictions: Predictions) -> Iterator[str]:
    video, target = task.name.split("_")
    columns = (predictions.present.tolist(), predictions.score.tolist(), predictions.corners.tolist())
    for number, (present, score, corners) in enumerate(zip(*columns, strict=True), start=task.first + 1):
        values = ",".join(f"{value:.6f}" for value in (score, *corners))
        yield f"{video},{target},{number},{'true' if present else 'false'},{values}\n"


def _check_csv(report: Report, name: str, task: Task, text: str) -> Array:  # (N,) bool
    """Check the rows of one track; the first wrong row of each kind is reported. Returns what is present."""
    lines = text.rstrip().splitlines()
    has_header = bool(lines) and lines[0].split(",")[0].strip() == COLUMNS[0]
    rows = [line.split(",") for line in lines[has_header:]]
    packing.check_rows(report, f"{name} (its first frame needs none)", len(rows), task.num_frames - 1)
    seen: set[str] = set()
    for index, cells in enumerate(rows):
        for kind in _wrong(task, task.first + 1 + index, [cell.strip() for cell in cells]):
            if kind not in seen:
                seen.add(kind)
                report.add(kind, f"{name}, line {index + 1 + has_header}: {','.join(cells)[:80]!r}")
    return np.array([len(cells) > 3 and cells[3].strip().lower() == "true" for cells in rows], dtype=bool)


def _wrong(task: Task, frame: int, cells: list[str]) -> list[str]:
    """What is wrong with a row."""
    if len(cells) != len(COLUMNS):
        return [f"rows without the {len(COLUMNS)} comma-separated columns {','.join(COLUMNS)}"]
    values = packing.finite_numbers([cells[2], *cells[4:]])
    if values is None:
        return ["rows that are not finite numbers"]
    number, _, xmin, xmax, ymin, ymax = values
    present = cells[3].lower()
    kinds = []
    if "_".join(cells[:2]) != task.name:
        kinds.append("rows of another video or object than the file's name says")
    if number != frame:
        kinds.append("frame numbers that do not count up by one from the frame after the first")
    if present not in ("true", "false"):
        kinds.append("rows whose column present is neither true nor false")
    if present == "true" and not (0 <= xmin <= xmax <= 1 and 0 <= ymin <= ymax <= 1):
        kinds.append("boxes that are not 0 <= min <= max <= 1 (relative to the image size)")
    return kinds


def _content(present: SequenceOf[Array]) -> str:
    total, shown = sum(map(len, present)), sum(int(array.sum()) for array in present)
    return f"{len(present)} tracks, {total} frames, target present in {shown / max(total, 1):.1%}"


def main(arguments: SequenceOf[str] | None = None) -> int:
    """Command line; exit status 0 written or valid, 2 not valid."""
    options: dict[str, dict[str, Any]] = {
        "runid": RUN_ID,
        "split": {"choices": SPLITS, "default": "test", "help": "dev or test (default: test)"},
        "presence_threshold": {
            "type": float,
            "help": "score above which the target is present (default: by the flags and the threshold of the run, else "
            f"{DEFAULT_THRESHOLD})",
        },
    }
    program = Program(
        "pack_oxuva_results",
        "Pack one run for the OxUvA server.",
        pack_oxuva_results,
        check_oxuva_package,
        options,
        check_options=("split",),
    )
    return program.main(arguments)


if __name__ == "__main__":
    sys.exit(main())
