"""The targets of one video: a tracker for each."""

from __future__ import annotations

from collections.abc import Sequence as SequenceOf
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ltr.common.errors import InputError
from ltr.common.types import Image
from pytracking.evaluation.frame_loop import clock
from pytracking.utils.drawing import LOST, Color
from pytracking.utils.seeding import seed_everything
from pytracking.visualization.live_view import is_lost

if TYPE_CHECKING:
    from pytracking.evaluation.tracker_setup import TrackerSetup
    from pytracking.tracker.base import BaseTracker

COLORS: tuple[Color, ...] = (
    (255, 64, 32), (64, 160, 255), (64, 220, 64), (255, 200, 0), (220, 90, 255), (0, 220, 220), (255, 140, 160),
)  # fmt: skip


@dataclass
class Target:
    """One target with its tracker and what that said last."""

    number: int  # from 1, never used again
    tracker: BaseTracker
    output: dict[str, Any]
    seconds: float  # in the tracker, of the last frame
    image_size: tuple[int, int] | None = None  # width, height

    @property
    def color(self) -> Color:
        """Its own color, grey while it is lost."""
        return LOST if is_lost(self.output) else COLORS[(self.number - 1) % len(COLORS)]


@dataclass
class Targets:
    """All targets; each is tracked by itself."""

    setup: TrackerSetup
    name: str  # of the video's results
    debug: int = 0
    present: list[Target] = field(default_factory=list)
    num_made: int = 0

    def add(self, image: Image, box: SequenceOf[float]) -> Target:
        """Start a target. Raises InputError for a box that cannot be tracked."""
        params: Any = self.setup.get_parameters()
        params.debug = self.debug
        number = self.num_made + 1
        name = target_name(self.name, number)
        seed_everything(self.setup.sequence_seed(name))
        tracker = self.setup.start(name, params)
        start = clock(tracker)
        try:
            output = tracker.initialize(image, {"init_bbox": [float(value) for value in box]})
        except ValueError as error:
            raise InputError(f"target {number}: {error}") from error
        first = {"target_bbox": list(box), "object_presence_score": 1.0, "flag": "init"}
        target = Target(number, tracker, first | (output or {}), clock(tracker) - start, image.shape[1::-1])
        self.num_made = number
        self.present.append(target)
        return target

    def track(self, image: Image) -> None:
        """Find every target in the next frame."""
        for target in self.present:
            start = clock(target.tracker)
            target.output = target.tracker.track(image, {"previous_output": target.output})
            target.seconds = clock(target.tracker) - start


def target_name(name: str, number: int) -> str:
    """Names the results of one target, and with them its seed."""
    return f"{name}_{number}"
