"""Runs in a video with a page, and a forwarded port that can be cut."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from pytracking.evaluation import Tracker
from pytracking.video import run as video_run
from pytracking.video.browser.messages import Key
from pytracking.video.browser.screen import BrowserScreen
from pytracking.video.run import VideoSummary, run_video

PATIENCE = 120.0  # seconds that anything may take on a busy machine


class Run:
    """A video that is tracked in a thread, drawn and watched on a page; stopped at the end of the context."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, setup: Tracker, source: Path, **options: Any) -> None:
        self.summary: VideoSummary | None = None
        self.numbers: list[int] = []  # of the frames that were tracked
        self.boxes: dict[int, list[list[float]]] = {}  # of each target
        self._screens: list[BrowserScreen] = []
        self._is_stopped = False
        monkeypatch.setattr(video_run, "_open_page", self._open_page)
        options |= {"draw_in_browser": True, "on_frame": self._note}
        self._thread = threading.Thread(target=self._track, args=(setup, source, options))

    @property
    def screen(self) -> BrowserScreen:
        wait_until(lambda: bool(self._screens))
        return self._screens[0]

    @property
    def address(self) -> str:
        return self.screen._server.address

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._is_stopped = True
        self.screen._link.answer(Key("q"))
        self.join()

    def join(self) -> VideoSummary | None:
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()
        return self.summary

    def _open_page(self, title: str, port: int | None) -> BrowserScreen:
        self._screens.append(BrowserScreen(title, 0))
        return self._screens[0]

    def _note(self, number: int, targets: list[Any]) -> None:
        self.numbers.append(number)
        for target in targets:
            self.boxes.setdefault(target.number, []).append(target.output["target_bbox"])
        time.sleep(0.02)
        if self._is_stopped:
            raise KeyboardInterrupt

    def _track(self, setup: Tracker, source: Path, options: dict[str, Any]) -> None:
        with contextlib.suppress(KeyboardInterrupt):
            self.summary = run_video(setup, source, **options)


def wait_until(is_so: Callable[[], bool]) -> None:
    """Return when a function gives something true."""
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < deadline, is_so
        time.sleep(0.02)


class Forward:
    """A port of this machine that leads to another one, as `ssh -L`; a context manager."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._listener = self._listen(0)
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.cut()

    def cut(self) -> None:
        """End all connections and accept none."""
        _end(self._listener)
        for pair in self._pairs:
            for end in pair:
                _end(end)
        self._pairs.clear()

    def mend(self) -> None:
        """Accept connections again."""
        self._listener = self._listen(self.port)

    def _listen(self, port: int) -> socket.socket:
        listener = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        return listener

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                near = listener.accept()[0]
                far = socket.create_connection(("127.0.0.1", self._target))
                self._pairs.append((near, far))
                for ends in ((near, far), (far, near)):
                    threading.Thread(target=_copy, args=ends, daemon=True).start()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            sink.sendall(data)
    _end(sink)


def _end(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
