"""Stored boxes over the video: in a window, or written to a video file.

Keys: LEFT and RIGHT step through frames, SPACE starts and stops playing, where LEFT and RIGHT change the speed, down to
backwards; ESC or q closes the window.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence as SequenceOf
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ltr.common.errors import InputError
from ltr.common.image import read_image
from ltr.common.types import Array, Image
from pytracking.analysis.report.style import rgb
from pytracking.analysis.result_files import load_boxes
from pytracking.scoring.rows import RowCountWarning, frame_rows, row_offsets
from pytracking.utils.drawing import Color, draw_box, draw_text
from pytracking.utils.plotting import has_windows

if TYPE_CHECKING:
    from pytracking.analysis.result_files import ResultSource
    from pytracking.evaluation.data import Sequence

SPEEDS = (-8.0, -4.0, -2.0, -1.0, -0.5, 0.5, 1.0, 2.0, 4.0, 8.0)  # frames a tick
CACHED_FRAMES = 64
GROUND_TRUTH: Color = (255, 255, 255)  # unlike the color of any tracker


@dataclass
class Player:
    """What the keys do: position, mode and speed."""

    length: int  # frames
    position: float = 0.0  # from 0
    is_playing: bool = False
    speed: float = 1.0
    is_closed: bool = False

    @property
    def index(self) -> int:
        """Frame to show."""
        return min(self.length - 1, max(0, int(self.position)))

    def press(self, key: str) -> None:
        """Answer a key, by its matplotlib name; others than those above do nothing."""
        if key in ("escape", "q"):
            self.is_closed = True
        elif key == " ":
            self.is_playing = not self.is_playing
        elif key in ("left", "right"):
            step = 1 if key == "right" else -1
            if self.is_playing:
                place = SPEEDS.index(self.speed) + step
                self.speed = SPEEDS[min(len(SPEEDS) - 1, max(0, place))]
            else:
                self._move(step)

    def tick(self) -> bool:
        """Go on while playing; returns whether another frame is to be shown. Stops at either end."""
        before = self.index
        if self.is_playing:
            self._move(self.speed)
            end = self.length - 1 if self.speed > 0 else 0
            self.is_playing = self.position != end
        return self.index != before

    def _move(self, step: float) -> None:
        self.position = min(self.length - 1.0, max(0.0, self.position + step))


class Overlay:
    """Frames of a sequence with ground truth and the boxes of several trackers."""

    def __init__(self, trackers: SequenceOf[ResultSource], sequence: Sequence) -> None:
        """Warns with RowCountWarning for results with more or fewer rows than frames, whose names then say so.

        Raises InputError without trackers, and for a missing or malformed result.
        """
        if not trackers:
            raise InputError("expected at least one tracker to show, found none")
        self.sequence = sequence
        stored = [load_boxes(tracker, sequence)[1] for tracker in trackers]
        counts = ["" if len(b) == len(sequence) else f", {len(b)} rows for {len(sequence)} frames" for b in stored]
        self.names = [f"{tracker.display_name}{count}" for tracker, count in zip(trackers, counts, strict=True)]
        for name in (name for name, count in zip(self.names, counts, strict=True) if count):
            warnings.warn(f"{sequence.name}: {name}; boxes are shown where there are any", RowCountWarning, 2)
        self.boxes: list[Array] = [frame_rows(b, len(sequence), row_offsets(sequence)) for b in stored]
        self.colors: list[Color] = [rgb(number) for number in range(len(trackers))]
        self._read = lru_cache(CACHED_FRAMES)(read_image)

    def __len__(self) -> int:
        """Frames to show: of the sequence, or of the longest result where that is shorter."""
        return min(len(self.sequence), max(map(len, self.boxes)))

    def draw(self, index: int) -> Image:
        """Frame from 0 with boxes, the number, and the trackers' names in their colors."""
        image = self._read(self.sequence.frames[index]).copy()
        truth = self.sequence.ground_truth_rect
        if index < len(truth):
            draw_box(image, truth[index], GROUND_TRUTH)
        for boxes, color in zip(self.boxes, self.colors, strict=True):
            if index < len(boxes):
                draw_box(image, boxes[index], color)
        draw_text(image, [f"{self.sequence.name} {index + 1}/{len(self)}"])
        names = [("ground truth", GROUND_TRUTH), *zip(self.names, self.colors, strict=True)]
        for line, (name, color) in enumerate(names, start=1):
            draw_text(image, [*[""] * line, name], lighter(color))
        return image


def lighter(color: Color) -> Color:
    """A color that can be read on the dark outline of text."""
    strength = max(color)
    mixed = np.asarray(color) + (255 - np.asarray(color)) * (0.45 if strength < 200 else 0.15)
    red, green, blue = (int(value) for value in mixed.clip(0, 255))
    return red, green, blue


def playback_results(
    trackers: ResultSource | SequenceOf[ResultSource],
    sequence: Sequence,
    output: str | Path | None = None,
    fps: float = 30.0,
) -> None:
    """Show the stored boxes of trackers over a sequence, ground truth white; with `output`, write a video instead.

    Raises InputError for a missing result, and where there is no display and no `output`.
    """
    overlay = Overlay(list(trackers) if isinstance(trackers, SequenceOf) else [trackers], sequence)
    if output is not None:
        write_video(overlay, Path(output), fps)
    else:
        show_window(overlay, fps)


def write_video(overlay: Overlay, path: Path, fps: float = 30.0) -> None:
    """Write all frames as a video. Raises InputError where it cannot be written."""
    from pytracking.utils.video_writer import VideoWriter

    with VideoWriter(path, fps, overlay.sequence.frames) as video:
        for index in range(len(overlay)):
            video.write(overlay.draw(index))


def show_window(overlay: Overlay, fps: float = 30.0) -> None:
    """Show frames until the window is closed. Raises InputError without a display."""
    pyplot = _interactive_pyplot()
    player = Player(len(overlay))
    first = overlay.draw(0)
    height, width = first.shape[:2]
    figure = pyplot.figure(overlay.sequence.name, figsize=(8, 8 * height / width))
    # matplotlib's own keys (q closes, arrows walk through views) would act besides ours.
    own_keys = getattr(figure.canvas.manager, "key_press_handler_id", None)
    if own_keys is not None:
        figure.canvas.mpl_disconnect(own_keys)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    shown = axes.imshow(first)

    def redraw() -> None:
        shown.set_data(overlay.draw(player.index))
        figure.canvas.draw_idle()

    def press(event: Any) -> None:
        player.press(event.key or "")
        if player.is_closed:
            pyplot.close(figure)
        else:
            redraw()

    def tick() -> None:
        if player.tick():
            redraw()

    timer = figure.canvas.new_timer(interval=round(1000 / fps))
    timer.add_callback(tick)
    figure.canvas.mpl_connect("key_press_event", press)
    figure.canvas.mpl_connect("close_event", lambda _: timer.stop())
    timer.start()
    pyplot.show(block=True)


def _interactive_pyplot() -> Any:
    """matplotlib's pyplot with a window system. Raises InputError where no window can be opened."""
    from matplotlib import pyplot

    if not has_windows():
        backend = pyplot.get_backend()
        raise InputError(
            f"cannot open a window: there is no display, or matplotlib has no window system here (backend {backend})\n"
            "  write a video instead: playback_results(trackers, sequence, output='playback.mp4')"
        )
    return pyplot
