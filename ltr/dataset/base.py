"""What a training data set is: tracks, each the annotation of one target in the frames of a video or in a still."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ltr.common.image import read_image
from ltr.common.types import Array, Image


@dataclass(frozen=True, kw_only=True)
class Track:
    """Annotation of one target."""

    boxes: Array  # (n, 4) float64 x, y, w, h, pixels from 0
    visible: Array  # (n,) bool: the box is valid and the target can be seen, so that the frame may be drawn
    group: int = 0  # class or domain, where a data set has one

    def __len__(self) -> int:
        return len(self.boxes)


class TrackDataset(ABC):
    """Tracks by number. It is pickled into worker processes, so it holds no open files."""

    name: str
    is_video: bool = True  # False: stills, of which a sample repeats the one image

    @abstractmethod
    def __len__(self) -> int:
        """Number of tracks."""

    @abstractmethod
    def track_name(self, index: int) -> str:
        """Name for messages."""

    @abstractmethod
    def track(self, index: int) -> Track:
        """Annotation; raises InputError for a file that cannot be read."""

    @abstractmethod
    def read_frames(self, index: int, frames: Sequence[int]) -> list[Image]:
        """Images of a track, RGB uint8 (H, W, 3); raises InputError for a file that cannot be read."""


class FileTrackDataset(TrackDataset):
    """Tracks whose frames are image files."""

    @abstractmethod
    def frame_path(self, index: int, frame: int) -> Path:
        """File of one image."""

    def read_frames(self, index: int, frames: Sequence[int]) -> list[Image]:
        """Images of a track; one that is asked for several times is read once."""
        images = {frame: read_image(self.frame_path(index, frame)) for frame in set(frames)}
        return [images[frame] for frame in frames]


class FolderTrackDataset(FileTrackDataset):
    """Tracks that have a folder each."""

    folders: list[Path]

    def __len__(self) -> int:
        return len(self.folders)

    def track_name(self, index: int) -> str:
        return f"{self.name}/{self.folders[index].name}"


def valid_boxes(boxes: Array, smallest: float = 0.0) -> Array:  # (n, 4) -> (n,) bool
    """Whether all four numbers are finite and both sides are longer than `smallest`."""
    finite = np.isfinite(boxes).all(axis=1)
    return np.logical_and(finite, (np.nan_to_num(boxes[:, 2:]) > smallest).all(axis=1))
