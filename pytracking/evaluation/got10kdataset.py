"""GOT-10k (Huang, Zhao, Huang, PAMI 2019): the validation and test splits, 180 sequences each.

Validation has boxes for every frame, `absence.label` (1: absent) and `cover.label` (visible part of the target, 0 to
8); the target counts as visible where it is not absent and its cover is above 0, as in the official evaluation. Of the
test split only the first boxes are public: it is scored by the server.
"""

from abc import abstractmethod
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np

from ltr.common.types import Array
from ltr.dataset.annotations import check_rows, read_boxes, read_flags, read_table
from ltr.dataset.frame_files import annotated_frames, first_existing, listed_frames
from pytracking.evaluation.data import BaseDataset, Sequence, SequenceList


class GOT10KDataset(BaseDataset):
    """One split; boxes of the files are used as they are."""

    setting = "got10k_path"
    split: ClassVar[str]  # folder
    num_sequences = 180

    def get_sequence_list(self) -> SequenceList:
        """The 180 sequences."""
        names = (f"GOT-10k_{self.split.capitalize()}_{number:06d}" for number in range(1, 181))
        return SequenceList(self._sequence(name, [self.root / self.split / name, self.root / name]) for name in names)

    @abstractmethod
    def _sequence(self, name: str, folders: list[Path]) -> Sequence:
        """Sequence whose folder is the first of `folders` that exists."""


class GOT10KValDataset(GOT10KDataset):
    """Validation split."""

    name = "got10k_val"
    layout = "val/GOT-10k_Val_000001/ with 00000001.jpg, groundtruth.txt, absence.label and cover.label"
    split = "val"
    sequence_folders = ("val/*", "GOT-10k_Val_*")
    uses_all_images = True

    def _sequence(self, name: str, folders: list[Path]) -> Sequence:
        return Sequence(
            name,
            partial(_frames, folders),
            self.name,
            partial(_boxes, folders),
            target_visible=partial(_visible, folders),
            folders=folders,
        )


class GOT10KTestDataset(GOT10KDataset):
    """Test split, first boxes only."""

    name = "got10k_test"
    layout = "test/GOT-10k_Test_000001/ with 00000001.jpg and groundtruth.txt (one row)"
    split = "test"
    sequence_folders = ("test/*", "GOT-10k_Test_*")

    def _sequence(self, name: str, folders: list[Path]) -> Sequence:
        frames, boxes = partial(_listed_frames, folders), partial(_first_box, folders)
        return Sequence(name, frames, self.name, boxes, folders=folders, first_box_only=True)


def _frames(folders: list[Path]) -> list[Path]:
    return annotated_frames(first_existing(folders) / "groundtruth.txt", ["{:08d}.jpg"])


def _listed_frames(folders: list[Path]) -> list[Path]:
    return listed_frames(first_existing(folders))


def _boxes(folders: list[Path]) -> Array:
    return read_boxes(first_existing(folders) / "groundtruth.txt")


def _first_box(folders: list[Path]) -> Array:
    return _boxes(folders)[:1]


def _visible(folders: list[Path]) -> Array:
    folder = first_existing(folders)
    absent = read_flags(folder / "absence.label")
    cover = read_table(folder / "cover.label", columns=1)[:, 0]
    check_rows(folder / "cover.label", len(cover), len(absent))
    return np.logical_and(~absent, cover > 0)
