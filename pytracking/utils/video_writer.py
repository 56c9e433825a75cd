"""Writing videos, in particular of stored results."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence as SequenceOf
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from pytracking.utils.drawing import GROUND_TRUTH, TRACKED, draw_box, draw_text
from pytracking.utils.files import temporary_beside
from pytracking.utils.image import read_image

if TYPE_CHECKING:
    from pytracking.evaluation.data import Sequence
    from pytracking.evaluation.results import SequenceResult


class VideoWriter:
    """MP4 file (MPEG-4 Part 2) of RGB uint8 frames of one size, as a context manager; appears when it is complete.

    The encoder takes even sizes only: the last row or column of an odd size is there twice.
    """

    def __init__(self, path: Path, fps: float = 30.0) -> None:
        self.path = path
        self.fps = fps
        self._temporary = temporary_beside(path)
        self._writer: Any = None
        self._size: tuple[int, int] | None = None

    def __enter__(self) -> Self:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._writer is not None:
            self._writer.release()
        if kind is None and self._temporary.exists():
            self._temporary.replace(self.path)
        self._temporary.unlink(missing_ok=True)

    def write(self, image: np.ndarray) -> None:
        """Add a frame (H, W, 3). Raises OSError where the video cannot be written, ValueError for another size."""
        import cv2

        height, width = image.shape[:2]
        if height % 2 or width % 2:
            image = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
            height, width = image.shape[:2]
        if self._size not in (None, (width, height)):
            raise ValueError(f"expected frames of {self._size} pixels in {self.path}, found {(width, height)}")
        self._size = width, height
        if self._writer is None:
            codec = cv2.VideoWriter.fourcc(*"mp4v")
            self._writer = cv2.VideoWriter(str(self._temporary), codec, self.fps, (width, height))
            if not self._writer.isOpened():
                raise OSError(f"cannot write video {self.path}: OpenCV finds no MPEG-4 encoder, or the folder is full")
        self._writer.write(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))


def write_result_video(
    path: Path,
    sequence: Sequence,
    result: SequenceResult,
    fps: float = 30.0,
    on_frame: Callable[[int, int], None] | None = None,
) -> None:
    """Video of a sequence with the tracked box (red), the ground truth (green), frame number, flag and score."""
    with VideoWriter(path, fps) as video:
        for index, frame in enumerate(sequence.frames[: len(result.boxes)]):
            image = read_image(frame)
            if index < len(sequence.ground_truth_rect):
                draw_box(image, sequence.ground_truth_rect[index], GROUND_TRUTH)
            draw_box(image, result.boxes[index], TRACKED)
            state = result.flags[index] if result.flags else ""
            if len(result.scores):
                state = f"{state} {result.scores[index]:.2f}".strip()
            draw_text(image, [f"{sequence.name} {index + 1}/{len(sequence)}", state])
            video.write(image)
            if on_frame is not None:
                on_frame(index + 1, len(result.boxes))


def write_result_videos(results: Path, dataset: SequenceOf[Sequence], folder: Path) -> None:
    """Write `<sequence>.mp4` of each result that is stored in `results`, unless its video is newer."""
    from rich.console import Console
    from rich.progress import track

    from pytracking.evaluation.results import load_result, result_file

    finished = [sequence for sequence in dataset if result_file(results, sequence.name).exists()]
    for sequence in track(finished, "videos", console=Console(stderr=True), transient=True):
        video, boxes = folder / f"{sequence.name}.mp4", result_file(results, sequence.name)
        if not video.exists() or video.stat().st_mtime < boxes.stat().st_mtime:
            write_result_video(video, sequence, load_result(results, sequence.name))
