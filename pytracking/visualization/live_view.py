"""Reads a tracker's panels after each frame, and hands them to the viewers."""

from __future__ import annotations

import contextlib
import itertools
from collections import deque
from collections.abc import Iterable, Mapping
from collections.abc import Sequence as SequenceOf
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ltr.common.types import Array, Image
from pytracking.utils.drawing import GROUND_TRUTH, LOST, SEARCH_AREA, TRACKED, draw_box, draw_text
from pytracking.visualization.panels import Content, Curves, Panel, Picture, Plot, Status
from pytracking.visualization.registered import RegisteredPanels
from pytracking.visualization.viewer import STATUS, TRACKING, TerminalViewer, Viewer

if TYPE_CHECKING:
    from pytracking.tracker.base import BaseTracker

HISTORY = 2000  # points of a line that are kept
TARGET_SIZE = 160  # pixels a side of a picture of the target
TARGET_MARGIN = 0.25  # around the target, in its own extent


class LiveView:
    """What viewers see of one tracker on one sequence. `close` it when the sequence has ended, however it did."""

    def __init__(
        self,
        tracker: BaseTracker,
        viewers: SequenceOf[Viewer],
        level: int,  # debug level, 1 to 3
        name: str,
        *,
        ground_truth: Array | None = None,  # (N, 4)
        num_frames: int | None = None,
    ) -> None:
        self._tracker = tracker
        self._viewers = viewers
        self._level = level
        self._name = name
        self._ground_truth = np.empty((0, 4)) if ground_truth is None else ground_truth
        self._num_frames = num_frames
        self._panels: list[Panel] = []
        self._histories: dict[str, deque[tuple[float, ...]]] = {}
        self._first_target: Image | None = None
        self._registered = tracker.visdom = RegisteredPanels(level)

    def frame(self, number: int, image: Image, output: Mapping[str, Any]) -> None:
        """Show a tracked frame, numbered from 1; returns when the next one may be tracked."""
        self._number, self._image, self._output = number, image, output
        if self._first_target is None:
            self._first_target = target_patch(image, output["target_bbox"])
        if not self._panels:
            everything = [*self._own_panels(), *self._tracker.panels()]
            self._panels = [panel for panel in everything if panel.level <= self._level]
            for viewer in self._viewers:
                viewer.open(self._panels)
        registered = self._registered.take()
        self._add_panels(registered)
        wanted = {panel.name for panel in self._panels for viewer in self._viewers if viewer.wants(panel.name)}
        own = {panel.name: content for panel in self._panels if panel.name in wanted if (content := self._read(panel))}
        contents = _joined(own, registered)
        for viewer in self._viewers:
            viewer.show({name: content for name, content in contents.items() if viewer.wants(name)})
            viewer.wait()

    def close(self) -> None:
        """Complete what viewers have open, each of them where another one fails."""
        self._tracker.visdom = None
        with contextlib.ExitStack() as closing:
            for viewer in reversed(self._viewers):
                closing.callback(viewer.close)

    def _add_panels(self, names: Iterable[str]) -> None:
        """Make panels of what a tracker registers for the first time; they are not read, but handed over."""
        known = {panel.name for panel in self._panels}
        if new := [Panel(name, 0, lambda: None) for name in names if name not in known]:
            self._panels += new
            for viewer in self._viewers:
                viewer.extend(self._panels)

    def _own_panels(self) -> list[Panel]:
        return [
            Panel(TRACKING, 1, self._tracking),
            Panel(STATUS, 1, self._status),
            Panel("First and Current Target", 2, self._targets),
        ]

    def _read(self, panel: Panel) -> Content | None:
        content = panel.read()
        return self._appended(panel.name, content) if isinstance(content, Curves) else content

    def _appended(self, name: str, curves: Curves) -> Plot | None:
        history = self._histories.setdefault(name, deque(maxlen=HISTORY))
        rows = list(zip(*curves.values.values(), strict=True))
        history.extend((self._number + index / len(rows), *row) for index, row in enumerate(rows))
        if not history:
            return None
        table = np.array(history)
        return Plot(table[:, 0], table[:, 1:], tuple(curves.values), curves.is_log)

    def _tracking(self) -> Picture:
        image = self._image.copy()
        area = self._tracker.search_area()
        for searched in [*([] if area is None else [area]), *self._output.get("search_tiles", ())]:
            draw_box(image, searched, SEARCH_AREA, 1)
        if self._number <= len(self._ground_truth):
            draw_box(image, self._ground_truth[self._number - 1], GROUND_TRUTH)
        lost = is_lost(self._output)
        draw_box(image, self._output["target_bbox"], LOST if lost else TRACKED)
        length = "" if self._num_frames is None else f"/{self._num_frames}"
        draw_text(image, [f"{self._name} {self._number}{length}", describe_output(self._output)])
        return Picture(image)

    def _status(self) -> Status:
        values: dict[str, object] = {"frame": self._number}
        for key, shown in (("flag", "flag"), ("search", "search"), ("object_presence_score", "score")):
            if self._output.get(key) is not None:
                value = self._output[key]
                values[shown] = value if isinstance(value, str) else float(value)
        values["box"] = ", ".join(f"{value:.1f}" for value in self._output["target_bbox"])
        return Status(values)

    def _targets(self) -> Picture:
        assert self._first_target is not None
        return Picture(np.hstack((self._first_target, target_patch(self._image, self._output["target_bbox"]))))


