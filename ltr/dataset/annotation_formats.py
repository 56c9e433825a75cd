"""Tracks of boxes in the files of annotation programs: COCO JSON, MOT text and CVAT's XML for videos.

Inside, boxes are x, y, w, h, and pixels and frames count from 0. COCO's boxes are the same; MOT's pixels and frames
count from 1 (MOTChallenge); CVAT writes corners, and frames from 0. A frame without the target has no box in COCO and
MOT, and `outside` in CVAT.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from collections.abc import Sequence as SequenceOf
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from ltr.common.errors import InputError
from ltr.common.files import write_atomic
from ltr.common.types import Array
from ltr.dataset.annotations import read_lines

LABEL = "target"  # the class of every box that is written
ENDINGS = {"coco": ".coco.json", "mot": ".mot.txt", "cvat": ".cvat.xml"}
MOT_COLUMNS = (6, 10)  # frame, id, left, top, width, height, then confidence or flag, class, visibility or x, y, z

Boxes = dict[int, list[float]]  # x, y, w, h by frame from 0


@dataclass(frozen=True)
class Tracks:
    """The targets of a video."""

    boxes: Mapping[int, Array]  # by id from 1: (N, 4), NaN rows where the target is not in the frame
    images: SequenceOf[str]  # N names of images, or names that they would have
    size: tuple[int, int] | None = None  # width, height; None: unknown
    name: str = ""


def write_tracks(path: Path, tracks: Tracks, form: str) -> None:
    """Write a file of `form`, a key of ENDINGS."""
    writers: dict[str, Callable[[Tracks], str]] = {"coco": _coco, "mot": _mot, "cvat": _cvat}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, writers[form](tracks))


def read_tracks(path: Path, images: SequenceOf[str]) -> Tracks:
    """Tracks of a video whose images have these names; the content of the file tells its format.

    COCO's images are found by their names where all of them are those of images here, otherwise by their order.
    Raises InputError, naming file and place, for what is none of the formats, for boxes of images that are not there,
    and for files that do not say which boxes belong together.
    """
    text = "\n".join(read_lines(path))
    reader = _read_coco if text.startswith(("{", "[")) else _read_cvat if text.startswith("<") else _read_mot
    found = reader(path, text, images)
    boxes = {}
    for number, track in sorted(found.items()):
        for frame, box in track.items():
            if not (all(map(math.isfinite, box)) and box[2] >= 0 and box[3] >= 0):
                raise InputError(f"{path}: target {number}, image {frame + 1}: expected a box, found {box}")
        boxes[number] = np.full((len(images), 4), np.nan)
        boxes[number][list(track)] = list(track.values())
    if not boxes:
        raise InputError(f"{path} holds no box")
    return Tracks(boxes, images)


def _present(boxes: Array) -> list[int]:
    return [int(frame) for frame in np.flatnonzero(np.isfinite(boxes).all(axis=1))]


def _coco(tracks: Tracks) -> str:
    size = {} if tracks.size is None else dict(zip(("width", "height"), tracks.size, strict=True))
    images = [{"id": number, "file_name": name, **size} for number, name in enumerate(tracks.images, start=1)]
    annotations: list[dict[str, Any]] = []
    for track, boxes in tracks.boxes.items():
        for frame in _present(boxes):
            x, y, w, h = (float(value) for value in boxes[frame])
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": frame + 1,
                    "category_id": 1,
                    "bbox": [x, y, w, h],
                    "area": w * h,
                    "iscrowd": 0,
                    "attributes": {"track_id": track},
                }
            )
    content = {"images": images, "categories": [{"id": 1, "name": LABEL}], "annotations": annotations}
    return json.dumps(content, indent=1) + "\n"


def _read_coco(path: Path, text: str, images: SequenceOf[str]) -> dict[int, Boxes]:
    try:
        content = json.loads(text)
        names = {entry["id"]: Path(entry["file_name"]).name for entry in content["images"]}
        rows = [(entry["image_id"], _coco_track(entry), entry["bbox"]) for entry in content["annotations"]]
        rows = [(image, track, [float(value) for value in box]) for image, track, box in rows]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path}: expected COCO's images and annotations with bbox, image_id and track_id: {error!r}"
        ) from error
    frames = _frames_by_name(names, images) or {key: frame for frame, key in enumerate(sorted(names))}
    _check_unmarked(path, [image for image, track, _ in rows if track is None], len(rows))
    tracks: dict[int, Boxes] = {}
    for image, track, box in rows:
        if image not in frames or frames[image] >= len(images):
            raise InputError(f"{path}: a box is of image {image}, which is not among the {len(images)} images here")
        if len(box) != 4:
            raise InputError(f"{path}, image {image}: expected a bbox of four numbers, found {box}")
        _add(path, tracks, 1 if track is None else track, frames[image], box)
    return tracks


def _coco_track(annotation: dict[str, Any]) -> int | None:
    track = annotation.get("track_id", (annotation.get("attributes") or {}).get("track_id"))
    return None if track is None else int(track)


def _frames_by_name(names: Mapping[int, str], images: SequenceOf[str]) -> dict[int, int] | None:
    places = {Path(name).name: frame for frame, name in enumerate(images)}
    if len(set(names.values())) < len(names) or not all(name in places for name in names.values()):
        return None
    return {key: places[name] for key, name in names.items()}


def _check_unmarked(path: Path, unmarked: list[int], total: int) -> None:
    """Boxes without a track_id are one target, where no image has two of them."""
    if unmarked and (len(unmarked) < total or len(set(unmarked)) < len(unmarked)):
        raise InputError(
            f"{path}: {len(unmarked)} of {total} boxes have no track_id, so it is not known which belong together; "
            "export them as tracks, or keep one box an image"
        )


def _mot(tracks: Tracks) -> str:
    rows = [
        (frame + 1, track, *(float(value) for value in boxes[frame] + [1, 1, 0, 0]))
        for track, boxes in tracks.boxes.items()
        for frame in _present(boxes)
    ]
    return "".join(f"{','.join(f'{value:.10g}' for value in row)},1,-1,-1,-1\n" for row in sorted(rows))


def _read_mot(path: Path, text: str, images: SequenceOf[str]) -> dict[int, Boxes]:
    tracks: dict[int, Boxes] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        place = f"{path}, line {number}"
        try:
            values = [float(cell) for cell in line.replace(",", " ").split()]
        except ValueError:
            values = []
        if not MOT_COLUMNS[0] <= len(values) <= MOT_COLUMNS[1]:
            raise InputError(f"{place}: expected frame,id,left,top,width,height and up to four more, found {line!r}")
        frame, track = values[0], values[1]
        if frame != int(frame) or not 1 <= frame <= len(images):
            raise InputError(f"{place}: expected a frame from 1 to {len(images)}, the number of images, found {line!r}")
        if track != int(track) or track < 0:
            raise InputError(f"{place}: expected the number of a target, found {line!r}; detections are no tracks")
        if len(values) == 6 or values[6] != 0:  # ground truth marks what does not count by 0
            x, y, w, h = values[2:6]
            _add(path, tracks, int(track), int(frame) - 1, [x - 1, y - 1, w, h])
    return tracks


def _cvat(tracks: Tracks) -> str:
    root = ElementTree.Element("annotations")
    ElementTree.SubElement(root, "version").text = "1.1"
    task = ElementTree.SubElement(ElementTree.SubElement(root, "meta"), "task")
    for tag, value in (
        ("name", tracks.name),
        ("size", len(tracks.images)),
        ("mode", "interpolation"),
        ("start_frame", 0),
    ):
        ElementTree.SubElement(task, tag).text = str(value)
    ElementTree.SubElement(task, "stop_frame").text = str(len(tracks.images) - 1)
    label = ElementTree.SubElement(ElementTree.SubElement(task, "labels"), "label")
    ElementTree.SubElement(label, "name").text = LABEL
    if tracks.size is not None:
        original = ElementTree.SubElement(task, "original_size")
        for tag, value in zip(("width", "height"), tracks.size, strict=True):
            ElementTree.SubElement(original, tag).text = str(value)
    for number, boxes in tracks.boxes.items():
        track = ElementTree.SubElement(root, "track", id=str(number - 1), label=LABEL, source="auto")
        present = _present(boxes)
        for frame in present:
            _cvat_box(track, frame, boxes[frame], outside=False)
            if frame + 1 < len(boxes) and np.isnan(boxes[frame + 1]).any():
                _cvat_box(track, frame + 1, boxes[frame], outside=True)  # it ends, until it is seen again
    ElementTree.indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ElementTree.tostring(root, encoding="unicode")}\n'


def _cvat_box(track: ElementTree.Element, frame: int, box: Array, outside: bool) -> None:
    x, y, w, h = (float(value) for value in box)
    corners = {"xtl": x, "ytl": y, "xbr": x + w, "ybr": y + h}
    shown = {key: f"{value:.10g}" for key, value in corners.items()}
    state = {"frame": str(frame), "keyframe": "1", "outside": str(int(outside)), "occluded": "0"}
    ElementTree.SubElement(track, "box", {**state, **shown, "z_order": "0"})


def _read_cvat(path: Path, text: str, images: SequenceOf[str]) -> dict[int, Boxes]:
    """Frames between two boxes of a track are interpolated, and those after the last one have its box, as in CVAT."""
    try:
        root = ElementTree.fromstring(text.encode())
        found = [
            (int(track.attrib["id"]) + 1, [_cvat_row(box) for box in track.iter("box")]) for track in root.iter("track")
        ]
    except (ElementTree.ParseError, KeyError, ValueError) as error:
        raise InputError(f"{path}: expected CVAT's XML with tracks of boxes: {error!r}") from error
    if not found and root.find("image") is not None:
        raise InputError(f"{path} is CVAT's XML for images, which has no tracks; export 'CVAT for video'")
    tracks: dict[int, Boxes] = {}
    for number, rows in found:
        rows.sort(key=lambda row: row[0])
        for (frame, is_outside, box), following in zip(rows, [*rows[1:], None], strict=True):
            last = len(images) if following is None else following[0]
            if not 0 <= frame < len(images):
                raise InputError(
                    f"{path}, track {number - 1}: frame {frame} is not among the {len(images)} images here"
                )
            for between in [] if is_outside else range(frame, max(last, frame + 1)):
                share = 0.0 if following is None or following[1] else (between - frame) / (last - frame or 1)
                target = box if following is None else following[2]
                mixed = [a + share * (b - a) for a, b in zip(box, target, strict=True)]
                _add(path, tracks, number, between, mixed)
    return tracks


def _cvat_row(box: ElementTree.Element) -> tuple[int, bool, list[float]]:
    left, top, right, bottom = (float(box.attrib[key]) for key in ("xtl", "ytl", "xbr", "ybr"))
    return int(box.attrib["frame"]), box.get("outside") == "1", [left, top, right - left, bottom - top]


def _add(path: Path, tracks: dict[int, Boxes], track: int, frame: int, box: list[float]) -> None:
    boxes = tracks.setdefault(track, {})
    if frame in boxes:
        raise InputError(f"{path}: target {track} has two boxes in image {frame + 1}; remove one")
    boxes[frame] = box
