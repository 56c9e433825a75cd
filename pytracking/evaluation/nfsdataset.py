"""NFS, Need for Speed (Kiani Galoogahi et al., ICCV 2017), in its version of 30 frames per second.

Two layouts are known, and may be mixed:
- the official download, `<name>/30/<name>/00001.jpg` and `<name>/30/<name>.txt` with VATIC's columns `track xmin ymin
  xmax ymax frame lost occluded generated label`. Some of its 30 fps annotations have the rows of the 240 fps version:
  eight for an image, of which the first is used. Rows and images may differ by one at the end;
- that of pytracking, `sequences/<name>/00001.jpg` and `anno/nfs_<name>.txt` with rows `x y w h`.
"""

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ltr.common.errors import InputError
from ltr.common.types import Array
from ltr.dataset.annotations import corners_to_boxes, parse_table, read_boxes, read_lines
from ltr.dataset.frame_files import images_in, listed_frames, numbered_frames
from pytracking.evaluation.data import BaseDataset, Sequence, SequenceList
from pytracking.evaluation.tabledataset import load_table

ROWS_PER_IMAGE = 8  # of an annotation at 240 fps


class NFSDataset(BaseDataset):
    """NFS at 30 fps; boxes of the files are used as they are."""

    name = "nfs"
    setting = "nfs_path"
    layout = (
        "<name>/30/<name>/00001.jpg and <name>/30/<name>.txt (official download), "
        "or sequences/<name>/00001.jpg and anno/nfs_<name>.txt (pytracking's)"
    )
    num_sequences = 100
    sequence_folders = ("*/30", "sequences/*")

    def get_sequence_list(self) -> SequenceList:
        """The 100 sequences, named `nfs_<name>`."""
        return SequenceList(self._sequence(entry) for entry in load_table("nfs")["sequences"])

    def _sequence(self, entry: dict[str, Any]) -> Sequence:
        name = entry["name"]
        where = (self.root, name, entry["last"])
        return Sequence(
            f"nfs_{name}",
            partial(_frames, *where),
            self.name,
            partial(_boxes, *where),
            object_class=entry["class"],
            target_visible=partial(_visible, *where),
            native_name=name,
            folders=[self.root / name / "30" / name, self.root / "sequences" / name],
        )


def _frames(root: Path, name: str, last: int) -> list[Path]:
    frames = _image_files(root, name, last)
    return frames[: _num_frames(root, name, len(_read_annotation(root, name)[0]), len(frames))]


def _boxes(root: Path, name: str, last: int) -> Array:
    return _matched(root, name, last, _read_annotation(root, name)[0])


def _visible(root: Path, name: str, last: int) -> Array:
    return _matched(root, name, last, _read_annotation(root, name)[1])


def _matched(root: Path, name: str, last: int, rows: Array) -> Array:
    """One row for each frame."""
    images = len(_image_files(root, name, last))
    step = ROWS_PER_IMAGE if _is_240_fps(len(rows), images) else 1
    return rows[::step][: _num_frames(root, name, len(rows), images)]


def _num_frames(root: Path, name: str, rows: int, images: int) -> int:
    at_30_fps = -(-rows // ROWS_PER_IMAGE) if _is_240_fps(rows, images) else rows
    if abs(at_30_fps - images) > 1:
        raise InputError(
            f"{_annotation(root, name)}: expected {images} ground-truth rows at 30 fps, or about "
            f"{ROWS_PER_IMAGE * images} at 240 fps, found {rows}; copy or extract rows and images again"
        )
    return min(at_30_fps, images)


def _is_240_fps(rows: int, images: int) -> bool:
    return rows > 2 * images + 1


def _image_files(root: Path, name: str, last: int) -> list[Path]:
    """Images that are there; those of the table in the layout of pytracking, or where there is none."""
    folder = root / name / "30" / name
    if images_in(folder):
        return listed_frames(folder)
    pattern = str(folder.relative_to(root) if _is_official(root, name) else Path("sequences", name))
    return numbered_frames(root, [f"{pattern}/{{:05d}}.jpg"], 1, last)


def _is_official(root: Path, name: str) -> bool:
    return (root / name / "30").is_dir()


def _annotation(root: Path, name: str) -> Path:
    return root / name / "30" / f"{name}.txt" if _is_official(root, name) else root / "anno" / f"nfs_{name}.txt"


def _read_annotation(root: Path, name: str) -> tuple[Array, Array]:
    """Boxes (N, 4), and whether the target is in the frame (N,)."""
    path = _annotation(root, name)
    if not _is_official(root, name):
        boxes = read_boxes(path, absent=True)
        return boxes, np.asarray(np.isfinite(boxes).all(axis=1))
    table = parse_table(path, _numbers(read_lines(path)), columns={9})
    corners = table[:, 1:5]
    reversed_rows = np.flatnonzero((corners[:, 2:] < corners[:, :2]).any(axis=1))
    if len(reversed_rows):
        row = reversed_rows[0]
        raise InputError(f"{path}, line {row + 1}: expected xmin <= xmax and ymin <= ymax, found {corners[row]}")
    return corners_to_boxes(corners), table[:, 6] == 0


def _numbers(lines: Iterable[str]) -> Iterable[tuple[int, str]]:
    """Numbered lines without the label at their end."""
    return ((number, " ".join(line.split(maxsplit=9)[:9])) for number, line in enumerate(lines, start=1))
