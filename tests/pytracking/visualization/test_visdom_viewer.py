"""Panels on a real visdom server: read back, steered, and without the server."""

import itertools
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from pytracking.evaluation import Sequence, Tracker
from pytracking.visualization import visdom_viewer
from tests.pytracking.dummy import DummyTracker, make_sequence
from tests.pytracking.visualization.visdom_server import PATIENCE, VisdomServer
from tests.waiting import wait_until

BASIC = {"Tracking", "Status", "Help", "block_list"}
AT_LEVEL = {
    1: BASIC,
    2: BASIC | {"First and Current Target", "Score Map", "Sample Weights"},
    3: BASIC | {"First and Current Target", "Score Map", "Sample Weights", "Training Loss", "Gradient"}
    | {"Inverse Correlation"},
}  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VisdomServer]:
    with VisdomServer(tmp_path_factory.mktemp("visdom")) as started:
        yield started


@pytest.fixture
def textured(tmp_path: Path) -> Sequence:
    """Four frames of a textured square."""
    noise = np.random.default_rng(0)
    background = cv2.resize(noise.integers(60, 120, (30, 40, 3)).astype(np.uint8), (320, 240))
    background[90:130, 120:160] = cv2.resize(noise.integers(0, 255, (6, 6, 3)).astype(np.uint8), (40, 40))
    for number in range(4):
        cv2.imwrite(str(tmp_path / f"{number}.png"), background)
    boxes = np.tile([120.0, 90.0, 40.0, 40.0], (4, 1))
    return Sequence("square", [tmp_path / f"{number}.png" for number in range(4)], "made", boxes)


def small_tracker() -> Tracker:
    """The lite tracker with few samples, which updates in frame 3."""
    overrides = {"augmentation": {"fliplr": True}, "train_skipping": 2, "sample_memory_size": 10}
    return Tracker("dimp", "rls_dimp_lite", overrides=overrides, device="cpu")


def test_each_level_shows_its_panels(
    server: VisdomServer, textured: Sequence, capfd: pytest.CaptureFixture[str]
) -> None:
    tracker, info = small_tracker(), {"port": server.port}
    undisturbed = tracker.run_sequence(textured)
    for level in (3, 1, 2):
        output = tracker.run_sequence(textured, debug=level, visdom_info=info)
        for key in ("target_bbox", "object_presence_score", "flag"):
            assert output[key] == undisturbed[key]  # looking changes nothing
        windows = server.windows()
        assert set(windows) == AT_LEVEL[level]
        if level == 3:
            check_contents(windows, output)
    captured = capfd.readouterr()
    assert captured.out == captured.err == ""


def check_contents(windows: dict[str, dict[str, Any]], output: dict[str, list[Any]]) -> None:
    content = {name: window["content"] for name, window in windows.items()}
    assert content["Tracking"]["src"].startswith("data:image/jpeg;base64,")
    assert "frame: 4" in content["Status"]
    assert "flag: normal" in content["Status"]
    scores = np.array(content["Score Map"]["data"][0]["z"])
    assert scores.shape == (19, 19)
    assert scores.max() == pytest.approx(output["object_presence_score"][-1], rel=1e-6)
    weights = np.array([bar["y"] for bar in content["Sample Weights"]["data"]], float)
    assert weights.sum() == pytest.approx(1, abs=1e-4)
    (loss,) = content["Training Loss"]["data"]
    assert len(loss["y"]) == 11 + 6  # ten iterations in the first frame, five in the third, and after each the end
    before, after = (np.array(line["y"]) for line in content["Gradient"]["data"])
    assert len(before) == 5
    assert (after > before).all()  # P is still close to I / delta, with delta = 0.1
    assert (after < 10.0001 * before).all()
    rank, trace = (np.array(line["y"]) for line in content["Inverse Correlation"]["data"])
    assert [len(rank), len(trace)] == [2, 2]
    assert (trace < rank[0] + 1).all()
    assert content["block_list"][0]["name"] == "Status"


