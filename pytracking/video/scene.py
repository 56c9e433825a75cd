"""What a person is shown of a frame."""

from __future__ import annotations

from collections.abc import Sequence as SequenceOf
from dataclasses import dataclass

import numpy as np

from ltr.common.types import Image
from pytracking.utils.drawing import SEARCH_AREA, draw_box, draw_text
from pytracking.video.targets import Target
from pytracking.visualization.live_view import describe_output


@dataclass(frozen=True)
class Scene:
    """A frame with its targets, and where in the source it is."""

    image: Image  # RGB (H, W, 3), nothing drawn in it
    targets: tuple[Target, ...]
    source: str
    number: int  # of the frame, from 1
    num_frames: int | None  # of the source; None: unknown
    num_dropped: int = 0  # until now
    next_target: int = 1  # number of the target that is drawn next
    is_paused: bool = False

    def drawn(self) -> Image:
        """Copy of the image with every box, its number and state, and the place in the source."""
        length = "" if self.num_frames is None else f"/{self.num_frames}"
        state = "  paused" if self.is_paused else ""
        drawn = self.with_boxes()
        draw_text(drawn, [f"{self.source} {self.number}{length}{state}"])
        for line, target in enumerate(self.targets, start=1):
            draw_text(drawn, [*[""] * line, f"{target.number}: {describe_output(target.output)}"], target.color)
        return drawn

    def with_boxes(self) -> Image:
        """Copy of the image with every box and its number, and with what is searched for those that are lost."""
        drawn = self.image.copy()
        for target in self.targets:
            for tile in target.output.get("search_tiles", ()):
                draw_box(drawn, tile, SEARCH_AREA, 1)
            draw_box(drawn, target.output["target_bbox"], target.color)
            _label(drawn, target, target.output["target_bbox"])
        return drawn


def _label(drawn: Image, target: Target, box: SequenceOf[float]) -> None:
    import cv2

    x, y = (float(value) for value in box[:2])
    if np.isfinite((x, y)).all():
        limit = 4 * max(drawn.shape)
        place = round(min(max(x, -limit), limit)), round(min(max(y - 4, 10), limit))
        text = f"{target.number} {target.output.get('search', '')}".rstrip()
        cv2.putText(drawn, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, target.color, 1, cv2.LINE_AA)
