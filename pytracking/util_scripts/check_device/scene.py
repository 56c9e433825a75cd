"""A rendered video that every check shares: a photograph cut out along a random outline moves over another one."""

import functools
from dataclasses import dataclass

from ltr.common.types import Array, Image
from ltr.data.synthetic import SceneOptions, SyntheticTracks

SEED = 3
# One target of middling size in sight all the time: what is checked is arithmetic, not tracking.
OPTIONS = SceneOptions(
    num_frames=60,
    target_side=(60.0, 70.0),
    path_extent=0.2,
    size_change=0.15,
    region_share=0.0,
    part_share=0.0,
    twin_share=0.0,
    occluder_share=0.0,
    motion_blur_share=0.0,
    gray_share=0.0,
)


@dataclass(frozen=True)
class Video:
    images: list[Image]
    boxes: Array  # (n, 4) x, y, w, h

    @property
    def start(self) -> dict[str, list[float]]:
        """What a tracker is initialized with."""
        return {"init_bbox": [float(value) for value in self.boxes[0]]}


@functools.cache
def video(frames: int, index: int = 0) -> Video:
    """Its first frames, at most 60; other numbers are other videos."""
    tracks = SyntheticTracks(num_tracks=index + 1, seed=SEED, options=OPTIONS)
    numbers = range(min(frames, OPTIONS.num_frames))
    return Video(tracks.read_frames(index, numbers), tracks.track(index).boxes[: len(numbers)])
