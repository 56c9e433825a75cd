"""Finding a lost target again: when it counts as lost, where it is looked for, and when a find is believed.

The tracker cuts crops and scores them with two filters; what is here decides, and knows nothing of images. States:

    tracking  --`redetection_patience` frames in a row without the target-->  searching
    searching --both filters see it-->  verifying
    verifying --`redetection_frames` frames in a row, each next to the last-->  tracking;  one without it-->  searching

While it is lost a frame has one crop at the place that is believed most, and `redetection_crops` more, which go over
the image by a schedule. Vectors are (y, x) or (h, w) in image pixels.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ltr.common.types import Array
from pytracking.utils.params import AtLeastOne, Count, NonNegative, Positive, PositiveInt, Share, TypedParams

MOST_TILES = 64  # on an axis

State = Literal["tracking", "searching", "verifying"]


@dataclass(kw_only=True)
class RedetectionParams(TypedParams):
    """What a long-term parameter file says; `DiMPParams` has the rest."""

    redetection: bool = False  # look for a target that went away in the whole image
    redetection_patience: PositiveInt = 20  # frames in a row that are not_found, after which the target is lost
    redetection_crops: PositiveInt = 1  # crops a frame beside the usual one while it is lost
    redetection_growth: AtLeastOne = 2.0  # side of the larger area around the last place, in search areas
    redetection_tiles: PositiveInt = 24  # tiles of the image at most, which are larger for it, but below that growth
    # The target is within half a search area of its last place at the loss, and within so many more after each frame.
    redetection_reach: Positive = 0.05
    # Scores below are shares of the usual one, the median of the stored samples.
    redetection_hint: Positive = 0.3  # in a crop of the schedule: the place is looked at more closely
    redetection_score: Positive = 0.65  # that both filters must give for a find
    redetection_frames: PositiveInt = 3  # frames in a row in which they must
    redetection_step: Positive = 1.0  # distance between two such frames at most, in target sizes (the mean side)
    # The filter that is kept: learnt at the loss on the first frame's samples and those with at least this score.
    redetection_kept_score: NonNegative = 0.7
    redetection_kept_iter: Count = 5  # steepest-descent iterations of each learning
    # Presence score: logistic function of 1, the score and its moving average; None: the score itself.
    presence_map: tuple[float, float, float] | None = None
    presence_memory: Share = 0.8  # of the moving average, a frame
    presence_threshold: float = -float("inf")  # output_not_found_box withholds boxes of lower presence, too


@dataclass(frozen=True)
class Look:
    """A place to look at: a square crop around `pos`, `growth` times the side of a search area."""

    pos: Array  # (2,)
    growth: float = 1.0


@dataclass(frozen=True)
class Find:
    """The best place of a crop, by the lower one of both filters' scores."""

    pos: Array  # (2,)
    score: float  # as a share of the target's usual score


class Redetection:
    """State of the search for one target."""

    def __init__(self, params: RedetectionParams) -> None:
        self.params = params
        self.state: State = "tracking"
        self._missed = 0  # frames in a row without the target
        self._agreed = 0  # finds in a row
        self._focus: Array | None = None  # where the target may be; None: only where it was
        self._place = np.zeros(2)  # where it was
        self._lost = 0  # frames since then
        self._reach = 0.0  # how far from there it may be, image pixels
        self._schedule = Schedule()

    @property
    def is_lost(self) -> bool:
        """Whether the target is looked for in this frame, rather than tracked."""
        return self.state != "tracking"

    def after_tracking(self, found: bool) -> bool:
        """Note whether a tracked frame had the target; returns whether it is lost now."""
        self._missed = 0 if found else self._missed + 1
        if self._missed < self.params.redetection_patience:
            return False
        self.state, self._missed, self._agreed, self._focus, self._lost = "searching", 0, 0, None, 0
        self._schedule = Schedule()
        return True

    def looks(self, image_sz: Array, place: Array, area: float, target: float) -> list[Look]:
        """The crops of a frame in which the target is lost, the first where it is believed to be.

        `place` (2,) is where it was seen last, `area` the side of a search area, `target` that of the target.
        """
        self._lost += 1
        self._place, self._reach = place, area * (0.5 + self.params.redetection_reach * self._lost)
        first = Look(place if self._focus is None else self._focus)
        return [first, *self._schedule.next(self.params, image_sz, place, area, target, self._reach)]

    def after_looking(self, looks: Sequence[Look], finds: Sequence[Find], target: float) -> Find | None:
        """Take what was found in each crop; returns the target where it is believed to be back.

        `target` is the side of the target. A better find elsewhere takes the place of one that is being verified.
        """
        params = self.params
        finds = [
            find if math.dist(find.pos, self._place) <= self._reach else Find(find.pos, -math.inf) for find in finds
        ]
        here, near = finds[0], params.redetection_step * target
        rival = max(finds[1:], key=lambda find: find.score, default=None)
        if rival is not None and (rival.score < params.redetection_hint or math.dist(rival.pos, here.pos) <= near):
            rival = None
        if here.score >= params.redetection_score and (rival is None or rival.score <= here.score):
            goes_on = self._focus is not None and math.dist(here.pos, self._focus) <= near
            self._agreed = self._agreed + 1 if goes_on else 1
            self._focus = here.pos
        else:
            self._agreed, self._focus = 0, None if rival is None else rival.pos
        if self._agreed < params.redetection_frames:
            self.state = "verifying" if self._agreed else "searching"
            return None
        self.state = "tracking"
        return here


