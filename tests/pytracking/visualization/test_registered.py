"""Panels of trackers that register what is to be shown."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from ltr.common.errors import InputError
from pytracking.tracker.base import BaseTracker
from pytracking.utils.drawing import TRACKED
from pytracking.utils.params import TypedParams
from pytracking.visualization.file_viewers import PanelFiles, TrackingVideo
from pytracking.visualization.live_view import LiveView
from pytracking.visualization.panels import Heatmap, Picture, Plot, Status, Text
from pytracking.visualization.registered import RegisteredPanels
from pytracking.visualization.rendering import TILE
from pytracking.visualization.viewer import TerminalViewer
from tests.pytracking.visualization.test_live_view import IMAGE, OUTPUT, Collector, read_video


def content(data: Any, mode: str) -> Any:
    panels = RegisteredPanels(1)
    panels.register(data, mode, 1, "Panel")
    return panels.take()["Panel"]


def test_each_mode_has_its_content() -> None:
    scores = torch.arange(6.0).view(1, 1, 2, 3)
    heatmap = content(scores, "heatmap")
    assert isinstance(heatmap, Heatmap)
    np.testing.assert_array_equal(heatmap.values, [[0, 1, 2], [3, 4, 5]])
    picture = content(torch.full((1, 3, 2, 4), 300.0), "image")
    assert isinstance(picture, Picture)
    np.testing.assert_array_equal(picture.image, np.full((2, 4, 3), 255, np.uint8))
    assert content(torch.tensor([[[7.0]]]), "image").image.tolist() == [[[7, 7, 7]]]
    plot = content(torch.tensor([3.0, 2.0]), "lineplot")
    assert isinstance(plot, Plot)
    assert (plot.frames.tolist(), plot.values.tolist()) == ([0, 1], [[3], [2]])
    assert content((torch.tensor([3.0, 2.0]), torch.tensor([5.0, 9.0])), "lineplot").frames.tolist() == [5, 9]
    assert content("a<br>b\nc", "text") == Text(("a", "b", "c"))
    tracking = content((IMAGE, [10.0, 8.0, 20.0, 16.0], None, np.zeros(IMAGE.shape[:2])), "Tracking").image
    assert tuple(tracking[8, 15]) == TRACKED
    assert IMAGE.min() == IMAGE.max()


def test_values_of_a_status_are_added_to_those_before() -> None:
    panels = RegisteredPanels(1)
    panels.register({"max_score": torch.tensor(0.5), "flag": "normal"}, "info_dict", 1, "Status")
    panels.register({"flag": "lost"}, "info_dict", 1, "Status")
    assert panels.take() == {"Status": Status({"max score": 0.5, "flag": "lost"})}
    assert panels.take() == {}


def test_levels_and_modes() -> None:
    panels = RegisteredPanels(1)
    panels.register(torch.ones(2, 2), "heatmap", 2, "Score Map")
    assert panels.take() == {}
    with pytest.warns(UserWarning, match="'Features': there is no view of the mode 'featmap'"):
        panels.register(torch.ones(2, 2), "featmap", 1, "Features")
    with pytest.raises(InputError, match="unknown mode of a panel 'heatmaps'; did you mean 'heatmap'"):
        panels.register(torch.ones(2, 2), "heatmaps", 1, "Score Map")


class Registering(BaseTracker):
    """Registers a score map from the second frame on, as pytracking's trackers do."""

    def __init__(self) -> None:
        super().__init__(TypedParams())

    def look(self, number: int) -> None:
        if self.visdom is not None and number > 1:
            self.visdom.register(torch.full((3, 3), float(number)), "heatmap", 2, "Score Map")


def show(tracker: Registering, viewer: Any, count: int, level: int) -> None:
    view = LiveView(tracker, [viewer], level, "video")
    for number in range(1, count + 1):
        tracker.look(number)
        view.frame(number, IMAGE, OUTPUT)
    view.close()


@pytest.mark.parametrize("level", [1, 2])
def test_viewers_are_told_of_panels_when_they_come(level: int) -> None:
    viewer, tracker = Collector(), Registering()
    show(tracker, viewer, 3, level)
    shown = [frame["Score Map"].values[0, 0] for frame in viewer.frames if "Score Map" in frame]  # type: ignore[union-attr]
    assert shown == ([] if level == 1 else [2, 3])
    assert ("Score Map" in viewer.names) == (level == 2)
    assert tracker.visdom is None  # nobody looks any more


def test_hidden_panels_are_not_shown() -> None:
    viewer = Collector(("Score Map",))
    show(Registering(), viewer, 3, 2)
    assert all("Score Map" not in frame for frame in viewer.frames)


def test_files_have_room_for_what_the_second_frame_brings(tmp_path: Path) -> None:
    show(Registering(), PanelFiles(tmp_path, "v", 25), 4, 2)
    frames = read_video(tmp_path / "v_panels.mp4")
    assert len(frames) == 4
    assert frames[0].shape == (2 * TILE[1], 3 * TILE[0], 3)  # four panels in three columns
    strip = cv2.imread(str(tmp_path / "v_strip.png"))
    assert strip is not None
    assert strip.shape[:2] == (4 * TILE[1], 4 * TILE[0])


def test_panels_that_come_later_still(tmp_path: Path) -> None:
    class Late(Registering):
        def look(self, number: int) -> None:
            super().look(number - 2)

    show(Late(), PanelFiles(tmp_path, "v", 25), 5, 2)
    assert len(read_video(tmp_path / "v_panels.mp4")) == 5
    strip = cv2.imread(str(tmp_path / "v_strip.png"))
    assert strip is not None
    assert strip.shape[:2] == (4 * TILE[1], 5 * TILE[0])


class Named(Registering):
    """Uses the titles of the panels that are always there, as pytracking's DiMP does."""

    def look(self, number: int) -> None:
        self.visdom.register({"frame_num": number, "score": 0.75}, "info_dict", 1, "Status")
        self.visdom.register((IMAGE // 2, [1.0, 1.0, 5.0, 5.0]), "Tracking", 1, "Tracking")
        self.visdom.register("a text", "text", 1, "Status")


def test_titles_of_panels_that_are_always_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    viewer = Collector()
    show(Named(), viewer, 1, 1)
    status, tracking = viewer.frames[0]["Status"], viewer.frames[0]["Tracking"]
    assert isinstance(status, Status)
    assert {"frame": 1, "flag": "normal", "frame num": 1, "score": 0.75}.items() <= status.values.items()
    assert viewer.frames[0]["Status of the tracker"] == Text(("a text",))
    assert isinstance(tracking, Picture)
    assert tracking.image[30, 50].tolist() == (IMAGE[30, 50] // 2).tolist()
    show(Named(), TerminalViewer("cat"), 1, 1)
    assert capsys.readouterr().out == "cat frame 1: score 0.750 normal\n"
    show(Named(), TrackingVideo(tmp_path / "v.mp4", 25), 2, 1)
    assert len(read_video(tmp_path / "v.mp4")) == 2
