"""The page in a real browser: targets are drawn, tracked, paused and drawn anew, over connections that break."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from pytracking import run_video
from pytracking.evaluation import Tracker
from tests.chromium import Chromium
from tests.pytracking.dummy import DummyTracker, write_frames
from tests.pytracking.video.browser.runs import PATIENCE, Forward, Run, wait_until

ROOT = Path(__file__).resolve().parents[4]
LENGTH = 3000  # frames, more than any test looks at


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with Chromium(tmp_path_factory.mktemp("browser") / "profile") as chromium:
        yield chromium


@pytest.fixture
def page(browser: Chromium) -> Iterator[Chromium]:
    """A fresh page, which must not complain, nor ask anything of anybody but the run."""
    browser.open("about:blank")
    browser.events.clear()
    yield browser
    assert not [text for text in browser.problems() if not re.match(r"request: http://127\.0\.0\.1:\d+/", text)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("video") / "walk"
    write_frames(folder, LENGTH)
    return folder


@pytest.fixture
def setup(tmp_path: Path) -> Tracker:
    return DummyTracker("wander", "default", results_path=tmp_path / "results", device="cpu")


def write_pictures(folder: Path, width: int, height: int, count: int = 12) -> Path:
    """A disc that moves to the right before a pattern."""
    folder.mkdir()
    pattern = np.random.default_rng(0).integers(40, 200, (9, 16, 3), dtype=np.uint8)
    background = cv2.resize(pattern, (width, height), interpolation=cv2.INTER_CUBIC)
    for number in range(count):
        image = background.copy()
        cv2.circle(image, (width // 4 + number * width // 100, height // 2), height // 8, (40, 60, 240), -1)
        cv2.imwrite(str(folder / f"{number}.jpg"), image)
    return folder


def phase(page: Chromium, name: str) -> None:
    page.wait_for(f"document.documentElement.dataset.phase === '{name}'")


def frame(page: Chromium) -> int:
    return int(page.evaluate("document.documentElement.dataset.frame"))


def drag(page: Chromium, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Drag over the frame, from and to shares of its width and height."""
    points = [page.point("#stage", *share) for share in (start, ((start[0] + end[0]) / 2, start[1]), end)]
    kinds = ("mousePressed", "mouseMoved", "mouseReleased")
    for kind, (x, y) in zip(kinds, points, strict=True):
        page.command("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1, clickCount=1)


def boxes(page: Chromium) -> list[list[float]]:
    """The boxes that are drawn, as the page shows them in numbers."""
    values = page.evaluate("Array.from(document.querySelectorAll('#drawn input'), (node) => Number(node.value))")
    return [values[start : start + 4] for start in range(0, len(values), 4)]


def shown_size(page: Chromium) -> list[int]:
    return page.evaluate("[document.getElementById('picture').width, document.getElementById('picture').height]")


def test_draw_track_pause_draw_anew_stop(page, folder, setup, monkeypatch):
    with Run(monkeypatch, setup, folder, save_results=True) as run:
        page.open(run.address)
        phase(page, "drawing")
        assert page.evaluate("document.getElementById('start').disabled")
        assert page.evaluate("document.getElementById('give-up').hidden")  # without targets there is nothing to track
        drag(page, (0.25, 0.25), (0.5, 0.5))
        drag(page, (0.75, 0.75), (0.5, 1.2))  # to the left, and beyond the edge
        assert boxes(page) == [[12, 9, 12, 9], [24, 27, 12, 9]]
        assert "--optional_box 12 9 12 9" in page.evaluate("document.getElementById('command').textContent")
        page.click("#start")
        phase(page, "tracking")
        wait_until(lambda: frame(page) > 3)
        assert page.evaluate("document.querySelectorAll('#overlay rect.target').length") == 2
        assert re.fullmatch(r"1: normal \d\.\d\d", page.evaluate("document.querySelector('#overlay text').textContent"))
        assert run.boxes[1][0] == [12, 9, 12, 9]
        assert run.boxes[2][0] == [24, 27, 12, 9]

        page.click("#pause")
        phase(page, "paused")
        paused, tracked = frame(page), len(run.numbers)
        page.click("#step")
        page.wait_for(f"document.documentElement.dataset.frame === '{paused + 1}'")
        assert len(run.numbers) <= tracked + 1

        page.key("n", 78)
        phase(page, "drawing")
        assert frame(page) == paused + 1
        assert page.evaluate("document.getElementById('typed').hidden")  # not a box of the first frame
        page.click("#give-up")
        phase(page, "paused")

        page.key("r", 82)
        phase(page, "drawing")
        assert page.evaluate("document.querySelectorAll('#overlay rect.target').length") == 0
        drag(page, (0.005, 0.005), (0.5, 0.5))
        page.key("Enter", 13)
        phase(page, "paused")
        page.key(" ", 32)
        page.wait_for(f"document.documentElement.dataset.frame > {paused + 3}")
        assert run.boxes[3][0] == [0, 0, 24, 18]

        page.key("q", 81)
        phase(page, "ended")
        summary = run.join()
        assert summary.num_frames < LENGTH
        ending = page.evaluate("document.getElementById('ending').textContent")
        assert ending == summary.describe()
        assert len(summary.files) == 3
        page.wait_for("document.getElementById('connection').className === 'ended'")


def test_the_command_line_writes_what_it_writes_for_typed_boxes(page, tmp_path):
    source = write_pictures(tmp_path / "walk", 161, 121)
    drawn, typed = tmp_path / "drawn", tmp_path / "typed"
    command = [sys.executable, str(ROOT / "pytracking" / "run_video.py"), str(source), "--draw_in_browser"]
    options = ["--browser_port", "0", "--save_results", "--device", "cpu", "--results_path"]
    with subprocess.Popen([*command, *options, str(drawn)], stderr=subprocess.PIPE, text=True) as process:
        line = process.stderr.readline()
        while not line.startswith("open "):  # a warning of a library
            assert line
            line = process.stderr.readline()
        page.open(line.removeprefix("open ").strip())
        phase(page, "drawing")
        assert shown_size(page) == [161, 121]
        drag(page, (0.15, 0.35), (0.35, 0.66))
        (box,) = boxes(page)
        page.click("#start")
        phase(page, "ended")
        assert process.wait(PATIENCE) == 0
        assert "12 frames" in process.stderr.read()
    name, param = run_video.DEFAULT_TRACKER
    command = [name, param, str(source), "--optional_box", *map(str, box), "--no_display", "--save_results"]
    assert run_video.main([*command, "--device", "cpu", "--results_path", str(typed)]) == 0
    compared = []
    for path in sorted((typed / name / param).glob("video_walk_1*.txt")):
        if not path.name.endswith("_time.txt"):
            assert path.read_bytes() == (drawn / name / param / path.name).read_bytes()
            compared.append(path.name)
    assert "video_walk_1.txt" in compared


def test_a_lost_connection_comes_back_to_the_present(page, folder, setup, monkeypatch):
    with Run(monkeypatch, setup, folder) as run, Forward(run.screen._server.port) as forward:
        page.open(run.address.replace(str(run.screen._server.port), str(forward.port)))
        phase(page, "drawing")
        drag(page, (0.25, 0.25), (0.5, 0.5))

        lose(page, forward)
        assert page.evaluate("document.getElementById('start').disabled")
        forward.mend()
        connected(page)
        assert boxes(page) == [[12, 9, 12, 9]]  # drawn boxes are not lost
        page.click("#start")
        phase(page, "tracking")

        lose(page, forward)
        lost_at = frame(page)
        wait_until(lambda: run.numbers[-1] > lost_at + 20)  # the run goes on
        assert frame(page) == lost_at
        forward.mend()
        connected(page)
        page.wait_for(f"document.documentElement.dataset.frame >= {lost_at + 20}")
        page.click("#pause")
        phase(page, "paused")

        lose(page, forward)
        paused = run.numbers[-1]
        forward.mend()
        connected(page)
        assert page.evaluate("document.documentElement.dataset.phase") == "paused"
        assert run.numbers[-1] == paused

        page.open(run.address)  # a page that is loaded again
        phase(page, "paused")
        page.events[:] = [event for event in page.events if event.get("method") != "Log.entryAdded"]  # of the loss


def lose(page: Chromium, forward: Forward) -> None:
    forward.cut()
    page.wait_for("document.getElementById('connection').className === 'lost'")


def connected(page: Chromium) -> None:
    page.wait_for("document.getElementById('connection').className === 'connected'")


def test_two_tabs(page, folder, setup, monkeypatch, tmp_path):
    with Run(monkeypatch, setup, folder) as run, Chromium(tmp_path / "profile") as other:
        page.open(run.address)
        phase(page, "drawing")
        other.open(run.address)
        phase(other, "drawing")
        page.wait_for("document.getElementById('connection').className === 'taken'")
        assert page.evaluate("document.querySelector('#draw-panel .key').disabled")
        drag(other, (0.25, 0.25), (0.5, 0.5))
        other.click("#start")
        phase(other, "tracking")
        page.click("#take")
        phase(page, "tracking")
        other.wait_for("document.getElementById('connection').className === 'taken'")
        page.key("q", 81)
        phase(page, "ended")


def test_keyboard_alone(page, folder, setup, monkeypatch):
    with Run(monkeypatch, setup, folder) as run:
        page.open(run.address)
        phase(page, "drawing")
        page.key("b", 66)
        assert boxes(page) == [[19, 15, 10, 7]]
        page.key("ArrowLeft", 37)
        page.key("ArrowDown", 40)
        for name, code in (("ArrowRight", 39), ("ArrowUp", 38)):
            shift = {"key": name, "code": name, "windowsVirtualKeyCode": code, "modifiers": 8}
            page.command("Input.dispatchKeyEvent", type="rawKeyDown", **shift)
            page.command("Input.dispatchKeyEvent", type="keyUp", **shift)
        assert boxes(page) == [[18, 16, 11, 6]]
        page.key("b", 66)
        page.key("Delete", 46)
        assert boxes(page) == [[18, 16, 11, 6]]
        for _ in range(3):  # from the frame over the button for a box to the first number
            page.key("Tab", 9)
            if page.evaluate("document.activeElement.tagName") == "INPUT":
                break
        page.evaluate("document.activeElement.select()")
        page.command("Input.insertText", text="7.5")
        assert boxes(page) == [[7.5, 16, 11, 6]]
        page.key("Enter", 13)
        phase(page, "tracking")
        assert run.boxes[1][0] == [7.5, 16, 11, 6]


def test_a_finger(page, folder, setup, monkeypatch):
    with Run(monkeypatch, setup, folder) as run:
        page.command("Emulation.setTouchEmulationEnabled", enabled=True)
        try:
            page.open(run.address)
            phase(page, "drawing")
            start, end = page.point("#stage", 0.25, 0.25), page.point("#stage", 0.5, 0.5)
            for kind, points in (("touchStart", [start]), ("touchMove", [end]), ("touchEnd", [])):
                touches = [{"x": x, "y": y} for x, y in points]
                page.command("Input.dispatchTouchEvent", type=kind, touchPoints=touches)
            page.wait_for("document.querySelectorAll('#drawn li').length === 1")
            assert boxes(page) == [[12, 9, 12, 9]]
            page.click("#start")
            phase(page, "tracking")
        finally:
            page.command("Emulation.setTouchEmulationEnabled", enabled=False)
        assert run.boxes[1][0] == [12, 9, 12, 9]


@pytest.mark.parametrize(
    ("size", "sent"),
    [((3840, 2160), [1280, 720]), ((641, 479), [641, 479]), ((97, 501), [97, 501]), ((900, 33), [900, 33])],
)
def test_sizes(page, tmp_path, monkeypatch, setup, size, sent):
    source = write_pictures(tmp_path / "walk", *size, count=3)
    with Run(monkeypatch, setup, source) as run:
        page.open(run.address)
        phase(page, "drawing")
        assert shown_size(page) == sent
        width, height = page.evaluate(
            "(({ width, height }) => [width, height])(document.getElementById('stage').getBoundingClientRect())"
        )
        assert width / height == pytest.approx(size[0] / size[1], rel=0.02)
        assert height < page.evaluate("innerHeight")
        drag(page, (0.25, 0.25), (0.75, 0.75))
        (box,) = boxes(page)
        unit = size[0] / width  # a pixel of the page, to which the mouse is exact
        assert box == pytest.approx([size[0] / 4, size[1] / 4, size[0] / 2, size[1] / 2], abs=2 * unit + 1)
        page.click("#start")
        phase(page, "ended")
        assert run.boxes[1][0] == box


def test_a_box_that_cannot_be_tracked_is_said_and_drawn_anew(page, folder, tmp_path, monkeypatch):
    setup = Tracker("dimp", "dimp_lite", results_path=tmp_path, device="cpu")
    with Run(monkeypatch, setup, folder, max_frames=1) as run:
        page.open(run.address)
        phase(page, "drawing")
        page.key("b", 66)
        page.evaluate(
            "(() => { const input = document.querySelector('#drawn input'); input.value = 400;"
            " input.dispatchEvent(new Event('input', { bubbles: true })); })()"
        )
        page.click("#start")
        page.wait_for("!document.getElementById('problem').hidden")
        problem = page.evaluate("document.getElementById('problem').textContent")
        assert problem.startswith("Draw another box: target 1: expected an initial box that meets the image of 48x36")
        drag(page, (0.25, 0.25), (0.75, 0.75))
        page.click("#start")
        phase(page, "ended")
        assert run.join().num_tracked == 1


def test_a_run_that_fails_says_so(page, tmp_path, setup, monkeypatch):
    write_frames(tmp_path / "walk", 4)
    cv2.imwrite(str(tmp_path / "walk" / "0003.jpg"), np.zeros((36, 48, 3), np.uint8))  # the dummy tracker fails there
    run = Run(monkeypatch, setup, tmp_path / "walk")
    monkeypatch.setattr("threading.excepthook", lambda _: None)
    with run:
        page.open(run.address)
        phase(page, "drawing")
        drag(page, (0.25, 0.25), (0.75, 0.75))
        page.click("#start")
        phase(page, "ended")
        text = page.evaluate("document.getElementById('ending').textContent")
        assert text == "The run failed: it is too dark"
