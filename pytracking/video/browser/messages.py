"""What goes over the connection: the state of the run and pictures to the page, drawn boxes and keys back."""

from __future__ import annotations

import contextlib
import json
import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ltr.common.types import Image
from pytracking.utils.drawing import shrunk
from pytracking.video.scene import Scene
from pytracking.video.targets import Target
from pytracking.visualization.live_view import describe_state

LARGEST = 1280  # pixels a side of a picture that is sent
JPEG_QUALITY = 85
KEYS = (" ", "right", "n", "r", "q")
MOST_BOXES = 100


class Picture:
    """An image as it is sent, encoded when that is asked for, and once."""

    def __init__(self, image: Image) -> None:
        self.image = image

    @cached_property
    def jpeg(self) -> bytes:
        """JPEG file of at most LARGEST pixels a side."""
        import cv2

        bgr = cv2.cvtColor(shrunk(self.image, LARGEST), cv2.COLOR_RGB2BGR)
        return cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes()


def describe_scene(scene: Scene) -> dict[str, Any]:
    """What the page says of a frame and draws over it; boxes and size in pixels of the image."""
    height, width = scene.image.shape[:2]
    return {
        "source": scene.source,
        "size": [width, height],
        "frame": scene.number,
        "num_frames": scene.num_frames,
        "num_dropped": scene.num_dropped,
        "next_target": scene.next_target,
        "targets": [_describe_target(target) for target in scene.targets],
    }


def _describe_target(target: Target) -> dict[str, Any]:
    output = target.output
    box = [float(value) for value in output["target_bbox"]]
    score = output.get("object_presence_score")
    score = None if score is None or not math.isfinite(score) else float(score)
    return {
        "number": target.number,
        "box": box if all(map(math.isfinite, box)) else None,
        "color": "#{:02x}{:02x}{:02x}".format(*target.color),
        "state": describe_state(output),
        "score": score,
    }


@dataclass(frozen=True)
class Seen:
    """The page shows the update of this number, and can take the next one."""

    number: int


@dataclass(frozen=True)
class Key:
    """One of KEYS was pressed, or the button that stands for it."""

    name: str


@dataclass(frozen=True)
class Boxes:
    """Boxes x, y, w, h that answer a question; none: nothing is to be drawn."""

    question: int
    boxes: tuple[tuple[float, float, float, float], ...]


def parse_message(text: str | bytes) -> Seen | Key | Boxes:
    """What the page says. Raises ValueError for anything else."""
    match json.loads(text):
        case {"seen": int(number)}:
            return Seen(number)
        case {"key": str(name)} if name in KEYS:
            return Key(name)
        case {"question": int(question), "boxes": list(boxes)} if len(boxes) <= MOST_BOXES:
            return Boxes(question, tuple(map(_parse_box, boxes)))
    raise ValueError(f"a message that is not understood: {text[:200]!r}")


def _parse_box(values: Any) -> tuple[float, float, float, float]:
    match values:
        case [int() | float() as x, int() | float() as y, int() | float() as w, int() | float() as h]:
            with contextlib.suppress(OverflowError):  # an integer of many digits
                box = float(x), float(y), float(w), float(h)
                if all(map(math.isfinite, box)):
                    return box
    raise ValueError(f"expected a box of four finite numbers, found {values!r}")
