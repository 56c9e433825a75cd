"""The loop over a video: keys, targets, files, and what is asked of trackers."""

import itertools
import json
import threading
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from ltr.common.errors import InputError
from ltr.common.types import Image
from ltr.dataset.annotations import read_boxes
from pytracking.evaluation import Sequence, Tracker
from pytracking.evaluation.results import load_result
from pytracking.utils.drawing import LOST, SEARCH_AREA
from pytracking.video import run as video_run
from pytracking.video import screen as video_screen
from pytracking.video.run import Player, run_video
from pytracking.video.scene import Scene
from pytracking.video.sources import Frame, open_source
from pytracking.video.targets import Target, Targets
from tests.pytracking.dummy import DummyTracker, write_frames
from tests.pytracking.dummy.tracker.wander.wander import Wander
from tests.shared_data import shared_path

BOX = [4.0, 5.0, 10.0, 8.0]
OTHER = [20.0, 10.0, 8.0, 8.0]


class FakeScreen:
    """A person who presses keys and draws boxes in a fixed order; without keys left, the last frame is awaited."""

    def __init__(self, keys: str = "", boxes: tuple[list[Any] | None, ...] = ()) -> None:
        self.keys, self.boxes = iter(keys), iter(boxes)
        self.shown: list[Image] = []
        self.asked: list[int] = []
        self.problems: list[str] = []
        self.is_closed = False

    def show(self, scene: Scene) -> None:
        self.shown.append(scene.drawn())

    def key(self, milliseconds: int) -> str:
        return {">": "right", ".": ""}.get(key := next(self.keys, "."), key)

    def select_boxes(self, scene: Scene, problem: str) -> list[list[float]]:
        self.asked.append(scene.next_target)
        self.problems.append(problem)
        box = next(self.boxes)
        return [] if box is None else box if isinstance(box[0], list) else [box]

    def close(self, ending: str) -> None:
        self.is_closed = True


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Eight images."""
    write_frames(tmp_path / "walk", 8)
    return tmp_path / "walk"


@pytest.fixture
def tracked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Brightness of every frame that a tracker is given, the first ones not included."""
    seen: list[int] = []
    original = Wander.track

    def track(self: Wander, image: Image, info: dict[str, Any] | None = None) -> dict[str, Any]:
        seen.append(int(image[0, 0, 0]))
        return original(self, image, info)

    monkeypatch.setattr(Wander, "track", track)
    return seen


@pytest.fixture
def setup(tmp_path: Path) -> Tracker:
    return DummyTracker("wander", "default", results_path=tmp_path / "results", device="cpu")


def watch(
    monkeypatch: pytest.MonkeyPatch, setup: Tracker, source: Path, screen: FakeScreen, **options: Any
) -> list[list[int]]:
    """Numbers of the targets of each frame."""
    monkeypatch.setattr(video_run, "open_screen", lambda title: screen)
    monkeypatch.setattr(video_run, "display_problem", lambda: "")
    present: list[list[int]] = []
    run_video(setup, source, on_frame=lambda _, targets: present.append([t.number for t in targets]), **options)
    assert screen.is_closed
    return present


def test_a_box_is_drawn_and_followed(monkeypatch, setup, folder, tracked):
    screen = FakeScreen(boxes=(BOX,))
    assert watch(monkeypatch, setup, folder, screen) == [[1]] * 8
    assert len(tracked) == 7
    assert screen.asked == [1]
    assert len(screen.shown) == 8


def test_no_box_ends_it(monkeypatch, setup, folder, tracked):
    assert watch(monkeypatch, setup, folder, FakeScreen(boxes=(None,))) == [[]]
    assert tracked == []


def test_a_box_that_cannot_be_tracked_is_asked_for_again(monkeypatch, folder, tmp_path):
    setup = Tracker("dimp", "dimp_lite", results_path=tmp_path, device="cpu")
    screen = FakeScreen("q", boxes=([100.0, 100.0, 5.0, 5.0], [4.0, 5.0, 20.0, 20.0]))
    assert watch(monkeypatch, setup, folder, screen) == [[1]]
    assert screen.problems[0] == ""
    assert screen.problems[1].startswith("target 1: expected an initial box that meets the image")


def test_of_several_boxes_only_those_that_cannot_be_tracked_are_asked_for_again(monkeypatch, folder, tmp_path):
    setup = Tracker("dimp", "dimp_lite", results_path=tmp_path, device="cpu")
    several = [[4.0, 5.0, 20.0, 20.0], [100.0, 100.0, 5.0, 5.0], [9.0, 5.0, 20.0, 20.0]]
    screen = FakeScreen("q", boxes=(several, None))
    assert watch(monkeypatch, setup, folder, screen) == [[1, 2]]
    assert screen.asked == [1, 3]
    assert screen.problems[1].startswith("target 2: expected an initial box that meets the image")


