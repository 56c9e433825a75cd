"""What viewers are given, and what the files show."""

from collections.abc import Mapping
from collections.abc import Sequence as SequenceOf
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ltr.common.types import Image
from pytracking.tracker.base import BaseTracker
from pytracking.utils.drawing import GROUND_TRUTH, LOST, TRACKED
from pytracking.utils.params import TypedParams
from pytracking.visualization import live_view
from pytracking.visualization.file_viewers import COLUMNS, STRIP_FRAMES, EvenSamples, PanelFiles, TrackingVideo
from pytracking.visualization.live_view import LiveView, describe_output, open_view, target_patch
from pytracking.visualization.panels import Content, Curves, Heatmap, Panel, Plot, Status
from pytracking.visualization.rendering import TILE
from pytracking.visualization.viewer import TerminalViewer

IMAGE: Image = np.full((40, 60, 3), 100, np.uint8)
OUTPUT: dict[str, Any] = {"target_bbox": [10.0, 8.0, 20.0, 16.0], "object_presence_score": 0.5, "flag": "normal"}


class Announcer(BaseTracker):
    """Has a panel of each level, and counts how often each is read."""

    def __init__(self) -> None:
        super().__init__(TypedParams())
        self.reads = {"Map": 0, "Loss": 0}

    def panels(self) -> list[Panel]:
        return [Panel("Map", 2, self._map), Panel("Loss", 3, self._loss)]

    def search_area(self) -> list[float]:
        return [2.0, 2.0, 50.0, 30.0]

    def _map(self) -> Heatmap:
        self.reads["Map"] += 1
        return Heatmap(np.eye(3))

    def _loss(self) -> Curves | None:
        self.reads["Loss"] += 1
        return None if self.reads["Loss"] == 2 else Curves({"loss": [3.0, 2.0]})


class Collector:
    """Keeps what it is shown."""

    def __init__(self, hidden: tuple[str, ...] = ()) -> None:
        self.hidden = hidden
        self.names: list[str] = []
        self.frames: list[dict[str, Content]] = []
        self.is_closed = False

    def open(self, panels: SequenceOf[Panel]) -> None:
        assert not self.names
        self.names = [panel.name for panel in panels]

    def extend(self, panels: SequenceOf[Panel]) -> None:
        self.names = [panel.name for panel in panels]

    def wants(self, panel: str) -> bool:
        return panel not in self.hidden

    def show(self, contents: Mapping[str, Content]) -> None:
        self.frames.append(dict(contents))

    def wait(self) -> None:
        pass

    def close(self) -> None:
        self.is_closed = True


def show(viewers: SequenceOf[Any], level: int, count: int, tracker: BaseTracker | None = None, **options: Any) -> None:
    view = LiveView(tracker or Announcer(), viewers, level, "video", **options)
    for number in range(1, count + 1):
        view.frame(number, IMAGE, OUTPUT)
    view.close()


@pytest.mark.parametrize(
    ("level", "names"),
    [
        (1, ["Tracking", "Status"]),
        (2, ["Tracking", "Status", "First and Current Target", "Map"]),
        (3, ["Tracking", "Status", "First and Current Target", "Map", "Loss"]),
    ],
)
def test_levels(level: int, names: list[str]) -> None:
    viewer = Collector()
    show([viewer], level, 1)
    assert viewer.names == names
    assert set(viewer.frames[0]) == set(names)
    assert viewer.is_closed


def test_what_nobody_wants_is_not_read() -> None:
    tracker, blind, other = Announcer(), Collector(("Map", "Loss")), Collector(("Loss",))
    show([blind, other], 3, 2, tracker)
    assert tracker.reads == {"Map": 2, "Loss": 0}
    assert "Map" not in blind.frames[0]
    assert "Map" in other.frames[0]


def test_curves_are_appended_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_view, "HISTORY", 5)
    viewer = Collector()
    show([viewer], 3, 5)
    assert "Loss" not in viewer.frames[1]  # nothing new in the second frame
    plot = viewer.frames[2]["Loss"]
    assert isinstance(plot, Plot)
    np.testing.assert_allclose(plot.frames, [1, 1.5, 3, 3.5])
    np.testing.assert_allclose(plot.values, [[3], [2], [3], [2]])
    assert len(viewer.frames[4]["Loss"].frames) == 5  # type: ignore[union-attr]


def test_tracking_shows_box_ground_truth_and_search_area() -> None:
    viewer = Collector()
    truth = np.array([[30.0, 20.0, 10.0, 10.0]])
    show([viewer], 1, 2, ground_truth=truth, num_frames=2)
    first, second = (frame["Tracking"].image for frame in viewer.frames)  # type: ignore[union-attr]
    assert tuple(first[24, 30]) == TRACKED
    assert tuple(first[30, 35]) == GROUND_TRUTH
    assert tuple(first[32, 20]) == live_view.SEARCH_AREA
    assert tuple(second[30, 35]) == (100, 100, 100)  # its ground truth is not known
    assert IMAGE.min() == IMAGE.max()  # the tracker's image is not drawn into


