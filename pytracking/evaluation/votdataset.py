"""Short-term sequences of the VOT challenges 2016 to 2019, for one-pass use.

Annotations are polygons of four corners, or NaN; `ground_truth_rect` is the smallest upright box around each, and
`ground_truth_polygons` the polygon itself. Success scores of these boxes are not the challenge's EAO, accuracy and
robustness, which need its restarts.
"""

from functools import partial
from pathlib import Path
from typing import ClassVar

from ltr.common.types import Array
from ltr.dataset.frame_files import annotated_frames
from ltr.dataset.regions import read_annotation
from pytracking.evaluation.data import BaseDataset, Sequence, SequenceList
from pytracking.evaluation.tabledataset import load_table

_IMAGES = ["color/{:08d}.jpg", "{:08d}.jpg"]


class VOT2018Dataset(BaseDataset):
    """VOT2018, pytracking's `vot`; polygons of the files are used as they are."""

    name = "vot2018"
    setting: ClassVar[str | tuple[str, ...]] = ("vot2018_path", "vot_path")
    layout = "<sequence>/color/00000001.jpg (or <sequence>/00000001.jpg) and <sequence>/groundtruth.txt"
    table: ClassVar[str] = "vot2018"  # list of names
    prefix: ClassVar[str] = ""  # years share names: without it, one would take the other's results for its own
    num_sequences = 60
    uses_all_images = True

    def get_sequence_list(self) -> SequenceList:
        """The 60 sequences."""
        return SequenceList(self._sequence(name) for name in load_table("vot")[self.table])

    def _sequence(self, name: str) -> Sequence:
        annotation = self.root / name / "groundtruth.txt"
        return Sequence(
            self.prefix + name,
            partial(annotated_frames, annotation, _IMAGES),
            self.name,
            partial(_boxes, annotation),
            native_name=name,
            folders=[annotation.parent],
            ground_truth_regions=partial(read_annotation, annotation),
        )


class VOT2016Dataset(VOT2018Dataset):
    """VOT2016."""

    name = "vot2016"
    setting = "vot2016_path"
    table = "vot2016"
    prefix = "vot2016_"


class VOT2017Dataset(VOT2018Dataset):
    """VOT2017: the sequences of VOT2018."""

    name = "vot2017"
    setting = "vot2017_path"
    prefix = "vot2017_"


class VOT2019Dataset(VOT2018Dataset):
    """VOT2019."""

    name = "vot2019"
    setting = "vot2019_path"
    table = "vot2019"
    prefix = "vot2019_"


def _boxes(annotation: Path) -> Array:
    return read_annotation(annotation).boxes
