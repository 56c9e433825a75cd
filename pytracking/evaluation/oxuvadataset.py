"""OxUvA (Valmadre et al.: Long-term Tracking in the Wild, ECCV 2018): 200 dev and 166 test tracks in 337 videos.

A track is a target in a range of frames of a video. Boxes are relative to the image size, which is read from the first
image when a box is asked for. The dev split is annotated once a second: `annotated` says where, `target_visible` where
the target is annotated as present; the rows of all other frames are NaN. Of the test split only the first boxes are
public: it is scored by the server.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import ClassVar

import numpy as np

from ltr.common.errors import InputError
from ltr.common.image import image_size
from ltr.common.types import Array
from ltr.dataset.annotations import read_lines
from ltr.dataset.frame_files import numbered_frames
from pytracking.evaluation.data import BaseDataset, Sequence, SequenceList


@dataclass(frozen=True)
class Track:
    """Row of a task file."""

    video: str
    target: str
    first: int  # number of the first image
    last: int
    box: tuple[float, ...]  # relative (xmin, xmax, ymin, ymax) in the first frame


@dataclass(frozen=True)
class Label:
    """Row of the annotation: one frame of one track."""

    frame: int
    present: bool
    box: tuple[float, ...]  # relative (xmin, xmax, ymin, ymax)


class OxUvADataset(BaseDataset):
    """One split; relative boxes have no pixel origin."""

    setting = "oxuva_path"
    split: ClassVar[str]

    def get_sequence_list(self) -> SequenceList:
        """The tracks, named `<video>_<object>`. Raises InputError where the task file is not there or malformed."""
        return SequenceList(map(self._sequence, _read_tracks(self.root / "tasks" / f"{self.split}.csv")))

    def _sequence(self, track: Track) -> Sequence:
        folder = self.root / "images" / self.split / track.video
        frames = partial(numbered_frames, folder, ["{:06d}.jpeg"], track.first, track.last)
        name, annotation = f"{track.video}_{track.target}", self.root / "annotations" / f"{self.split}.csv"
        if self.split == "test":
            boxes = partial(_first_box, track, folder)
            return Sequence(name, frames, self.name, boxes, folders=[folder], first_box_only=True)
        return Sequence(
            name, frames, self.name, partial(_boxes, track, folder, annotation), folders=[folder],
            target_visible=partial(_visible, track, annotation), annotated=partial(_annotated, track, annotation),
        )  # fmt: skip


class OxUvADevDataset(OxUvADataset):
    """Dev split."""

    name = "oxuva_dev"
    layout = "tasks/dev.csv, annotations/dev.csv and images/dev/<video>/000000.jpeg"
    split = "dev"
    sequence_folders = ("images/dev/*",)
    num_sequences = 200


class OxUvATestDataset(OxUvADataset):
    """Test split, first boxes only."""

    name = "oxuva_test"
    layout = "tasks/test.csv and images/test/<video>/000000.jpeg"
    split = "test"
    sequence_folders = ("images/test/*",)
    num_sequences = 166


def _boxes(track: Track, folder: Path, annotation: Path) -> Array:
    boxes = np.full((track.last - track.first + 1, 4), np.nan)
    size = _image_size(track, folder)
    for label in _labels(annotation, track):
        if label.present:
            boxes[label.frame - track.first] = _absolute(label.box, size)
    boxes[0] = _absolute(track.box, size)
    return boxes


def _first_box(track: Track, folder: Path) -> Array:
    return _absolute(track.box, _image_size(track, folder))[None]


def _visible(track: Track, annotation: Path) -> Array:
    visible = np.zeros(track.last - track.first + 1, dtype=bool)
    visible[[label.frame - track.first for label in _labels(annotation, track) if label.present]] = True
    visible[0] = True
    return visible


def _annotated(track: Track, annotation: Path) -> Array:
    annotated = np.zeros(track.last - track.first + 1, dtype=bool)
    annotated[[label.frame - track.first for label in _labels(annotation, track)]] = True
    annotated[0] = True
    return annotated


def _image_size(track: Track, folder: Path) -> tuple[int, int]:
    return image_size(folder / f"{track.first:06d}.jpeg")


def _absolute(box: tuple[float, ...], size: tuple[int, int]) -> Array:
    """Box (x, y, w, h) in pixels of relative (xmin, xmax, ymin, ymax)."""
    xmin, xmax, ymin, ymax = box
    width, height = size
    return np.array([xmin * width, ymin * height, (xmax - xmin) * width, (ymax - ymin) * height])


def _read_tracks(path: Path) -> list[Track]:
    tracks = []
    for line, row in _read_csv(path, columns=8):
        first, last = _integer(path, line, row[2]), _integer(path, line, row[3])
        if last < first:
            raise InputError(f"{path}, line {line}: expected a last frame after the first, found {first} and {last}")
        tracks.append(Track(row[0], row[1], first, last, _relative_box(path, line, row[4:])))
    if not tracks:
        raise InputError(f"{path}: expected one track a line, found an empty file")
    return tracks


def _labels(annotation: Path, track: Track) -> list[Label]:
    """Labels of a track. Raises InputError where there is none, or one outside of its frames."""
    try:
        modified = annotation.stat().st_mtime_ns
    except OSError as error:
        raise InputError(f"cannot read annotation {annotation}: {error.strerror or error}") from error
    labels = _read_labels(annotation, modified).get((track.video, track.target))
    if labels is None:
        raise InputError(f"{annotation}: expected rows of {track.video},{track.target}, found none")
    outside = [label.frame for label in labels if not track.first <= label.frame <= track.last]
    if outside:
        raise InputError(
            f"{annotation}: expected frames {track.first} to {track.last} of {track.video},{track.target}, "
            f"found {outside[0]}"
        )
    return labels


@lru_cache(maxsize=1)  # one file holds the labels of all tracks; `modified` makes a changed file be read again
def _read_labels(path: Path, modified: int) -> dict[tuple[str, str], list[Label]]:
    labels: dict[tuple[str, str], list[Label]] = {}
    for line, row in _read_csv(path, columns=12):
        video, target, frame, presence = row[0], row[1], _integer(path, line, row[6]), row[7]
        if presence not in ("present", "absent"):
            raise InputError(f"{path}, line {line}: expected present or absent, found '{presence}'")
        present = presence == "present"
        box = _relative_box(path, line, row[8:]) if present else ()
        labels.setdefault((video, target), []).append(Label(frame, present, box))
    return labels


def _read_csv(path: Path, columns: int) -> Iterator[tuple[int, list[str]]]:
    """Numbered rows; a first line of column names is passed over."""
    for number, row in enumerate(csv.reader(read_lines(path)), start=1):
        if number == 1 and row[:2] == ["video", "object"]:
            continue
        if len(row) != columns:
            raise InputError(f"{path}, line {number}: expected {columns} columns, found {len(row)}: {','.join(row)!r}")
        yield number, [cell.strip() for cell in row]


def _integer(path: Path, line: int, text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise InputError(f"{path}, line {line}: expected the number of a frame, found '{text}'")
    return int(text)


def _relative_box(path: Path, line: int, cells: list[str]) -> tuple[float, ...]:
    try:
        xmin, xmax, ymin, ymax = box = tuple(float(cell) for cell in cells)
    except ValueError:
        raise InputError(f"{path}, line {line}: expected four numbers, found {','.join(cells)!r}") from None
    if not (0 <= xmin < xmax <= 1 and 0 <= ymin < ymax <= 1):
        raise InputError(
            f"{path}, line {line}: expected 0 <= xmin < xmax <= 1 and 0 <= ymin < ymax <= 1, found {','.join(cells)!r}"
        )
    return box