def test_space_pauses_and_arrow_steps(server: VisdomServer, tmp_path: Path) -> None:
    sequence = make_sequence(tmp_path, "long", 400)
    frames: list[int] = []
    stop = threading.Event()

    def on_frame(number: int, _: int) -> None:
        frames.append(number)
        if stop.is_set():
            raise KeyboardInterrupt

    def run() -> None:
        with pytest.raises(KeyboardInterrupt):
            DummyTracker("wander", "slow").run_sequence(sequence, 1, {"port": server.port}, on_frame)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        wait_until(lambda: len(frames) > 2)
        server.send_event(target="Tracking", event_type="KeyPress", key=" ")
        number = wait_until(lambda: paused_at(frames))
        server.send_event(target="Tracking", event_type="KeyPress", key="ArrowRight")
        wait_until(lambda: len(frames) > number)
        assert paused_at(frames) == number + 1
        assert f"frame: {number + 2}" in server.status()  # the frame that waits is shown before it is counted
        server.send_event(target="block_list", event_type="PropertyUpdate", propertyId=0, value=False)
        wait_until(lambda: "Status" not in server.windows())
        server.send_event(target="Tracking", event_type="KeyPress", key=" ")
        wait_until(lambda: len(frames) > number + 5)
        assert "Status" not in server.windows()
        server.send_event(target="block_list", event_type="PropertyUpdate", propertyId=0, value=True)
        wait_until(server.status)
    finally:
        stop.set()
        thread.join(PATIENCE)
    assert not thread.is_alive()


def paused_at(frames: list[int]) -> int:
    """Number of frames where that does not grow, else 0."""
    before = len(frames)
    time.sleep(0.5)
    return before if len(frames) == before else 0


def test_server_that_dies_costs_one_message(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    sequence = make_sequence(tmp_path, "s", 8)
    with VisdomServer(tmp_path) as dying:

        def on_frame(number: int, _: int) -> None:
            if number == 3:
                assert "frame: 3" in dying.status()
                dying.kill()

        output = DummyTracker("wander", "default").run_sequence(sequence, 1, {"port": dying.port}, on_frame)
        assert len(output["target_bbox"]) == 8
        time.sleep(0.3)
    captured = capfd.readouterr()
    assert captured.err.count("\n") == 3
    assert f"the visdom server at 127.0.0.1:{dying.port} is gone; the run goes on" in captured.err
    assert f"python -m pytracking.util_scripts.visdom_server --port {dying.port}" in captured.err


def test_server_that_hangs_costs_one_message(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with VisdomServer(tmp_path) as hanging:

        def on_frame(number: int, _: int) -> None:
            if number == 3:
                monkeypatch.setattr(visdom_viewer, "ANSWER_SECONDS", 0.5)
                hanging.kill(signal.SIGSTOP)

        sequence = make_sequence(tmp_path, "s", 8)
        output = DummyTracker("wander", "default").run_sequence(sequence, 1, {"port": hanging.port}, on_frame)
        hanging.kill(signal.SIGCONT)
    assert len(output["target_bbox"]) == 8
    assert capfd.readouterr().err.count("is gone") == 1


def test_paused_run_goes_on_when_the_server_dies(tmp_path: Path) -> None:
    with VisdomServer(tmp_path) as dying:

        def on_frame(number: int, _: int) -> None:
            if number == 3:
                dying.send_event(target="Tracking", event_type="KeyPress", key=" ")
                wait_until(lambda: visdom_viewer._connections["127.0.0.1", dying.port]._is_paused)
                threading.Timer(0.5, dying.kill).start()

        sequence = make_sequence(tmp_path, "s", 6)
        output = DummyTracker("wander", "default").run_sequence(sequence, 1, {"port": dying.port}, on_frame)
    assert len(output["target_bbox"]) == 6


def test_missing_server_is_told_once_and_the_terminal_serves(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visdom_viewer, "_told", set())
    info = {"port": 9}  # discard: nobody listens
    for name in ("a", "b"):
        DummyTracker("wander", "default").run_sequence(make_sequence(tmp_path, name, 3), 2, info)
    captured = capfd.readouterr()
    assert captured.err.count("no visdom server answers at 127.0.0.1:9") == 1
    assert "--port 9" in captured.err
    lines = [line.split(":")[0] for line in captured.out.splitlines()]
    assert lines == [
        f"{name} frame {number}/3: score".split(":")[0] for name, number in itertools.product("ab", (1, 2, 3))
    ]


def test_something_else_behind_the_port(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    import socket

    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        listening.listen()
        closer = threading.Thread(target=close_everybody, args=(listening,), daemon=True)
        closer.start()
        assert visdom_viewer.connect("127.0.0.1", port) is None
    assert "no visdom server answers" in capfd.readouterr().err


def close_everybody(listening: Any) -> None:
    while True:
        try:
            listening.accept()[0].close()
        except OSError:
            return
