from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.backend_bases import KeyEvent

from ltr.common.errors import InputError
from pytracking.analysis import playback_results as playback
from pytracking.analysis.playback_results import GROUND_TRUTH, SPEEDS, Overlay, Player, playback_results
from pytracking.analysis.result_files import RawResults
from tests.pytracking.dummy import make_sequence

pytestmark = pytest.mark.filterwarnings("ignore::pytracking.scoring.rows.RowCountWarning")


@pytest.fixture
def stored(tmp_path):
    """Two trackers on a sequence of six frames; the second has boxes for four of them."""
    sequence = make_sequence(tmp_path / "data", "cat")
    trackers = []
    for place, rows in enumerate((6, 4)):
        folder = tmp_path / "results" / str(place)
        folder.mkdir(parents=True)
        boxes = sequence.ground_truth_rect + np.array([12 * place + 6, 10, 0, 0])
        np.savetxt(folder / "cat.txt", boxes[:rows], fmt="%.1f", delimiter="\t")
        trackers.append(RawResults(f"tracker {place}", folder))
    return trackers, sequence


def test_steps_by_hand():
    player = Player(3)
    player.press("left")
    assert player.index == 0
    for _ in range(5):
        player.press("right")
    assert player.index == 2
    assert not player.tick()  # nothing moves by itself
    player.press("left")
    assert player.index == 1
    player.press("x")
    assert (player.index, player.is_closed) == (1, False)


def test_plays_and_stops_at_the_end():
    player = Player(4)
    player.press(" ")
    shown = []
    while player.is_playing:
        assert player.tick()
        shown.append(player.index)
    assert shown == [1, 2, 3]
    player.press(" ")
    assert not player.tick()
    assert not player.is_playing


def test_speed_changes_while_playing():
    player = Player(100)
    player.press(" ")
    player.press("right")
    player.tick()
    assert (player.speed, player.index) == (2, 2)
    for _ in range(3):
        player.press("left")
    assert player.speed == -0.5
    player.tick()
    assert player.index == 1
    for _ in range(20):
        player.press("left")
    assert player.speed == SPEEDS[0]
    player.tick()
    assert player.index == 0
    assert not player.is_playing  # arrived at the start


@pytest.mark.parametrize("key", ["escape", "q"])
def test_closes(key):
    player = Player(3)
    player.press(key)
    assert player.is_closed


def test_overlay(stored):
    trackers, sequence = stored
    overlay = Overlay(trackers, sequence)
    assert len(overlay) == 6
    image = overlay.draw(1)
    assert image.shape == (36, 48, 3)
    x, y, w, h = sequence.ground_truth_rect[1].astype(int)
    assert tuple(image[y + h, x]) == GROUND_TRUTH
    assert (image[y + h + 10, x : x + w] == overlay.colors[0]).all(axis=1).any()  # where no text is
    assert tuple(image[y + h + 10, x + w + 18]) == overlay.colors[1]
    assert not (overlay.draw(4) == overlay.colors[1]).all(axis=2).any()  # its result is shorter
    assert (overlay.draw(1) == image).all()  # the stored frame is not drawn on


def test_video(stored, tmp_path):
    trackers, sequence = stored
    playback_results(trackers, sequence, output=tmp_path / "out" / "cat.mp4")
    video = cv2.VideoCapture(str(tmp_path / "out" / "cat.mp4"))
    frames = 0
    while video.read()[0]:
        frames += 1
    assert frames == 6
    playback_results(trackers[1], sequence, output=str(tmp_path / "single.mp4"))
    assert int(cv2.VideoCapture(str(tmp_path / "single.mp4")).get(cv2.CAP_PROP_FRAME_COUNT)) == 4


def test_missing_result(stored):
    trackers, _ = stored
    with pytest.raises(InputError, match="no result of sequence 'dog'"):
        playback_results(trackers, make_sequence(trackers[0].results_dir, "dog"))
    with pytest.raises(InputError, match="at least one tracker"):
        playback_results([], stored[1])


def test_without_display(stored, monkeypatch):
    monkeypatch.setattr(pyplot, "get_backend", lambda: "agg")
    with pytest.raises(InputError, match=r"cannot open a window.*\n.*output='playback.mp4'"):
        playback_results(*stored)


def test_window(stored, monkeypatch):
    """Keys pressed in the window, with matplotlib's file backend in the place of a window system."""
    seen = []

    def show(block):
        figure = pyplot.gcf()
        (shown,) = figure.axes[0].images
        for key in ("right", "right", "left", "q"):
            figure.canvas.callbacks.process("key_press_event", KeyEvent("key_press_event", figure.canvas, key))
            seen.append(np.asarray(shown.get_array()))

    fake = SimpleNamespace(figure=pyplot.figure, close=pyplot.close, show=show)
    monkeypatch.setattr(playback, "_interactive_pyplot", lambda: fake)
    playback_results(*stored)
    overlay = Overlay(*stored)
    for image, index in zip(seen, (1, 2, 1, 1), strict=True):
        np.testing.assert_array_equal(image, overlay.draw(index))
    assert pyplot.get_fignums() == []
