"""LaSOT, 1120 training sequences (Fan et al., CVPR 2019)."""

from pathlib import Path

import numpy as np

from ltr.dataset.annotations import check_rows, read_boxes, read_flags
from ltr.dataset.base import FolderTrackDataset, Track, valid_boxes
from ltr.dataset.roots import data_root, load_table, present_folders

LAYOUT = (
    "<class>/<class-n>/img/00000001.jpg and, beside img, groundtruth.txt, full_occlusion.txt, out_of_view.txt; "
    "for example airplane/airplane-2, or airplane-2 without the folder of its class"
)


class LasotTracks(FolderTrackDataset):
    """The sequences of protocol II's training split that are there; boxes of the files count pixels from 1.

    The target counts as visible where it is neither fully occluded nor out of view.
    """

    name = "lasot_train"

    def __init__(self, root: Path | None = None) -> None:
        """Raises InputError where no sequence is there."""
        folder = data_root("lasot_path", LAYOUT, root)
        names = train_names()
        by_class = any((folder / name.rsplit("-", 1)[0]).is_dir() for name in names)
        paths = [f"{name.rsplit('-', 1)[0]}/{name}" if by_class else name for name in names]
        self.folders = present_folders(self.name, folder, paths, LAYOUT)

    def track(self, index: int) -> Track:
        folder = self.folders[index]
        boxes = read_boxes(folder / "groundtruth.txt", one_based=True)
        visible = valid_boxes(boxes)
        for path in (folder / "full_occlusion.txt", folder / "out_of_view.txt"):
            flags = read_flags(path)
            check_rows(path, len(flags), len(boxes))
            visible &= ~flags
        return Track(boxes=boxes, visible=visible, group=self._classes().index(folder.name.rsplit("-", 1)[0]))

    def frame_path(self, index: int, frame: int) -> Path:
        return self.folders[index] / "img" / f"{frame + 1:08d}.jpg"

    @staticmethod
    def _classes() -> list[str]:
        return list(load_table("lasot")["test"])


def train_names() -> list[str]:
    """Names of the training sequences: of the 20 of each class, those that are not for testing."""
    table = load_table("lasot")
    numbers = np.arange(1, table["sequences_per_class"] + 1)
    return [f"{name}-{number}" for name, test in table["test"].items() for number in numbers if number not in test]
