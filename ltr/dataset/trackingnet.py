"""TrackingNet (Müller et al., ECCV 2018), 30132 training sequences in the sets TRAIN_0 to TRAIN_11."""

from collections.abc import Iterable
from pathlib import Path

from ltr.common.errors import InputError
from ltr.dataset.annotations import read_boxes
from ltr.dataset.base import FileTrackDataset, Track, valid_boxes
from ltr.dataset.roots import data_root

LAYOUT = "TRAIN_0/anno/<sequence>.txt and TRAIN_0/frames/<sequence>/0.jpg; likewise up to TRAIN_11"
NUM_SETS = 12


class TrackingNetTracks(FileTrackDataset):
    """The sequences of some sets; boxes of the files are used as they are, every frame with a box is visible."""

    name = "trackingnet_train"

    def __init__(self, root: Path | None = None, sets: Iterable[int] = range(NUM_SETS)) -> None:
        """Raises InputError for a set that is not there or has no annotation."""
        folder = data_root("trackingnet_path", LAYOUT, root)
        self.annotations: list[Path] = []
        for number in sets:
            found = sorted((folder / f"TRAIN_{number}" / "anno").glob("*.txt"))
            if not found:
                raise InputError(
                    f"{folder} holds no annotations of TRAIN_{number}\n  expected there: {LAYOUT}\n"
                    "  to train without it, name the others: sets=(0, 1)"
                )
            self.annotations += found

    def __len__(self) -> int:
        return len(self.annotations)

    def track_name(self, index: int) -> str:
        path = self.annotations[index]
        return f"{self.name}/{path.parents[1].name}/{path.stem}"

    def track(self, index: int) -> Track:
        boxes = read_boxes(self.annotations[index])
        return Track(boxes=boxes, visible=valid_boxes(boxes))

    def frame_path(self, index: int, frame: int) -> Path:
        path = self.annotations[index]
        return path.parents[1] / "frames" / path.stem / f"{frame}.jpg"
