"""What a stored result was made from, and whether that is what is at hand.

The record of each result holds the folder of the images, a fingerprint of them (`ltr.common.fingerprints`) and one of
the boxes of the annotation. Folders are told, not compared: a copy on another disk is the same data. Records of earlier
versions have none of this; for them names, number of frames and first box decide.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ltr.common.errors import InputError
from ltr.common.files import differences, read_record
from ltr.common.fingerprints import LENGTH, files_fingerprint
from ltr.common.types import Array
from ltr.dataset.annotations import read_boxes
from pytracking.evaluation.data import Sequence
from pytracking.evaluation.result_names import info_name

Data = dict[str, str]  # folder, images, annotation
Describe = Callable[[Sequence], Data]
# Said of results that are kept, after "3 of 20 results":
BEFORE_FINGERPRINTS = "are of an earlier version, and were compared by name, number of frames and first box alone"
OTHER_ANNOTATION = "have another annotation now, but the same first box, which is all that a tracker is given"
NO_IMAGES = "were not compared with their images, which cannot be read here"
_PLAIN = b"0123456789.-\t\r\n"  # of the rows that a store writes


def describe_data(seq: Sequence) -> Data:
    """Folder of the images, fingerprints of the images and of the annotation. Raises InputError for unreadable ones."""
    return {
        "folder": image_folder(seq),
        "images": files_fingerprint(seq.frames),
        "annotation": array_fingerprint(seq.ground_truth_rect),
    }


def image_folder(seq: Sequence) -> str:
    """Folder of the first image. Raises InputError where there is none."""
    if not seq.frames:
        raise InputError(f"{seq} has no images")
    return str(seq.frames[0].parent.absolute())


def described_once() -> Describe:
    """`describe_data` that looks at each sequence once, for as long as nobody changes the files."""
    known: dict[int, Data] = {}

    def describe(seq: Sequence) -> Data:
        if id(seq) not in known:
            known[id(seq)] = describe_data(seq)
        return known[id(seq)]

    return describe


def array_fingerprint(numbers: Array) -> str:
    """Fingerprint of numbers with four decimals, NaN among them."""
    rows = np.round(np.asarray(numbers, dtype=np.float64), 4) + 0.0  # no negative zeros
    rows[np.isnan(rows)] = np.nan  # of one sort
    return hashlib.sha256(repr(rows.shape).encode() + rows.tobytes()).hexdigest()[:LENGTH]


def compare_data(stored: Mapping[str, Any], seq: Sequence, describe: Describe = describe_data) -> tuple[str, str]:
    """(how the images differ from those of a record, what else is to be said); both empty where all is the same."""
    old = stored.get("data")
    if not isinstance(old, dict):
        return "", BEFORE_FINGERPRINTS
    try:
        new = describe(seq)
    except InputError:
        return "", NO_IMAGES
    if old.get("images") != new["images"]:
        same = old.get("folder") == new["folder"]
        return f"  images: {_changed(new) if same else _moved(old, new)}", ""
    return "", OTHER_ANNOTATION if old.get("annotation") != new["annotation"] else ""


def check_images(info: Path, seq: Sequence, describe: Describe) -> None:
    """Raise InputError where a result, given by its record, was made on other images than those of a sequence.

    Images are looked at only where they are in another folder than they were; where none are here, nothing is compared.
    """
    stored = read_record(info)
    data = stored.get("data")
    try:
        if not isinstance(data, dict) or data.get("folder") == image_folder(seq):
            return
    except InputError:
        return
    if lines := compare_data(stored, seq, describe)[0]:
        raise InputError(
            f"the result beside {info} was made on other images than those of {seq}:\n{lines}\n"
            "  score it on the data set that it was made on, or run the tracker on this one with another --results_path"
        )


def _changed(new: Data) -> str:
    return f"those in {new['folder']} have changed since"


def _moved(old: Mapping[str, Any], new: Data) -> str:
    return f"those of {old.get('folder')} there, those of {new['folder']} here, and they differ"


@dataclass(frozen=True)
class Found:
    """What a folder holds of a sequence: no result, a damaged one, one of other data, or the result."""

    state: Literal["nothing", "damaged", "other", "complete"]
    text: str = ""  # what is wrong with it; of a complete one what is to be said, if anything


def find_result(
    boxes: Path,  # a file that is there
    seq: Sequence,
    key: dict[str, Any],  # entries of its record that must agree
    describe: Describe,
) -> Found:
    """Whether a result is that of a sequence."""
    info = boxes.with_name(info_name(seq.name))
    stored = read_record(info)
    if not stored:
        return Found(
            "other",
            f"{boxes} is there without a readable {info.name} that says how it was made\n"
            "  move it away, or give --overwrite, which sets it aside",
        )
    differing = differences({name: stored.get(name) for name in key}, key)
    other_images, note = compare_data(stored, seq, describe)
    if lines := "\n".join(filter(None, (differing, other_images))):
        return Found(
            "other",
            f"the result of {seq} in {boxes.parent} was made on other data:\n{lines}\n"
            "  to keep both, give another --results_path or --runid; --overwrite sets the old one aside",
        )
    wrong = damage(boxes, len(seq))
    return Found("damaged", wrong) if wrong else Found("complete", note)


def damage(boxes: Path, frames: object) -> str:
    """What is wrong with a file of boxes whose record says that it has a row for each of `frames`; "" nothing."""
    try:
        content = boxes.read_bytes()
    except OSError as error:
        return f"{boxes.name} cannot be read: {error.strerror or error}"
    if not content.endswith(b"\n"):
        return f"{boxes.name} is cut off"
    rows = content.count(b"\n")
    if content.translate(None, delete=_PLAIN) or content.count(b"\t") != 3 * rows:
        try:
            rows = len(read_boxes(boxes, absent=True))
        except InputError as error:
            return str(error)
    return f"{boxes.name} has {rows} rows for {frames} frames" if isinstance(frames, int) and rows != frames else ""
