"""Temple-Color-128 (Liang, Blasch, Ling: Encoding Color Information for Visual Tracking, TIP 2015).

129 targets in 128 videos. `tpl` is pytracking's name; Track Long and Prosper is `tlp`.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pytracking.evaluation.tabledataset import TableDataset


class TPLDataset(TableDataset):
    """Temple-Color-128; boxes of the files count pixels from 1, as in OTB, whose videos and files it took over."""

    name = "tpl"
    setting = "tpl_path"
    layout = "<Sequence>/img/0001.jpg and <Sequence>/<Sequence>_gt.txt, or folders tpl_<Sequence>"
    table = "tpl"
    prefix = "tpl_"
    pixel_origin = 1
    num_sequences = 129


class TPLNoOTBDataset(TPLDataset):
    """The sequences of Temple-Color-128 that are not in OTB-100."""

    name = "tpl_nootb"
    num_sequences = 85

    def _entries(self) -> Iterable[dict[str, Any]]:
        return [entry for entry in super()._entries() if not entry.get("in_otb", False)]

    def known_folders(self) -> set[Path]:
        """Folders of the whole of Temple-Color-128."""
        return TPLDataset(self.root).known_folders()
