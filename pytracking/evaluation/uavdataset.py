"""UAV123 (Mueller, Smith, Ghanem: A Benchmark and Simulator for UAV Tracking, ECCV 2016), at 30 and at 10 fps.

Both hold the same 123 sequences, frame ranges of 91 clip folders. The 10 fps set keeps every third image of a clip,
renumbered from 1, and every third row of each annotation, beginning with the first. Rows of NaN mark frames without
target.
"""

from collections.abc import Iterable
from typing import Any, ClassVar

from pytracking.evaluation.tabledataset import TableDataset


class UAVDataset(TableDataset):
    """UAV123; boxes of the files count pixels from 1."""

    name = "uav"
    setting: ClassVar[str | tuple[str, ...]] = "uav_path"
    layout = "data_seq/UAV123/<clip>/000001.jpg and anno/UAV123/<sequence>.txt, for example anno/UAV123/bike1.txt"
    table = "uav"
    prefix = "uav_"
    has_absent_rows = True
    pixel_origin = 1
    num_sequences = 123
    sequence_folders = ("data_seq/UAV123/*",)


class UAV10fpsDataset(UAVDataset):
    """UAV123@10fps; boxes of the files count pixels from 1."""

    name = "uav10fps"
    setting = ("uav10fps_path", "uav_path")
    layout = "data_seq/UAV123_10fps/<clip>/000001.jpg and anno/UAV123_10fps/<sequence>.txt"
    prefix = "uav10fps_"
    sequence_folders = ("data_seq/UAV123_10fps/*",)

    def _entries(self) -> Iterable[dict[str, Any]]:
        return [_at_10_fps(entry) for entry in super()._entries()]


def _at_10_fps(entry: dict[str, Any]) -> dict[str, Any]:
    first, rows = (entry["first"] - 1) // 3 + 1, -(-(entry["last"] - entry["first"] + 1) // 3)
    folders = {key: [p.replace("/UAV123/", "/UAV123_10fps/") for p in entry[key]] for key in ("images", "boxes")}
    return entry | folders | {"first": first, "last": first + rows - 1}