def test_a_paused_frame_is_not_tracked_again(monkeypatch, setup, folder, tracked):
    screen = FakeScreen(" ......>...s.. ", boxes=(BOX,))
    assert len(watch(monkeypatch, setup, folder, screen)) == 8
    assert len(tracked) == len(set(tracked)) == 7
    assert len(screen.shown) == 15 + 8 - 3  # once for each key, and for each frame that came without one


def test_new_target_reset_and_quit(monkeypatch, setup, folder):
    screen = FakeScreen(".n.r.q", boxes=(BOX, OTHER, BOX))
    # A target is there from the frame in which it was drawn on, and numbers are not used again.
    assert watch(monkeypatch, setup, folder, screen) == [[1], [1, 2], [1, 2], [3], [3], [3]]


def test_reset_without_a_new_box_goes_on(monkeypatch, setup, folder):
    screen = FakeScreen("r.n", boxes=(BOX, None, OTHER))
    assert watch(monkeypatch, setup, folder, screen) == [[], [], [2], [2], [2], [2], [2], [2]]


def test_closed_window_ends_it(monkeypatch, setup, folder):
    screen = FakeScreen(boxes=(BOX,))
    screen.key = lambda milliseconds: "quit"
    assert watch(monkeypatch, setup, folder, screen) == [[1]]


def test_paused_state_is_shown(monkeypatch, setup, tmp_path):
    cv2.imwrite(str(tmp_path / "1.png"), np.full((100, 300, 3), 60, np.uint8))
    screen = FakeScreen(" ..q", boxes=(BOX,))
    watch(monkeypatch, setup, tmp_path, screen)
    assert (screen.shown[0] != screen.shown[1]).any()


def test_files_of_several_targets(setup, folder):
    first = run_video(setup, folder, [BOX, OTHER], display=False, save_results=True, save_video=True)
    assert (first.num_frames, first.num_tracked) == (8, 16)
    assert "16 " not in first.describe()
    results = setup.results_dir
    assert first.files == [results / "video_walk.mp4", results / "video_walk_1.txt", results / "video_walk_2.txt"]
    names = {path.name for path in results.iterdir()}
    sides = ("", "_time", "_object_presence_scores", "_flags")
    expected = {f"video_walk_{number}{side}.txt" for number in (1, 2) for side in sides}
    records = {"run.json", "video_walk_run.json", "video_walk_1_info.json", "video_walk_2_info.json"}
    assert names == expected | records | {"video_walk.mp4"}
    record = json.loads((results / "video_walk_2_info.json").read_text())
    assert (record["frames"], record["first_frame"], record["frames_dropped"]) == (8, 1, 0)


def test_boxes_equal_those_of_the_same_frames_as_a_sequence(setup, folder):
    run_video(setup, folder, [BOX], display=False, save_results=True)
    frames = sorted(folder.iterdir())
    output = setup.run_sequence(Sequence("video_walk_1", frames, "folder", np.tile(BOX, (8, 1))))
    result = load_result(setup.results_dir, "video_walk_1")
    np.testing.assert_allclose(result.boxes, output["target_bbox"], atol=5e-5)  # files have four decimals
    np.testing.assert_allclose(result.scores, output["object_presence_score"], atol=5e-7)
    assert result.flags == output["flag"]
    assert len(result.time) == 8


def test_rows_without_a_target_are_nan(monkeypatch, setup, folder):
    screen = FakeScreen(".n.r", boxes=(BOX, OTHER, None))
    watch(monkeypatch, setup, folder, screen, save_results=True)
    one, two = (read_boxes(setup.results_dir / f"video_walk_{n}.txt", absent=True) for n in (1, 2))
    assert np.isfinite(one).all(axis=1).tolist() == [True, True, True, False, False, False, False, False]
    assert np.isfinite(two).all(axis=1).tolist() == [False, True, True, False, False, False, False, False]
    np.testing.assert_array_equal(two[1], OTHER)


def read_video(path: Path) -> list[Image]:
    source = open_source(path)
    frames = []
    while (frame := source.read()) is not None:
        frames.append(frame.image)
    source.close()
    return frames