def test_lost_target_is_shown_as_such() -> None:
    viewer = Collector()
    view = LiveView(Announcer(), [viewer], 1, "video")
    view.frame(1, IMAGE, {**OUTPUT, "flag": "not_found"})
    assert tuple(viewer.frames[0]["Tracking"].image[24, 30]) == LOST  # type: ignore[union-attr]
    assert describe_output({"flag": "not_found", "object_presence_score": 0.0}) == "target lost 0.00"
    assert describe_output({}) == ""


def test_search_for_a_lost_target_is_shown_with_its_tiles() -> None:
    viewer = Collector()
    view = LiveView(Announcer(), [viewer], 1, "video")
    output = {**OUTPUT, "flag": "not_found", "search": "searching", "search_tiles": [[20.0, 25.0, 30.0, 12.0]]}
    view.frame(1, IMAGE, output)
    image = viewer.frames[0]["Tracking"].image  # type: ignore[union-attr]
    assert tuple(image[37, 40]) == live_view.SEARCH_AREA
    assert tuple(image[32, 10]) == live_view.SEARCH_AREA
    status = viewer.frames[0]["Status"]
    assert isinstance(status, Status)
    assert status.values["search"] == "searching"
    assert describe_output(output) == "searching 0.50"


def test_tracker_without_scores_and_boxes_out_of_the_image() -> None:
    viewer = Collector()
    view = LiveView(BaseTracker(TypedParams()), [viewer], 3, "video")
    for box in ([np.nan] * 4, [-500.0, 8.0, 20.0, 16.0], [-1.0] * 4):
        view.frame(1, IMAGE, {"target_bbox": box})
    assert isinstance(viewer.frames[0]["Status"], Status)
    assert set(viewer.frames[0]["Status"].values) == {"frame", "box"}


def test_target_patch_holds_the_target_in_its_middle() -> None:
    image = np.zeros((100, 200, 3), np.uint8)
    image[30:50, 120:160] = 255
    patch = target_patch(image, [120, 30, 40, 20])
    rows, columns = np.nonzero(patch[..., 0] > 128)
    assert abs(rows.mean() - 79.5) < 2
    assert abs(columns.mean() - 79.5) < 2
    assert abs(np.ptp(columns) - 160 / 1.5) < 4


def read_video(path: Path) -> list[Image]:
    capture = cv2.VideoCapture(str(path))
    frames = []
    while (read := capture.read())[0]:
        frames.append(cv2.cvtColor(read[1], cv2.COLOR_BGR2RGB))
    return frames


def test_files_hold_every_frame(tmp_path: Path) -> None:
    viewers = [PanelFiles(tmp_path, "v", 25), TrackingVideo(tmp_path / "v.mp4", 25)]
    show(viewers, 3, 20)
    panels, tracking = read_video(tmp_path / "v_panels.mp4"), read_video(tmp_path / "v.mp4")
    assert [len(panels), len(tracking)] == [20, 20]
    assert panels[0].shape == (2 * TILE[1], COLUMNS * TILE[0], 3)
    assert tracking[0].shape == IMAGE.shape
    strip = cv2.imread(str(tmp_path / "v_strip.png"))
    assert strip is not None
    assert strip.shape == (5 * TILE[1], STRIP_FRAMES * TILE[0], 3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["v.mp4", "v_panels.mp4", "v_strip.png"]


def test_files_are_there_after_a_failure(tmp_path: Path) -> None:
    view = open_view(
        Announcer(), "v", 3, {"use_visdom": False, "save_debug": True, "save_video": True}, tmp_path / "made"
    )
    view.frame(1, IMAGE, OUTPUT)
    view.close()
    view.close()
    assert len(read_video(tmp_path / "made" / "v_panels.mp4")) == 1
    open_view(Announcer(), "unused", 3, {"use_visdom": False, "save_debug": True}, tmp_path).close()
    assert [path.name for path in tmp_path.iterdir()] == ["made"]


@given(st.integers(0, 300), st.integers(2, 9))
def test_even_samples(length: int, count: int) -> None:
    samples = EvenSamples(count)
    items: list[Any] = [[np.array(number)] for number in range(length)]
    for item in items:
        samples.add(item)
        assert len(samples._kept) <= 2 * count
    chosen = [int(item[0]) for item in samples.chosen()]
    assert len(chosen) == min(length, len(chosen)) <= count
    if length:
        assert chosen[0] == 0
        assert chosen[-1] == length - 1
    if length > count:
        assert np.diff(chosen).max() <= 3 * length / (count - 1)


def test_terminal_viewer(capsys: pytest.CaptureFixture[str]) -> None:
    show([TerminalViewer("cat", 2)], 1, 2)
    assert capsys.readouterr().out == "cat frame 1/2: score 0.500 normal\ncat frame 2/2: score 0.500 normal\n"
