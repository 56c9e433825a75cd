"""Tiny data sets in the layouts of the large ones."""

import json
from pathlib import Path

import cv2
import numpy as np

SIZE = (32, 24)  # width, height


def write_image(path: Path, value: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((SIZE[1], SIZE[0], 3), value, np.uint8))


def write_text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def lasot_sequence(folder: Path, frames: int = 4) -> None:
    """Frame 2 is fully occluded, frame 3 out of view, frame 4 has an empty box."""
    for number in range(1, frames + 1):
        write_image(folder / "img" / f"{number:08d}.jpg", 10 * number)
    write_text(folder / "groundtruth.txt", "11,6,8,5\n" * (frames - 1) + "0,0,0,0\n")
    write_text(folder / "full_occlusion.txt", "0,1,0,0")
    write_text(folder / "out_of_view.txt", "0,0,1,0")


def got10k_sequence(folder: Path, frames: int = 4) -> None:
    """Frame 2 is absent, frame 3 is covered."""
    for number in range(1, frames + 1):
        write_image(folder / f"{number:08d}.jpg", 10 * number)
    write_text(folder / "groundtruth.txt", "10.0000,5.0000,8.0000,5.0000\n" * frames)
    write_text(folder / "absence.label", "0\n1\n0\n0\n")
    write_text(folder / "cover.label", "8\n8\n0\n1\n")
    write_text(folder / "meta_info.ini", "[METAINFO]\nurl: https://example.org/a\nobject_class: goat\nabsence: 1\n")


def trackingnet_set(root: Path, number: int, names: list[str]) -> None:
    for name in names:
        write_text(root / f"TRAIN_{number}" / "anno" / f"{name}.txt", "10,5,8,5\n" * 12)
        for frame in range(12):
            write_image(root / f"TRAIN_{number}" / "frames" / name / f"{frame}.jpg", 10 * frame)


def coco(root: Path, year: str = "2017") -> None:
    """Two images; a large object in each, and a tiny one and a crowd in the second."""
    write_image(root / f"train{year}" / "000000000009.jpg", 90)
    write_image(root / f"train{year}" / "000000000025.jpg", 250)
    annotations = [
        {"id": 1, "image_id": 25, "category_id": 18, "bbox": [3.5, 2.0, 20.0, 15.0], "iscrowd": 0},
        {"id": 2, "image_id": 9, "category_id": 1, "bbox": [1, 1, 12, 10], "iscrowd": 0},
        {"id": 3, "image_id": 25, "category_id": 90, "bbox": [1, 1, 30, 4], "iscrowd": 0},
        {"id": 4, "image_id": 25, "category_id": 1, "bbox": [0, 0, 30, 20], "iscrowd": 1},
    ]
    images = [{"id": number, "file_name": f"{number:012d}.jpg"} for number in (9, 25)]
    content = {"images": images, "annotations": annotations, "categories": []}
    write_text(root / "annotations" / f"instances_train{year}.json", json.dumps(content))


def vid_video(root: Path, name: str, objects: list[list[tuple[int, str, list[int]]]]) -> None:
    """`objects` are, for each frame, track ids, class names and boxes xmin, ymin, xmax, ymax."""
    for frame, found in enumerate(objects):
        write_image(root / "Data" / "VID" / "train" / name / f"{frame:06d}.JPEG", 10 * frame)
        items = "".join(
            f"<object><trackid>{number}</trackid><name>{kind}</name><bndbox><xmax>{x2}</xmax><xmin>{x1}</xmin>"
            f"<ymax>{y2}</ymax><ymin>{y1}</ymin></bndbox><occluded>0</occluded></object>"
            for number, kind, (x1, y1, x2, y2) in found
        )
        text = f"<annotation><folder>{name}</folder>{items}</annotation>"
        write_text(root / "Annotations" / "VID" / "train" / name / f"{frame:06d}.xml", text)