def test_saved_video_has_every_frame_and_its_size(setup, folder, tmp_path):
    summary = run_video(setup, folder, [BOX], display=False, save_video=tmp_path / "made" / "out.mp4")
    assert summary.files == [tmp_path / "made" / "out.mp4"]
    frames = read_video(tmp_path / "made" / "out.mp4")
    assert [frame.shape for frame in frames] == [(36, 48, 3)] * 8


def test_what_was_tracked_before_a_failure_is_kept(setup, folder):
    cv2.imwrite(str(folder / "0005.jpg"), np.zeros((36, 48, 3), np.uint8))
    with pytest.raises(RuntimeError, match="too dark"):
        run_video(setup, folder, [BOX], display=False, save_results=True, save_video=True)
    assert len(load_result(setup.results_dir, "video_walk_1").boxes) == 4
    assert len(read_video(setup.results_dir / "video_walk.mp4")) == 4
    assert not [path for path in setup.results_dir.iterdir() if path.name.startswith(".")]


def test_ctrl_c_ends_it_and_loses_nothing(setup, folder):
    def interrupt(number: int, targets: Any) -> None:
        if number == 3:
            raise KeyboardInterrupt

    summary = run_video(setup, folder, [BOX], display=False, save_results=True, on_frame=interrupt)
    assert summary.num_frames == 3
    assert len(load_result(setup.results_dir, "video_walk_1").boxes) == 3


def test_results_of_other_parameters_are_not_mixed(setup, folder):
    run_video(setup, folder, [BOX], display=False, save_results=True)
    other = DummyTracker("wander", "default", results_path=setup.results_path, device="cpu", seed=5)
    with pytest.raises(InputError, match="made with other parameters"):
        run_video(other, folder, [BOX], display=False, save_results=True)


def test_lost_target_is_shown(setup, folder):
    targets = Targets(setup, "video_walk")
    image = np.zeros((120, 160, 3), np.uint8)
    target = targets.add(image, [60, 60, 40, 30])
    found = drawn(image, target)
    target.output = {"target_bbox": [60, 60, 40, 30], "flag": "not_found", "object_presence_score": 0.1}
    lost = drawn(image, target)
    assert tuple(found[90, 80]) != LOST
    assert tuple(lost[90, 80]) == LOST
    target.output |= {"search": "searching", "search_tiles": [[100, 5, 50, 40]]}
    searching = drawn(image, target)
    assert tuple(searching[45, 125]) == SEARCH_AREA
    assert tuple(lost[45, 125]) == (0, 0, 0)
    target.output = {"target_bbox": [-1.0] * 4, "flag": "not_found"}
    drawn(image, target)
    target.output = {"target_bbox": [np.nan] * 4}
    drawn(image, target)


def drawn(image: Image, target: Target) -> Image:
    return Scene(image, (target,), "walk", 1, None).drawn()


def test_file_that_ends_early_is_told(setup, folder, monkeypatch):
    source = open_source(folder)
    source.num_frames = 100
    monkeypatch.setattr(video_run, "open_source", lambda _: source)
    summary = run_video(setup, folder, [BOX], display=False)
    assert "walk ended after 8 of about 100 frames: it is cut off or damaged" in summary.describe()