class Schedule:
    """The crops that go over the image, over and over: first what is likely."""

    def __init__(self) -> None:
        self._left: list[Look] = []
        self._of: tuple[float, ...] = ()  # what the looks were made for

    def next(
        self, params: RedetectionParams, image_sz: Array, place: Array, area: float, target: float, reach: float
    ) -> list[Look]:
        """The next `redetection_crops` looks; they begin anew when all were had, or anything else has another size."""
        of = (*image_sz.tolist(), *place.tolist(), area, target)
        if of != self._of:
            self._left, self._of = [], of
        looks: list[Look] = []
        while len(looks) < params.redetection_crops:
            self._left = self._left or search_looks(params, image_sz, place, area, target, reach)
            looks.append(self._left.pop(0))
        return looks


def search_looks(
    params: RedetectionParams, image_sz: Array, place: Array, area: float, target: float, reach: float = math.inf
) -> list[Look]:
    """A larger area at the last place (2,), the whole image, then its tiles by their distance from that place.

    Only what is within reach of that place is looked at. Tiles overlap by the side of the target, so that it is whole
    in one of them; they cover what is inside the image, or, where the target is tiny, what is `MOST_TILES` tiles wide
    around the place. Their number stays below `redetection_tiles` as far as the growth of tiles allows.
    """
    place = place.clip(0, image_sz - 1)
    growth = 1.0
    while len(tiles := _tiles(image_sz, growth * area, target, place)) > params.redetection_tiles:
        if growth == params.redetection_growth:
            break
        growth = min(1.1 * growth, params.redetection_growth)
    tiles.sort(key=lambda pos: math.dist(pos, place))
    around = Look(place, params.redetection_growth)
    if reach <= around.growth * area / 2:
        return [around]
    whole = Look((image_sz - 1) / 2, max(1.0, float(image_sz.max()) / area))
    return [around, whole, *(Look(pos, growth) for pos in tiles if _distance(pos, place, growth * area) <= reach)]


def _distance(pos: Array, place: Array, side: float) -> float:
    """Distance of a place from a square of this side around `pos`."""
    return float(np.linalg.norm((abs(place - pos) - side / 2).clip(0)))


def _tiles(image_sz: Array, side: float, overlap: float, place: Array) -> list[Array]:
    """Centers of squares that cover an image, at most `MOST_TILES` around a place on each axis.

    One of an extent below the side lies in its middle.
    """
    axes = []
    for extent, near in zip(image_sz.tolist(), place.tolist(), strict=True):
        count = max(1, math.ceil((extent - side) / max(side - overlap, side / 2)) + 1)
        reach = max(extent - side, 0.0)
        start = min(side, extent) / 2 - 0.5
        first = 0
        if count > MOST_TILES:
            nearest = round((near - start) / reach * (count - 1))
            first = min(max(nearest - MOST_TILES // 2, 0), count - MOST_TILES)
        indices = range(first, first + min(count, MOST_TILES))
        axes.append([start + reach * index / max(count - 1, 1) for index in indices])
    return [np.array([y, x]) for y in axes[0] for x in axes[1]]


class Presence:
    """Presence score: a logistic function of the score of a frame and of those before it."""

    def __init__(self, params: RedetectionParams) -> None:
        self._params = params
        self.average = 1.0  # the first frame is given

    def after(self, score: float) -> float:
        """Presence score of a frame; 0 is the score of a frame in which the target is lost."""
        memory = self._params.presence_memory
        self.average = memory * self.average + (1 - memory) * score
        if self._params.presence_map is None:
            return score
        constant, of_score, of_average = self._params.presence_map
        evidence = constant + of_score * score + of_average * self.average
        return (1 + math.tanh(evidence / 2)) / 2

    def restart(self, score: float) -> float:
        """Presence score of the frame in which a lost target is found, with this score: its history is forgotten."""
        self.average = score
        return self.after(score)
