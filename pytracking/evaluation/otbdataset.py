"""OTB-100 (Wu, Lim, Yang: Object Tracking Benchmark, PAMI 2015).

The table `tables/otb.json` holds what cannot be read off the folders: 100 targets in 98 videos (Jogging and Skating2
have two, Human4 is tracked by its second annotation), numbering that does not start at 1 (David 300, BlurCar1 247,
BlurCar3 3, BlurCar4 18), five-digit names (Board), images after the last annotated frame (Diving, Football1), and
Tiger1, whose first five frames and rows are left out of every evaluation. KiteSurf is found in both of its known
layouts. The last rows of Board and Twinnings are zeros: the target is not there, the row is scored as invalid.
"""

import json
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from pytracking.evaluation.annotations import read_boxes
from pytracking.evaluation.data import BaseDataset, Sequence, SequenceList


class OTBDataset(BaseDataset):
    """OTB-100; boxes of the files count pixels from 1."""

    name = "otb"
    setting = "otb_path"
    layout = "<Sequence>/img/0001.jpg and <Sequence>/groundtruth_rect.txt, for example Basketball/img/0001.jpg"

    def get_sequence_list(self) -> SequenceList:
        """The 100 sequences in the order of the benchmark."""
        table = json.loads(resources.files("pytracking.evaluation").joinpath("tables/otb.json").read_text())
        return SequenceList(self._sequence(table["defaults"] | entry) for entry in table["sequences"])

    def _sequence(self, entry: dict[str, Any]) -> Sequence:
        name = entry["name"]
        patterns = [pattern.replace("{name}", name) for pattern in entry["images"]]
        boxes = self.root / entry["boxes"].replace("{name}", name)
        return Sequence(
            name,
            partial(_frames, self.root, patterns, entry["first"], entry["last"]),
            self.name,
            partial(_boxes, boxes, entry["skip_rows"]),
            object_class=entry["class"],
        )


def _frames(root: Path, patterns: list[str], first: int, last: int) -> list[Path]:
    """Image files `first`..`last`, named by the first pattern whose first image exists."""
    pattern = next((p for p in patterns if (root / p.format(first)).exists()), patterns[0])
    return [root / pattern.format(number) for number in range(first, last + 1)]


def _boxes(path: Path, skip_rows: int) -> np.ndarray:
    return read_boxes(path, one_based=True)[skip_rows:]
