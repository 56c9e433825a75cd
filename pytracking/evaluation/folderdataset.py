"""One's own sequences: a folder of images with a file of boxes, or a folder of such folders.

The file may be that of an annotation program: COCO JSON, MOT text or CVAT's XML for videos, each with several targets.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from ltr.common.errors import InputError
from ltr.common.types import Array
from ltr.dataset.annotation_formats import ENDINGS, read_tracks
from ltr.dataset.annotations import read_lines
from ltr.dataset.frame_files import first_existing, images_in, ordered_frames
from ltr.dataset.regions import read_annotation
from pytracking.evaluation.data import BaseDataset, Sequence, SequenceList

IMAGE_FOLDERS = (".", "img", "imgs", "color", "frames")
BOX_FILES = ("groundtruth.txt", "groundtruth_rect.txt", "init.txt")
# Of annotation programs, in this order: names that they choose, then those that the tracker gives its own.
TRACK_FILES = (
    "annotations.json", "annotations/instances_default.json", "gt.txt", "gt/gt.txt", "annotations.xml",
    *(f"*{ending}" for ending in ENDINGS.values()),
)  # fmt: skip


class FolderDataset(BaseDataset):
    """Boxes `x y w h`, or polygons of four corners, that count pixels from 0; rows of NaN: no target in the frame.

    The box file has a row for each image, or one row, for the first image: then the sequence can be tracked, not
    scored. A file of an annotation program has the targets of a video, each of which is a sequence that begins with the
    first frame that shows it.
    """

    name = "folder"
    setting = "folder_path"
    layout = (
        "images (in the folder or in its img, imgs, color or frames) and groundtruth.txt, groundtruth_rect.txt or "
        "init.txt with x,y,w,h for each image or for the first, or annotations.json (COCO), gt.txt (MOT) or "
        "annotations.xml (CVAT); or sub-folders with these"
    )

    def get_sequence_list(self) -> SequenceList:
        """The sequence in the folder, or those in its sub-folders, by name. Raises InputError where there is none."""
        folders = [self.root, *sorted(path for path in self.root.iterdir() if path.is_dir())]
        found = [folder for folder in folders if _box_file(folder).exists() or _track_file(folder)]
        if self.root in found:
            found = [self.root]
        if not found:
            raise InputError(f"{self.root} holds no sequence\n  expected there: {self.layout}")
        return SequenceList(sequence for folder in found for sequence in self._sequences(folder))

    def _sequences(self, folder: Path) -> Iterator[Sequence]:
        boxes, tracks = _box_file(folder), _track_file(folder)
        if tracks is not None and not boxes.exists():
            yield from self._tracks(folder, tracks)
            return
        yield Sequence(
            folder.resolve().name,
            partial(_frames, folder),
            self.name,
            partial(_boxes, boxes),
            first_box_only=_has_one_row(boxes),
            folders=[folder],
            ground_truth_regions=partial(read_annotation, boxes),
        )

    def _tracks(self, folder: Path, file: Path) -> Iterator[Sequence]:
        tracks = read_tracks(file, [frame.name for frame in _frames(folder)]).boxes
        for number, boxes in tracks.items():
            first = int(np.flatnonzero(np.isfinite(boxes).all(axis=1))[0])
            name = folder.resolve().name
            yield Sequence(
                name if len(tracks) == 1 else f"{name}_{number}",
                partial(_frames, folder, first),
                self.name,
                boxes[first:],
                folders=[folder],
                frames_before=first,
            )

    def extra_folders(self) -> list[Path]:
        """None: whatever is in the folder may be there."""
        return []


def _has_one_row(boxes: Path) -> bool:
    try:
        return len(read_lines(boxes)) == 1
    except InputError:  # an unreadable file is no obstacle to the other sequences; it is reported where it is used
        return False


def _box_file(folder: Path) -> Path:
    return first_existing(folder / name for name in BOX_FILES)


def _track_file(folder: Path) -> Path | None:
    found = (path for pattern in TRACK_FILES for path in sorted(folder.glob(pattern)) if path.is_file())
    return next(found, None)


def _frames(folder: Path, first: int = 0) -> list[Path]:
    images = next((found for name in IMAGE_FOLDERS if (found := images_in(folder / name))), [])
    if not images:
        places = ", ".join(IMAGE_FOLDERS[1:])
        raise InputError(f"{folder}: expected images there or in its {places}; found none (.jpg, .jpeg, .png, .bmp)")
    return ordered_frames(images)[first:]


def _boxes(path: Path) -> Array:
    return read_annotation(path).boxes
