"""TrackingNet (Müller et al., ECCV 2018): the 511 test sequences, of which only the first boxes are public."""

from functools import partial
from pathlib import Path

from ltr.common.errors import InputError
from ltr.common.types import Array
from ltr.dataset.annotations import read_boxes
from ltr.dataset.frame_files import listed_frames
from pytracking.evaluation.data import BaseDataset, Sequence, SequenceList


class TrackingNetDataset(BaseDataset):
    """Test split, scored by the server; boxes of the files are used as they are."""

    name = "trackingnet"
    setting = "trackingnet_path"
    layout = "TEST/anno/<sequence>.txt and TEST/frames/<sequence>/0.jpg"
    num_sequences = 511
    sequence_folders = ("TEST/frames/*", "frames/*")

    def get_sequence_list(self) -> SequenceList:
        """The sequences that have an annotation, by name. Raises InputError where there is none."""
        base = self.root / "TEST" if (self.root / "TEST").is_dir() else self.root
        names = sorted(path.stem for path in (base / "anno").glob("*.txt"))
        if not names:
            raise InputError(f"{base / 'anno'} holds no annotations\n  expected in {self.root}: {self.layout}")
        return SequenceList(self._sequence(base, name) for name in names)

    def _sequence(self, base: Path, name: str) -> Sequence:
        frames, boxes = base / "frames" / name, partial(_first_box, base / "anno" / f"{name}.txt")
        return Sequence(name, partial(listed_frames, frames), self.name, boxes, folders=[frames], first_box_only=True)


def _first_box(path: Path) -> Array:
    return read_boxes(path)[:1]
