"""COCO (Lin et al., ECCV 2014): each annotated object of the training images is a still."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from ltr.common.errors import InputError
from ltr.dataset.base import FileTrackDataset, Track
from ltr.dataset.frame_files import first_existing
from ltr.dataset.index_cache import Index, cached_index
from ltr.dataset.roots import data_root

LAYOUT = "annotations/instances_train2017.json and train2017/000000000009.jpg (or images/train2017); likewise 2014"
YEARS = ("2017", "2014")
SMALLEST_SIDE = 10.0  # pixels; smaller objects are blurs in a crop


class CocoTracks(FileTrackDataset):
    """Objects whose sides are at least `smallest` pixels and that are no crowds; boxes count pixels from 0."""

    name = "coco_train"
    is_video = False

    def __init__(self, root: Path | None = None, year: str | None = None, smallest: float = SMALLEST_SIDE) -> None:
        """`year` 2017 or 2014; default: the first that is there. Raises InputError where it is not there."""
        folder = data_root("coco_path", LAYOUT, root)
        years = YEARS if year is None else (year,)
        annotations = first_existing(folder / "annotations" / f"instances_train{number}.json" for number in years)
        if not annotations.is_file():
            raise InputError(f"{annotations} is not there\n  expected in {folder}: {LAYOUT}")
        images = annotations.stem.removeprefix("instances_")
        self.images = first_existing((folder / images, folder / "images" / images))
        index = cached_index(self.name, annotations, 1, lambda: read_instances(annotations))
        kept = (index["boxes"][:, 2:] >= smallest).all(axis=1)
        self.boxes, self.image_numbers, self.groups = (index[key][kept] for key in ("boxes", "images", "categories"))
        self.file_names = index["file_names"]
        if len(self.boxes) == 0:
            raise InputError(f"{annotations} holds no object of at least {smallest} pixels a side")

    def __len__(self) -> int:
        return len(self.boxes)

    def track_name(self, index: int) -> str:
        return f"{self.name}/{self.file_names[self.image_numbers[index]]} (object {index})"

    def track(self, index: int) -> Track:
        return Track(boxes=self.boxes[index][None], visible=np.ones(1, dtype=bool), group=int(self.groups[index]))

    def frame_path(self, index: int, frame: int) -> Path:
        return self.images / str(self.file_names[self.image_numbers[index]])


def read_instances(path: Path) -> Index:
    """Objects of an annotation file, crowds left out.

    Returns:
        boxes (n, 4) float64, images (n,) number in file_names, categories (n,) number from 0 by ascending id.

    Raises:
        InputError: the file is no COCO annotation.
    """
    try:
        content = json.loads(path.read_bytes())
        images = {image["id"]: number for number, image in enumerate(content["images"])}
        order = {key: n for n, key in enumerate(sorted({entry["category_id"] for entry in content["annotations"]}))}
        objects: list[dict[str, Any]] = [entry for entry in content["annotations"] if not entry.get("iscrowd", 0)]
        return {
            "boxes": np.array([entry["bbox"] for entry in objects], dtype=np.float64).reshape(-1, 4),
            "images": np.array([images[entry["image_id"]] for entry in objects], dtype=np.int64),
            "categories": np.array([order[entry["category_id"]] for entry in objects], dtype=np.int64),
            "file_names": np.array([image["file_name"] for image in content["images"]], dtype=np.str_),
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is no annotation file of COCO: {type(error).__name__}: {error}") from error
