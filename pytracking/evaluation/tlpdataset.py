"""TLP, Track Long and Prosper (Moudgil, Gandhi: Long-Term Visual Object Tracking Benchmark, ACCV 2018), and TinyTLP.

Rows are `frame,x,y,w,h,isLost`. TinyTLP is the first 600 frames of each sequence. A part of a sequence, from its
first frame on and with as many rows, can be used; it is announced by a warning.
"""

from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np

from ltr.common.errors import InputError
from ltr.common.types import Array
from ltr.dataset.annotations import read_table
from ltr.dataset.frame_files import annotated_frames
from pytracking.evaluation.data import BaseDataset, Sequence, SequenceList
from pytracking.evaluation.tabledataset import load_table

_IMAGES = ["img/{:05d}.jpg"]


class TLPDataset(BaseDataset):
    """TLP; boxes of the files are used as they are."""

    name = "tlp"
    setting: ClassVar[str | tuple[str, ...]] = "tlp_path"
    layout = "<Sequence>/img/00001.jpg and <Sequence>/groundtruth_rect.txt with rows frame,x,y,w,h,isLost"
    num_sequences = 50
    prefix: ClassVar[str] = "tlp_"  # OTB too has a Basketball
    limit: ClassVar[int | None] = None  # frames of a sequence that are used
    uses_all_images = True

    def get_sequence_list(self) -> SequenceList:
        """The 50 sequences."""
        entries = load_table("tlp")["sequences"]
        return SequenceList(self._sequence(entry["name"], entry["last"]) for entry in entries)

    def _sequence(self, name: str, last: int) -> Sequence:
        annotation = self.root / name / "groundtruth_rect.txt"
        return Sequence(
            self.prefix + name,
            partial(annotated_frames, annotation, _IMAGES, self.limit),
            self.name,
            partial(_boxes, annotation, self.limit),
            target_visible=partial(_visible, annotation, self.limit),
            native_name=name,
            folders=[self.root / name / "img"],
            expected_frames=self.limit or last,
        )


class TinyTLPDataset(TLPDataset):
    """TinyTLP, from its own download or from the first 600 frames of TLP."""

    name = "tinytlp"
    setting = ("tinytlp_path", "tlp_path")
    prefix = "tinytlp_"
    limit = 600
    uses_all_images = False


def _boxes(annotation: Path, limit: int | None) -> Array:
    return _read(annotation)[:limit, 1:5]


def _visible(annotation: Path, limit: int | None) -> Array:
    return _read(annotation)[:limit, 5] == 0


def _read(annotation: Path) -> Array:
    table = read_table(annotation, columns=6)
    wrong = np.flatnonzero(table[:, 0] != np.arange(1, len(table) + 1))
    if len(wrong):
        line = wrong[0] + 1
        raise InputError(f"{annotation}, line {line}: expected frame {line}, found {table[wrong[0], 0]:g}")
    return table