@pytest.mark.parametrize(
    ("boxes", "display", "message"),
    [
        ([], True, "cannot open a window: there is no display here .*\n  give boxes by --optional_box"),
        ([], False, "nothing says what to track: give boxes by --optional_box"),
        ([[1, 1, 0, 5]], False, "target 1: expected an initial box"),
    ],
)
def test_without_a_screen(monkeypatch, tmp_path, folder, boxes, display, message):
    monkeypatch.setattr(video_screen.sys, "platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(InputError, match=message):
        run_video(Tracker("dimp", "dimp_lite", results_path=tmp_path, device="cpu"), folder, boxes, display=display)


def test_without_a_screen_boxes_are_enough(monkeypatch, setup, folder, capsys):
    monkeypatch.setattr(video_run, "display_problem", lambda: "there is no display here")
    assert run_video(setup, folder, [BOX]).num_frames == 8
    assert capsys.readouterr().err == "no window: there is no display here\n"


def test_a_display_that_does_not_work_does_not_end_the_process(monkeypatch):
    monkeypatch.setattr(video_screen.sys, "platform", "linux")
    monkeypatch.setenv("DISPLAY", ":4242")
    assert "cannot use the display :4242" in video_screen.display_problem()


class Endless:
    """A camera that never ends, of which every second frame is dropped."""

    name, fps, num_frames = "endless", 30.0, None

    def __init__(self) -> None:
        self.numbers: Iterator[int] = itertools.count()
        self.is_closed = False

    def read(self) -> Frame | None:
        return Frame(np.full((36, 48, 3), 60 + next(self.numbers) % 100, np.uint8), num_dropped=1)

    def close(self) -> None:
        self.is_closed = True


def test_memory_stays_flat_on_an_endless_stream(setup, monkeypatch):
    monkeypatch.setattr(video_run, "open_source", lambda _: Endless())
    sizes: list[int] = []

    def on_frame(number: int, _: Any) -> None:
        if number in (400, 1600):
            sizes.append(tracemalloc.get_traced_memory()[0])

    tracemalloc.start()
    try:
        summary = run_video(
            setup, 0, [BOX, OTHER], display=False, save_results=True, max_frames=1600, on_frame=on_frame
        )
    finally:
        tracemalloc.stop()
    assert (summary.num_frames, summary.num_dropped) == (1600, 1600)
    assert sizes[1] - sizes[0] < 200_000  # text not yet written; lists of the boxes would be more than 600 kB
    assert len(load_result(setup.results_dir, "video_endless_2").boxes) == 1600


def test_saved_video_of_a_camera_keeps_its_time(setup, monkeypatch):
    monkeypatch.setattr(video_run, "open_source", lambda _: Endless())
    run_video(setup, 0, [BOX], display=False, save_video=True, max_frames=5)
    assert len(read_video(setup.results_dir / "video_endless.mp4")) == 10


def test_debug_shows_the_first_target(setup, folder, capsys):
    info = {"use_visdom": False}
    run_video(setup, folder, [BOX, OTHER], display=False, debug=1, visdom_info=info, max_frames=3)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == [f"video_walk_1 frame {n}/8" for n in (1, 2, 3)]


def test_debug_files(setup, folder):
    info = {"use_visdom": False, "save_debug": True}
    for length in (3, 2):  # the second run leaves the files of the first alone
        run_video(setup, folder, [BOX], display=False, debug=3, visdom_info=info, max_frames=length)
    debug = setup.results_dir / "debug"
    assert len(read_video(debug / "video_walk_1_panels.mp4")) == 3
    assert len(read_video(debug / "video_walk_1-2_panels.mp4")) == 2
    assert len(list(debug.iterdir())) == 4


def test_run_video_generic_takes_what_pytracking_takes(setup, folder):
    summary = setup.run_video_generic(
        debug=None, visdom_info=None, videofilepath=str(folder), optional_box=BOX, save_results=True, display=False
    )
    assert summary.num_frames == 8
    assert setup.run_video_generic(videofilepath=folder, optional_box=[BOX, OTHER], display=False).num_tracked == 16
    with pytest.raises(InputError, match="cannot read camera 0"):
        setup.run_video_generic(optional_box=BOX, display=False)


def test_player_can_be_driven_by_a_thread(setup):
    source = Endless()
    player = Player(setup, source, None)
    thread = threading.Thread(target=player.play, args=([BOX], 20))
    thread.start()
    thread.join(30)
    assert player.summary.num_frames == 20


@pytest.mark.parametrize("kind", ["mp4", "mpg"])
def test_real_video_equals_its_frames_as_a_sequence(tmp_path, kind):
    """The lite tracker on the first frames of a real video; PNG files keep them bit for bit."""
    count = 6
    path, box = shared_path("data", "videos", "cup.mp4"), [130.0, 130.0, 90.0, 110.0]
    if kind == "mpg":
        path, box = shared_path("data", "TLD", "06_car", "car.mpg"), [142.0, 125.0, 90.0, 39.0]
    setup = Tracker("dimp", "rls_dimp_lite", results_path=tmp_path, device="cpu")
    name = f"video_{path.stem}_1"
    run_video(setup, path, [box], display=False, save_results=True, save_video=True, max_frames=count)
    capture = cv2.VideoCapture(str(path))
    frames = [tmp_path / f"{number}.png" for number in range(count)]
    for frame in frames:
        cv2.imwrite(str(frame), capture.read()[1])
    output = setup.run_sequence(Sequence(name, frames, "video", np.tile(box, (count, 1))))
    result = load_result(setup.results_dir, name)
    np.testing.assert_allclose(result.boxes, output["target_bbox"], atol=5e-5)
    np.testing.assert_allclose(result.scores, output["object_presence_score"], atol=5e-7)
    shape = cv2.imread(str(frames[0])).shape  # type: ignore[union-attr]
    assert [frame.shape for frame in read_video(setup.results_dir / f"video_{path.stem}.mp4")] == [shape] * count
