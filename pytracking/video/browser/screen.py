"""The page as a screen of the loop over a video."""

from __future__ import annotations

import sys
from typing import Any

from ltr.common.errors import InputError
from pytracking.video.browser.messages import Boxes, Key, Picture, describe_scene
from pytracking.video.scene import Scene

POLL_SECONDS = 0.5
FAREWELL_SECONDS = 3.0  # that a page may take to show how the run ended


class BrowserScreen:
    """Shows the run on a page in a browser, and asks there for boxes. The run goes on while nobody looks."""

    def __init__(self, title: str, port: int | None = None) -> None:
        """Says on the standard error where the page is. Raises InputError where it cannot be served."""
        try:
            from pytracking.video.browser.server import PageServer
        except ModuleNotFoundError as error:
            if (error.name or "").split(".")[0] != "tornado":
                raise
            raise InputError(
                "the page in a browser needs Tornado, which is not installed: pip install 'rls-onlinetrack[browser]'"
            ) from error
        self._title = title
        self._server = PageServer(port)
        self._link = self._server.link
        self._picture: Picture | None = None
        self._shown: dict[str, Any] = {}
        self._num_questions = 0
        self._is_quit = False
        self._post("starting")
        forward = f"ssh -L {self._server.port}:127.0.0.1:{self._server.port}"
        print(f"open {self._server.address}", file=sys.stderr)
        print(f"  from another machine: {forward} THIS_MACHINE there, then the same address", file=sys.stderr)

    def show(self, scene: Scene) -> None:
        """Show a frame, as soon as the page can take it."""
        self._look_at(scene)
        self._post("paused" if scene.is_paused else "tracking")

    def key(self, milliseconds: int) -> str:
        """The key or button pressed within this time."""
        if self._is_quit:
            return "q"
        answer = self._link.next_answer(milliseconds / 1000)
        return answer.name if isinstance(answer, Key) else ""

    def select_boxes(self, scene: Scene, problem: str) -> list[list[float]]:
        """Ask for boxes, and wait for them as long as it takes; none where the run is stopped instead."""
        self._look_at(scene)
        self._num_questions += 1
        self._post("drawing", question=self._num_questions, problem=problem)
        while True:
            answer = self._link.next_answer(POLL_SECONDS)
            if isinstance(answer, Key) and answer.name == "q":
                self._is_quit = True
                return []
            if isinstance(answer, Boxes) and answer.question == self._num_questions:
                self._post("starting")
                return [list(box) for box in answer.boxes]

    def close(self, ending: str) -> None:
        """Show how the run ended, where somebody looks, and end the server."""
        self._post("ended", is_last=True, ending=ending)
        if self._server.is_watched:
            self._link.last_was_seen.wait(FAREWELL_SECONDS)
        self._server.close()

    def _look_at(self, scene: Scene) -> None:
        if self._picture is None or scene.image is not self._picture.image:
            self._picture = Picture(scene.image)
        self._shown = describe_scene(scene)

    def _post(self, phase: str, *, is_last: bool = False, **details: Any) -> None:
        state = {"phase": phase, "title": self._title, **self._shown, **details}
        self._link.post(state, self._picture, is_last=is_last)
