"""One's own sequences: a folder of images with a file of boxes, or a folder of such folders."""

from functools import partial
from pathlib import Path

from ltr.common.errors import InputError
from ltr.common.types import Array
from ltr.dataset.annotations import read_lines
from ltr.dataset.frame_files import first_existing, images_in, ordered_frames
from ltr.dataset.regions import read_annotation
from pytracking.evaluation.data import BaseDataset, Sequence, SequenceList

IMAGE_FOLDERS = (".", "img", "imgs", "color", "frames")
BOX_FILES = ("groundtruth.txt", "groundtruth_rect.txt", "init.txt")


class FolderDataset(BaseDataset):
    """Boxes `x y w h`, or polygons of four corners, that count pixels from 0; rows of NaN: no target in the frame.

    The box file has a row for each image, or one row, for the first image: then the sequence can be tracked, not
    scored.
    """

    name = "folder"
    setting = "folder_path"
    layout = (
        "images (in the folder or in its img, imgs, color or frames) and groundtruth.txt, groundtruth_rect.txt or "
        "init.txt with x,y,w,h for each image or for the first; or sub-folders with these"
    )

    def get_sequence_list(self) -> SequenceList:
        """The sequence in the folder, or those in its sub-folders, by name. Raises InputError where there is none."""
        folders = [self.root, *sorted(path for path in self.root.iterdir() if path.is_dir())]
        found = [folder for folder in folders if _box_file(folder).exists()]
        if self.root in found:
            found = [self.root]
        if not found:
            raise InputError(f"{self.root} holds no sequence\n  expected there: {self.layout}")
        return SequenceList(self._sequence(folder) for folder in found)

    def _sequence(self, folder: Path) -> Sequence:
        boxes = _box_file(folder)
        return Sequence(
            folder.resolve().name,
            partial(_frames, folder),
            self.name,
            partial(_boxes, boxes),
            first_box_only=_has_one_row(boxes),
            folders=[folder],
            ground_truth_regions=partial(read_annotation, boxes),
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


def _frames(folder: Path) -> list[Path]:
    images = next((found for name in IMAGE_FOLDERS if (found := images_in(folder / name))), [])
    if not images:
        places = ", ".join(IMAGE_FOLDERS[1:])
        raise InputError(f"{folder}: expected images there or in its {places}; found none (.jpg, .jpeg, .png, .bmp)")
    return ordered_frames(images)


def _boxes(path: Path) -> Array:
    return read_annotation(path).boxes
