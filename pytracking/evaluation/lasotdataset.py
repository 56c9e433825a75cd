"""LaSOT (Fan et al., CVPR 2019; extension: IJCV 2021): the test and train splits of protocol II, and the extension.

Sequences lie in folders of their classes, `airplane/airplane-1`, or all together. The target counts as visible where
neither `full_occlusion.txt` nor `out_of_view.txt` flags the frame; many such frames have boxes of size 0.
"""

from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np

from ltr.common.types import Array
from ltr.dataset.annotations import check_rows, read_boxes, read_flags
from ltr.dataset.frame_files import annotated_frames, first_existing
from pytracking.evaluation.data import BaseDataset, Sequence, SequenceList
from pytracking.evaluation.tabledataset import load_table


class LaSOTDataset(BaseDataset):
    """The 280 test sequences; boxes of the files count pixels from 1."""

    name = "lasot"
    setting = "lasot_path"
    layout = (
        "<class>/<class-n>/img/00000001.jpg and, beside img, groundtruth.txt, full_occlusion.txt, out_of_view.txt; "
        "for example airplane/airplane-1, or airplane-1 without the folder of its class"
    )
    split: ClassVar[str] = "test"
    pixel_origin = 1
    num_sequences = 280
    sequence_folders = ("*/*-*", "*-*")
    uses_all_images = True

    @property
    def attribute_names(self) -> dict[str, str]:
        """Long names of the 14 attributes by their short ones."""
        names: dict[str, str] = load_table("lasot")["attribute_names"]
        return names

    def get_sequence_list(self) -> SequenceList:
        """The sequences in the order of the list."""
        entries = [entry for entry in load_table("lasot")["sequences"] if entry["split"] == self.split]
        return SequenceList(self._sequence(entry["name"], entry["attributes"]) for entry in entries)

    def known_folders(self) -> set[Path]:
        """Folders of both splits, which share a download."""
        return {folder for e in load_table("lasot")["sequences"] for folder in self._folders(e["name"])}

    def _folders(self, name: str) -> list[Path]:
        return [self.root / name.rsplit("-", 1)[0] / name, self.root / name]

    def _sequence(self, name: str, attributes: list[str]) -> Sequence:
        folders = self._folders(name)
        return Sequence(
            name,
            partial(_frames, folders),
            self.name,
            partial(_boxes, folders),
            object_class=name.rsplit("-", 1)[0],
            target_visible=partial(_visible, folders),
            folders=[folder / "img" for folder in folders],
            attributes=attributes,
            pixel_origin=self.pixel_origin,
        )


class LaSOTTrainDataset(LaSOTDataset):
    """The 1120 training sequences."""

    name = "lasot_train"
    split = "train"
    num_sequences = 1120


class LaSOTExtensionSubsetDataset(LaSOTDataset):
    """The 150 sequences of 15 further classes, which have no attribute table."""

    name = "lasot_extension_subset"
    setting = "lasot_extension_subset_path"
    num_sequences = 150

    @property
    def attribute_names(self) -> dict[str, str]:
        """None."""
        return {}

    def get_sequence_list(self) -> SequenceList:
        """Ten sequences of each class."""
        return SequenceList(self._sequence(name, []) for name in self._names())

    def known_folders(self) -> set[Path]:
        """Folders of the extension, and of LaSOT itself where both lie together."""
        return super().known_folders() | {folder for name in self._names() for folder in self._folders(name)}

    def _names(self) -> list[str]:
        return [f"{name}-{number}" for name in load_table("lasot")["extension_classes"] for number in range(1, 11)]


def _frames(folders: list[Path]) -> list[Path]:
    return annotated_frames(_annotation(folders), ["img/{:08d}.jpg"])


def _boxes(folders: list[Path]) -> Array:
    return read_boxes(_annotation(folders), one_based=True)


def _visible(folders: list[Path]) -> Array:
    hidden, out = (_annotation(folders).with_name(name) for name in ("full_occlusion.txt", "out_of_view.txt"))
    hidden_flags, out_flags = read_flags(hidden), read_flags(out)
    check_rows(out, len(out_flags), len(hidden_flags))
    return np.logical_not(hidden_flags | out_flags)


def _annotation(folders: list[Path]) -> Path:
    return first_existing(folders) / "groundtruth.txt"
