"""The loop over a video: track, show, answer keys, write.

Keys: SPACE pauses and goes on, RIGHT ARROW or s goes on by one frame, n adds a target, r forgets all targets and asks
for a new one, q or ESC ends.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterable
from collections.abc import Sequence as SequenceOf
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from ltr.common.errors import InputError
from ltr.common.interruption import completing
from ltr.common.provenance import check_device
from ltr.common.types import Image
from pytracking.evaluation.annotation_export import export_video
from pytracking.utils.video_writer import VideoWriter
from pytracking.video.recording import Recording, recover_recordings
from pytracking.video.scene import Scene
from pytracking.video.screen import INSTEAD, Screen, display_problem, open_screen
from pytracking.video.sources import Frame, FrameSource, describe_source, open_source, source_files
from pytracking.video.targets import Target, Targets

if TYPE_CHECKING:
    from pytracking.evaluation.tracker_setup import TrackerSetup
    from pytracking.visualization.live_view import LiveView

OnVideoFrame = Callable[[int, list[Target]], None]  # (number from 1, targets that were tracked)
POLL_MILLISECONDS = 30  # while paused


@dataclass
class VideoSummary:
    """What became of a video."""

    num_frames: int = 0  # tracked, or shown without a target
    num_dropped: int = 0  # of a camera or stream that was faster
    num_tracked: int = 0  # boxes found, all targets together
    seconds: float = 0.0  # in the trackers
    notes: list[str] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)

    @property
    def fps(self) -> float:
        """Boxes per second of tracker time; with one target, frames per second."""
        return self.num_tracked / self.seconds if self.seconds > 0 else float("nan")

    def describe(self) -> str:
        """Lines for the terminal."""
        dropped = f", {self.num_dropped} dropped" if self.num_dropped else ""
        lines = [f"{self.num_frames} frames{dropped}, {self.fps:.1f} boxes a second of tracker time", *self.notes]
        lines += [f"written: {path}" for path in self.files if path.exists()]
        return "\n".join(lines)


def run_video(
    setup: TrackerSetup,
    source: str | Path | int,
    boxes: SequenceOf[SequenceOf[float]] = (),
    *,
    debug: int = 0,
    visdom_info: dict[str, Any] | None = None,
    display: bool = True,
    draw_in_browser: bool = False,
    browser_port: int | None = None,
    save_results: bool = False,
    save_video: bool | str | Path = False,
    overwrite: bool = False,
    max_frames: int | None = None,
    annotation_formats: SequenceOf[str] = (),
    on_frame: OnVideoFrame | None = None,
) -> VideoSummary:
    """Track targets through a video file, a folder of images, a camera or a stream.

    `boxes` (x, y, w, h) are targets in the first frame; without them, a box is asked for in a window, or on a page that
    this process serves to this machine (`draw_in_browser`; `browser_port` None: `browser.server.PORT`, or a free one
    where that is taken; 0: a free one). `save_results`
    writes boxes, times, scores and flags of each target to the folder of the tracker's results, `save_video` a video
    there or to a path (`Recording` says under which names), `annotation_formats` (coco, mot, cvat) all boxes to files
    for annotation programs. `overwrite` sets results of other parameters in that
    folder aside. `debug` 1 to 3 shows panels of the first target (`live_view.open_view`). Ends with the source, after
    `max_frames`, by a key, or by Ctrl-C, which loses nothing. Where there is no screen and `boxes` are given, the
    video is tracked without one. What an earlier run that was killed left in the folder is completed.
    Raises InputError for a source, boxes or names that cannot be used, and for an output that is the source.
    """
    with_rows = save_results or bool(annotation_formats)
    check_device(setup.get_parameters().get("device", None))  # what is unknown is told before a camera is opened
    files = source_files(source)
    if setup.results_dir.is_dir():
        recover_recordings(setup.results_dir)
    with contextlib.closing(open_source(source)) as frames:
        named = None  # before anything is tracked, so that a wrong name costs nothing
        if not isinstance(save_video, bool):
            named = VideoWriter(Path(save_video), frames.fps, files, keep_partial=True)
        title = f"{setup.display_name} {frames.name}"
        screen = _open_page(title, browser_port) if draw_in_browser else _choose_screen(title, bool(boxes), display)
        player = Player(setup, frames, screen, debug, visdom_info)
        with contextlib.ExitStack() as stack:
            if screen is not None:
                stack.push(lambda _, error, __: screen.close(_ending(player.summary, error)))
            stack.callback(player.close_view)
            if with_rows or save_video is True:
                about = describe_source(source)
                recording = Recording(setup, player.name, about, with_rows=with_rows, overwrite=overwrite)
                stack.callback(player.finish_recording)
                player.record(recording)
                if save_video is True:
                    player.write_to(recording.open_video(frames.fps, files))
            if named is not None:
                player.summary.files.append(named.path)
                player.write_to(stack.enter_context(named))
            with contextlib.suppress(KeyboardInterrupt):
                player.play(boxes, max_frames, on_frame)
        if annotation_formats:
            player.summary.files += export_video(setup.results_dir, player.recorded_name, annotation_formats)
        return player.summary


class Player:
    """A video being tracked: its targets, and what the keys do."""

    def __init__(
        self,
        setup: TrackerSetup,
        source: FrameSource,
        screen: Screen | None,
        debug: int = 0,
        visdom_info: dict[str, Any] | None = None,
    ) -> None:
        self.name = self.recorded_name = f"video_{source.name}"
        self.summary = VideoSummary()
        self._setup, self._source, self._screen = setup, source, screen
        self._debug, self._visdom_info = debug, visdom_info
        self._targets = Targets(setup, self.name, debug)
        self._recording: Recording | None = None
        self._video: VideoWriter | None = None
        self._view: LiveView | None = None
        self._viewed: Target | None = None
        self._is_paused = False
        self._is_ended = False

    def record(self, recording: Recording) -> None:
        """Write the boxes."""
        self._recording = recording

    def write_to(self, video: VideoWriter) -> None:
        """Write the frames."""
        self._video = video

    def finish_recording(self) -> None:
        """Complete the files of boxes."""
        assert self._recording is not None
        name, files = self._recording.close(self.summary.num_dropped)
        self.recorded_name = name
        self.summary.files += files
        if name != self.name:
            self.summary.notes.append(f"{self.name} is another run, which is kept; this one is {name}")

    def close_view(self) -> None:
        """End the panels."""
        if self._view is not None:
            self._view.close()
        self._view = self._viewed = None

    def play(
        self,
        boxes: SequenceOf[SequenceOf[float]],
        max_frames: int | None = None,
        on_frame: OnVideoFrame | None = None,
    ) -> None:
        """Track until the end of the source, `max_frames`, or a key that ends it."""
        with _Progress(self._source.name, self._length(max_frames)) as progress:
            while not self._is_ended and (max_frames is None or self.summary.num_frames < max_frames):
                frame = self._source.read()
                if frame is None:
                    self.summary.notes += self._shortfall()
                    break
                if self.summary.num_frames == 0:
                    self._begin(frame.image, boxes)
                else:
                    self._targets.track(frame.image)
                self._finish(frame, on_frame)
                progress.update(self.summary)

    def _begin(self, image: Image, boxes: Iterable[SequenceOf[float]]) -> None:
        for box in boxes:
            self._targets.add(image, box)
        if not self._targets.present:
            self._ask(image)
            self._is_ended = not self._targets.present

    def _finish(self, frame: Frame, on_frame: OnVideoFrame | None) -> None:
        """Everything after tracking a frame. Keys come first: a target that is added has a row for this frame."""
        summary, image = self.summary, frame.image
        summary.num_frames += 1
        summary.num_dropped += frame.num_dropped
        tracked = list(self._targets.present)
        self._answer_keys(image)
        added = [target for target in self._targets.present if target not in tracked]
        summary.num_tracked += len(tracked) + len(added)
        summary.seconds += sum(target.seconds for target in (*tracked, *added))
        with completing():
            if self._recording is not None:
                self._recording.add(self._targets.present)
            if self._video is not None:
                drawn = self._scene(image).drawn()
                for _ in range(1 + frame.num_dropped):  # dropped frames keep their time
                    self._video.write(drawn)
        if on_frame is not None:
            on_frame(summary.num_frames, self._targets.present)
        self._show_panels(image)

    def _answer_keys(self, image: Image) -> None:
        """Show the frame, and do what is asked for; returns when the next frame is wanted."""
        if self._screen is None:
            return
        while not self._is_ended:
            self._screen.show(self._scene(image))
            key = self._screen.key(POLL_MILLISECONDS if self._is_paused else 1)
            if key in ("q", "\x1b", "quit"):
                self._is_ended = True
            elif key == " ":
                self._is_paused = not self._is_paused
            elif key == "n":
                self._ask(image)
            elif key == "r":
                self._targets.present = []
                self._ask(image)
            if not self._is_paused or key in ("right", "s"):
                return

    def _ask(self, image: Image) -> None:
        """Boxes from the person at the screen, until there is one that can be tracked or none is drawn."""
        assert self._screen is not None
        problem = ""
        while boxes := self._screen.select_boxes(self._scene(image), problem):
            problems = []
            for box in boxes:
                try:
                    self._targets.add(image, box)
                except InputError as error:
                    problems.append(str(error))
            if not problems:
                return
            problem = "\n".join(problems)

    def _scene(self, image: Image) -> Scene:
        return Scene(
            image,
            tuple(self._targets.present),
            self._source.name,
            max(1, self.summary.num_frames),
            self._source.num_frames,
            self.summary.num_dropped,
            self._targets.num_made + 1,
            self._is_paused,
        )

    def _show_panels(self, image: Image) -> None:
        target = next(iter(self._targets.present), None)
        if self._debug <= 0 or target is None:
            return
        if target is not self._viewed:
            from pytracking.visualization.live_view import open_view, unused_name

            self.close_view()
            folder = self._setup.results_dir / "debug"
            name = unused_name(folder, f"{self.name}_{target.number}")
            length = self._source.num_frames
            self._viewed = target
            self._view = open_view(
                target.tracker, name, self._debug, self._visdom_info, folder, num_frames=length, fps=self._source.fps
            )
        assert self._view is not None
        self._view.frame(self.summary.num_frames, image, target.output)

    def _length(self, max_frames: int | None) -> int | None:
        known = [number for number in (self._source.num_frames, max_frames) if number is not None]
        return min(known, default=None)

    def _shortfall(self) -> list[str]:
        """A file that ends early; its own count of frames is an estimate and may be a little off."""
        announced, found = self._source.num_frames, self.summary.num_frames
        if announced is None or found >= 0.98 * announced - 2:
            return []
        return [f"{self._source.name} ended after {found} of about {announced} frames: it is cut off or damaged"]


class _Progress:
    """A bar with frames and fps in a terminal; nothing elsewhere."""

    def __init__(self, name: str, length: int | None) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        console = Console(stderr=True)
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[speed]}"),
            TimeRemainingColumn(),
        )
        self._bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._task = self._bar.add_task(name, total=length, speed="")
        self._start = time.monotonic()

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._bar.stop()

    def update(self, summary: VideoSummary) -> None:
        """Another frame."""
        if self._bar.disable:
            return
        rate = summary.num_frames / max(1e-9, time.monotonic() - self._start)
        dropped = f", {summary.num_dropped} dropped" if summary.num_dropped else ""
        self._bar.update(self._task, completed=summary.num_frames, speed=f"{rate:.1f} fps{dropped}")


def _open_page(title: str, port: int | None) -> Screen:
    from pytracking.video.browser.screen import BrowserScreen

    return BrowserScreen(title, port)


def _ending(summary: VideoSummary, error: BaseException | None) -> str:
    return summary.describe() if error is None else f"The run failed: {error or type(error).__name__}"


def _choose_screen(title: str, has_boxes: bool, display: bool) -> Screen | None:
    if display and not has_boxes:
        return open_screen(title)
    if not display:
        if not has_boxes:
            raise InputError(f"without a window nothing says what to track: {INSTEAD.split(',', maxsplit=1)[0]}")
        return None
    if problem := display_problem():
        print(f"no window: {problem}", file=sys.stderr)
        return None
    return open_screen(title)
