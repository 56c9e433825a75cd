"""Tracks from sequences of any origin, and from the plain layout of one folder for each sequence."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from ltr.common.errors import InputError
from ltr.common.types import Array
from ltr.dataset.annotations import check_rows
from ltr.dataset.base import FileTrackDataset, Track, valid_boxes
from ltr.dataset.frame_files import listed_frames
from ltr.dataset.regions import read_annotation
from ltr.dataset.roots import data_root

LAYOUT = "<name>/img/00001.jpg and <name>/groundtruth.txt with x,y,w,h for each image, pixels from 0"


class AnnotatedSequence(Protocol):
    """What is asked of a sequence; those of evaluation data sets have it."""

    @property
    def name(self) -> str: ...
    @property
    def frames(self) -> Sequence[str | Path]: ...  # image files, one for each row of boxes
    @property
    def ground_truth_rect(self) -> Array: ...  # (n, 4) x, y, w, h from 0, NaN where there is no box


class SequenceTracks(FileTrackDataset):
    """One track for each sequence.

    A frame may be drawn where its box is valid and, if the sequence has the flags `target_visible`, where they say so.
    """

    def __init__(self, name: str, sequences: Iterable[AnnotatedSequence]) -> None:
        """Raises InputError where there is no sequence."""
        self.name = name
        self.sequences = list(sequences)
        if not self.sequences:
            raise InputError(f"data set {name} has no sequence to train on")

    def __len__(self) -> int:
        return len(self.sequences)

    def track_name(self, index: int) -> str:
        return f"{self.name}/{self.sequences[index].name}"

    def track(self, index: int) -> Track:
        sequence = self.sequences[index]
        boxes = np.asarray(sequence.ground_truth_rect, dtype=np.float64)
        if len(boxes) != len(sequence.frames):
            expected = f"a box for each of {len(sequence.frames)} frames"
            raise InputError(f"{self.track_name(index)}: expected {expected}, found {len(boxes)}")
        flags = getattr(sequence, "target_visible", None)
        shown = np.ones(len(boxes), dtype=bool) if flags is None else np.asarray(flags, dtype=bool)
        return Track(boxes=boxes, visible=valid_boxes(boxes) & shown)

    def frame_path(self, index: int, frame: int) -> Path:
        return Path(self.sequences[index].frames[frame])


class FolderSequence:
    """`img/00001.jpg, ...` and `groundtruth.txt` with `x,y,w,h` from pixel 0, four corners, or NaN for each image."""

    def __init__(self, folder: Path) -> None:
        self.name = folder.name
        self.folder = folder
        self._frames: list[Path] | None = None
        self._boxes: Array | None = None

    @property
    def frames(self) -> Sequence[str | Path]:
        if self._frames is None:
            self._frames = listed_frames(self.folder / "img")
        return self._frames

    @property
    def ground_truth_rect(self) -> Array:
        if self._boxes is None:
            path = self.folder / "groundtruth.txt"
            boxes = read_annotation(path).boxes
            check_rows(path, len(boxes), len(self.frames))
            self._boxes = boxes
        return self._boxes


def folder_tracks(
    root: Path | None = None,  # default: folder_path of the settings
    name: str | None = None,
    keep: Callable[[str], bool] | None = None,  # which sequences to take, by name
) -> SequenceTracks:
    """The sequences in the sub-folders of `root`, by name. Raises InputError where there is none."""
    parent = data_root("folder_path", LAYOUT, root)
    folders = sorted(path.parent for path in parent.glob("*/groundtruth.txt") if (path.parent / "img").is_dir())
    if not folders:
        raise InputError(f"{parent} holds no sequence\n  expected there: {LAYOUT}")
    chosen = [FolderSequence(folder) for folder in folders if keep is None or keep(folder.name)]
    return SequenceTracks(name or parent.name, chosen)
