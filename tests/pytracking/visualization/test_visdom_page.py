"""visdom's page in a headless Chromium, during a run."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chromium import Chromium
from tests.pytracking.dummy import DummyTracker, make_sequence
from tests.pytracking.visualization.visdom_server import PATIENCE, VisdomServer

WINDOW = """Array.from(document.querySelectorAll('.window')).find(
    node => node.querySelector('.pull-right').innerText.trim() === '%s')"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[VisdomServer]:
    """A server with its page; its scripts come from npm."""
    with VisdomServer(tmp_path, with_page=True) as started:
        if "the page will stay empty" in started.log():
            pytest.skip(f"needs the scripts of visdom's page from npm:\n{started.log()[:1000]}")
        yield started


def test_page_of_a_live_run(server: VisdomServer, tmp_path: Path) -> None:
    stop = threading.Event()

    def on_frame(*_: int) -> None:
        if stop.is_set():
            raise KeyboardInterrupt

    def run() -> None:
        sequence = make_sequence(tmp_path, "long", 2000)
        with pytest.raises(KeyboardInterrupt):
            DummyTracker("wander", "slow").run_sequence(sequence, 2, {"port": server.port}, on_frame)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        with Chromium(tmp_path / "profile") as page:
            page.open(f"http://127.0.0.1:{server.port}")
            for title in ("Tracking", "Status", "First and Current Target", "Block List", "Help"):
                page.wait_for(f"{WINDOW % title} !== undefined")
            page.wait_for("document.querySelectorAll('.window img').length === 2")  # frame and targets
            first = frame_shown(page)
            page.wait_for(f"{FRAME} > {first}")  # it lives

            page.evaluate(f"{WINDOW % 'Tracking'}.id = 'tracked'")
            page.click("#tracked img")
            page.key(" ", 32)
            # The same number twenty times, that is for a second at least.
            page.wait_for(f"(window.last === (window.last = {FRAME})) ? ++window.same > 20 : (window.same = 0, false)")
            paused = frame_shown(page)
            page.key("ArrowRight", 39)
            page.wait_for(f"{FRAME} === {paused + 1}")
            page.key(" ", 32)
            page.wait_for(f"{FRAME} > {paused + 3}")
            assert not [text for text in page.problems() if f"request: http://127.0.0.1:{server.port}/" not in text]
    finally:
        stop.set()
        thread.join(PATIENCE)
    assert not thread.is_alive()


FRAME = f"Number(({WINDOW % 'Status'}.innerText.match(/frame: ([0-9]+)/) || [0, 0])[1])"


def frame_shown(page: Chromium) -> int:
    """Number of the frame in the panel Status."""
    return int(page.evaluate(FRAME))
