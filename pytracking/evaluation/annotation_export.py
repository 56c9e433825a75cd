"""Stored boxes in the files of annotation programs (`ltr.dataset.annotation_formats`)."""

from __future__ import annotations

from collections.abc import Sequence as SequenceOf
from pathlib import Path

import numpy as np

from ltr.common.files import read_record
from ltr.common.image import image_size
from ltr.common.types import Array
from ltr.dataset.annotation_formats import ENDINGS, Tracks, write_tracks
from ltr.dataset.frame_files import images_in, ordered_frames
from pytracking.evaluation.data import Sequence
from pytracking.evaluation.results import load_result, result_file

FOLDER = "annotations"  # in the folder of the results


def export_results(results: Path, dataset: SequenceOf[Sequence], formats: SequenceOf[str]) -> list[Path]:
    """Write `annotations/<sequence>.coco.json` ... for each stored result; returns the files."""
    written = []
    for sequence in dataset:
        if result_file(results, sequence.name).exists():
            boxes = _without_absent(load_result(results, sequence.name).boxes)
            frames = sequence.frames[: len(boxes)]
            names = [frame.name for frame in frames]
            tracks = Tracks({1: boxes[: len(frames)]}, names, image_size(frames[0]), sequence.name)
            written += _write(results, tracks, formats)
    return written


def export_video(results: Path, name: str, formats: SequenceOf[str]) -> list[Path]:
    """Write `annotations/<name>.coco.json` ... with all targets of a run in a video; returns the files.

    Images of a folder keep their names, frames of a video are called 000001.jpg, 000002.jpg, ...
    """
    record = read_record(results / f"{name}_run.json")
    boxes = {}
    for number in sorted(map(int, record.get("targets", {}))):
        path = results / f"{name}_{number}.txt"
        if path.exists():
            boxes[number] = _without_absent(np.loadtxt(path, ndmin=2))
    if not boxes:
        return []
    count = max(map(len, boxes.values()))
    images = [path.name for path in ordered_frames(images_in(Path(record["source"])))]
    names = images[:count] if len(images) >= count else [f"{number:06d}.jpg" for number in range(1, count + 1)]
    size = tuple(record["image_size"]) if "image_size" in record else None
    return _write(results, Tracks(boxes, names, size, name), formats)


def _without_absent(boxes: Array) -> Array:
    """NaN for frames where the tracker reported no box."""
    return np.where((boxes[:, 2:] > 0).all(axis=1, keepdims=True), boxes, np.nan)


def _write(results: Path, tracks: Tracks, formats: SequenceOf[str]) -> list[Path]:
    paths = {form: results / FOLDER / f"{tracks.name}{ENDINGS[form]}" for form in dict.fromkeys(formats)}
    for form, path in paths.items():
        write_tracks(path, tracks, form)
    return list(paths.values())