def _joined(own: dict[str, Content], registered: dict[str, Content]) -> dict[str, Content]:
    """The view's own panels and those that a tracker registered, which go first but for the status, which is joined."""
    mine, theirs = own.get(STATUS), registered.get(STATUS)
    if isinstance(mine, Status) and isinstance(theirs, Status):
        registered = {**registered, STATUS: Status({**mine.values, **theirs.values})}
    return own | registered


def is_lost(output: Mapping[str, Any]) -> bool:
    """Whether the tracker says that the target cannot be seen."""
    return output.get("flag") == "not_found"


def describe_state(output: Mapping[str, Any]) -> str:
    """How the tracker looks for a target that is lost, else its flag, as far as it reports them."""
    if search := output.get("search"):
        return str(search)
    return "target lost" if is_lost(output) else str(output.get("flag") or "")


def describe_output(output: Mapping[str, Any]) -> str:
    """State and score, as far as the tracker reports them."""
    score = output.get("object_presence_score")
    return f"{describe_state(output)} {'' if score is None else f'{score:.2f}'}".strip()


def target_patch(image: Image, box: SequenceOf[float]) -> Image:  # (TARGET_SIZE, TARGET_SIZE, 3)
    """The target with a margin, as a square; black outside of the image."""
    import cv2

    x, y, w, h = (float(value) for value in box)
    side = (1 + 2 * TARGET_MARGIN) * max(w, h)
    if not (np.isfinite(side) and side > 0):
        return np.zeros((TARGET_SIZE, TARGET_SIZE, 3), np.uint8)
    scale = TARGET_SIZE / side
    offset_x, offset_y = TARGET_SIZE / 2 - scale * (x + w / 2), TARGET_SIZE / 2 - scale * (y + h / 2)
    matrix = np.array([[scale, 0, offset_x], [0, scale, offset_y]])
    return np.asarray(cv2.warpAffine(image, matrix, (TARGET_SIZE, TARGET_SIZE), flags=cv2.INTER_LINEAR))


def unused_name(folder: Path, name: str) -> str:
    """The name, or with `-2`, `-3`, ... the first under which there are no files in `folder`, for `open_view`."""
    present = {path.stem for path in folder.glob("*.*")}
    names = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
    return next(new for new in names if not present & {new, f"{new}_panels", f"{new}_strip"})


def open_view(
    tracker: BaseTracker,
    name: str,
    level: int,
    visdom_info: Mapping[str, Any] | None,
    folder: Path,
    *,
    ground_truth: Array | None = None,
    num_frames: int | None = None,
    fps: float = 30.0,
) -> LiveView:
    """A view with the viewers that `visdom_info` asks for.

    Keys of `visdom_info`, all optional: `use_visdom` (True), `server` ("127.0.0.1"), `port` (8097); `save_debug`
    (False) writes the panels to `folder`, `save_video` (False) the frames with their boxes. Where visdom is wanted and
    not there, one message says what to type, and the terminal gets a line for each frame.
    """
    info = dict(visdom_info or {})
    viewers: list[Viewer] = []
    if info.get("use_visdom", True):
        from pytracking.visualization.visdom_viewer import connect

        viewer = connect(info.get("server", "127.0.0.1"), info.get("port", 8097))
        viewers += [] if viewer is None else [viewer]
    if info.get("save_debug") or info.get("save_video"):
        from pytracking.visualization.file_viewers import PanelFiles, TrackingVideo

        if info.get("save_debug"):
            viewers.append(PanelFiles(folder, name, fps))
        if info.get("save_video"):
            viewers.append(TrackingVideo(folder / f"{name}.mp4", fps))
    if not viewers:
        viewers.append(TerminalViewer(name, num_frames))
    return LiveView(tracker, viewers, level, name, ground_truth=ground_truth, num_frames=num_frames)
