"""ImageNet-VID (Russakovsky et al., IJCV 2015), training snippets: each object of a video is a track."""

from collections import defaultdict
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np

from ltr.common.errors import InputError
from ltr.common.types import Array
from ltr.dataset.base import FileTrackDataset, Track, valid_boxes
from ltr.dataset.index_cache import Index, cached_index
from ltr.dataset.roots import data_root

LAYOUT = (
    "Annotations/VID/train/ILSVRC2015_VID_train_0000/<video>/000000.xml and "
    "Data/VID/train/ILSVRC2015_VID_train_0000/<video>/000000.JPEG"
)


class ImageNetVidTracks(FileTrackDataset):
    """Boxes reach from `xmin` to `xmax`; the target counts as visible in the frames that annotate it.

    A track has a row for every frame of its video, NaN where the object is not annotated.
    """

    name = "vid_train"

    def __init__(self, root: Path | None = None) -> None:
        """Raises InputError where there is no annotation."""
        self.root = data_root("vid_path", LAYOUT, root)
        annotations = self.root / "Annotations" / "VID" / "train"
        if not annotations.is_dir():
            raise InputError(f"{annotations} is no folder\n  expected in {self.root}: {LAYOUT}")
        self.index = cached_index(self.name, annotations, 1, lambda: read_snippets(annotations))
        if len(self) == 0:
            raise InputError(f"{annotations} holds no annotated object\n  expected in {self.root}: {LAYOUT}")

    def __len__(self) -> int:
        return len(self.index["videos"])

    def track_name(self, index: int) -> str:
        return f"{self.name}/{self._video(index)} (object {self.index['objects'][index]})"

    def track(self, index: int) -> Track:
        rows = slice(self.index["starts"][index], self.index["starts"][index + 1])
        boxes = np.full((int(self.index["lengths"][self.index["videos"][index]]), 4), np.nan)
        boxes[self.index["frames"][rows]] = self.index["boxes"][rows]
        return Track(boxes=boxes, visible=valid_boxes(boxes), group=int(self.index["classes"][index]))

    def frame_path(self, index: int, frame: int) -> Path:
        return self.root / "Data" / "VID" / "train" / self._video(index) / f"{frame:06d}.JPEG"

    def _video(self, index: int) -> str:
        return str(self.index["names"][self.index["videos"][index]])


def read_snippets(annotations: Path) -> Index:
    """All tracks below a folder.

    Returns:
        Of videos: names (folders below `annotations`), lengths. Of tracks: videos, objects (their ids), classes (number
        of the class name in alphabetical order), starts (n + 1) of their rows. Of rows: frames, boxes.

    Raises:
        InputError: an annotation that cannot be read.
    """
    names = sorted({str(path.parent.relative_to(annotations)) for path in annotations.glob("**/000000.xml")})
    lengths, videos, objects, classes, frames, boxes = [], [], [], [], [], []
    for video, name in enumerate(names):
        length, tracks = _read_video(annotations / name)
        lengths.append(length)
        for (number, class_name), rows in sorted(tracks.items()):
            videos.append(video)
            objects.append(number)
            classes.append(class_name)
            frames.append(np.array([frame for frame, _ in rows], dtype=np.int64))
            boxes.append(np.stack([box for _, box in rows]))
    order = {class_name: number for number, class_name in enumerate(sorted(set(classes)))}
    return {
        "names": np.array(names, dtype=np.str_),
        "lengths": np.array(lengths, dtype=np.int64),
        "videos": np.array(videos, dtype=np.int64),
        "objects": np.array(objects, dtype=np.int64),
        "classes": np.array([order[class_name] for class_name in classes], dtype=np.int64),
        "starts": np.cumsum([0, *map(len, frames)]),
        "frames": np.concatenate(frames) if frames else np.empty(0, dtype=np.int64),
        "boxes": np.concatenate(boxes) if boxes else np.empty((0, 4)),
    }


def _read_video(folder: Path) -> tuple[int, dict[tuple[int, str], list[tuple[int, Array]]]]:
    """Number of frames, and frame numbers and boxes by object and class."""
    tracks: dict[tuple[int, str], list[tuple[int, Array]]] = defaultdict(list)
    files = sorted(folder.glob("*.xml"))
    for path in files:
        try:
            for item in ET.parse(path).getroot().iter("object"):
                key = int(_text(item, "trackid")), _text(item, "name")
                near, far = (
                    np.array([float(_text(item, f"bndbox/{axis}{end}")) for axis in "xy"]) for end in ("min", "max")
                )
                tracks[key].append((int(path.stem), np.concatenate((near, far - near))))
        except (OSError, ET.ParseError, ValueError) as error:
            raise InputError(f"cannot read annotation {path}: {error}; extract it again") from error
    return int(files[-1].stem) + 1, tracks


def _text(item: ET.Element, tag: str) -> str:
    text = item.findtext(tag)
    if text is None:
        raise ValueError(f"an object has no {tag}")
    return text
