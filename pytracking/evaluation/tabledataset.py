"""Data sets whose sequences stand in a table: frame ranges, classes and attributes in `tables/<table>.json`."""

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from ltr.common.types import Array
from ltr.dataset import roots
from ltr.dataset.annotations import check_rows, read_boxes
from ltr.dataset.frame_files import first_existing, numbered_frames
from pytracking.evaluation.data import BaseDataset, Sequence, SequenceList

load_table = partial(roots.load_table, package="pytracking.evaluation")  # tables/<name>.json of these data sets


class TableDataset(BaseDataset):
    """Sequences of numbered images with a file of boxes `x y w h`.

    An entry of the table has `images` and `boxes`, patterns below the data set's folder of which the first that is
    there is used, `first` and `last`, numbers of images, and `skip_rows`, annotation rows before the first image;
    `class`, `attributes` and `folder` where they apply.
    """

    table: ClassVar[str]  # tables/<table>.json
    prefix: ClassVar[str] = ""  # of the sequences' names
    has_absent_rows: ClassVar[bool] = False  # rows of NaN are frames without target

    @property
    def attribute_names(self) -> dict[str, str]:
        """Long names of the attributes by their short ones."""
        names: dict[str, str] = load_table(self.table).get("attribute_names", {})
        return names

    def get_sequence_list(self) -> SequenceList:
        """The sequences in the order of the table."""
        return SequenceList(self._sequence(entry) for entry in self._entries())

    def _entries(self) -> Iterable[dict[str, Any]]:
        """Entries of the table with the defaults filled in."""
        table = load_table(self.table)
        return [table["defaults"] | entry for entry in table["sequences"]]

    def _sequence(self, entry: dict[str, Any]) -> Sequence:
        name, first, last = entry["name"], entry["first"], entry["last"]
        images, boxes = ([_filled(pattern, entry) for pattern in entry[key]] for key in ("images", "boxes"))
        rows = (entry["skip_rows"], last - first + 1)
        return Sequence(
            self.prefix + name,
            partial(numbered_frames, self.root, images, first, last),
            self.name,
            partial(_boxes, self.root, boxes, rows, self.pixel_origin == 1, self.has_absent_rows),
            object_class=entry.get("class"),
            native_name=name,
            folders=[(self.root / pattern).parent for pattern in images],
            attributes=entry.get("attributes", ()),
            pixel_origin=self.pixel_origin,
            frames_before=first - 1,
        )


def _boxes(root: Path, names: list[str], rows: tuple[int, int], one_based: bool, absent: bool) -> Array:
    path = first_existing(root / name for name in names)
    boxes = read_boxes(path, one_based, absent)
    skipped, wanted = rows
    check_rows(path, len(boxes), skipped + wanted)
    return boxes[skipped:]


def _filled(pattern: str, entry: dict[str, Any]) -> str:
    return pattern.replace("{name}", entry["name"]).replace("{folder}", entry.get("folder", entry["name"]))
