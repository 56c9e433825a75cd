"""What the thread that tracks and the loop that serves the page share.

Neither waits for the other: of the updates only the newest is kept, so that a page that is slow, or not there, costs
neither time nor memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from dataclasses import dataclass
from typing import Any

from pytracking.video.browser.messages import Boxes, Key, Picture

MOST_ANSWERS = 64  # that wait for the tracker; what a person presses beyond that is lost


@dataclass(frozen=True)
class Update:
    """The present of the run, whole: a page that comes needs no other."""

    number: int
    state: dict[str, Any]
    picture: Picture | None = None
    is_last: bool = False


class Link:
    """The newest update one way, keys and boxes the other."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.newest = Update(0, {"phase": "starting"})
        self.last_was_seen = threading.Event()
        self._loop = loop
        self._is_changed = asyncio.Event()
        self._answers: queue.Queue[Key | Boxes] = queue.Queue(MOST_ANSWERS)

    # Of the thread that tracks

    def post(self, state: dict[str, Any], picture: Picture | None, *, is_last: bool = False) -> None:
        """Replace the present; nothing happens where it is the same."""
        newest = self.newest
        if (state, picture, is_last) != (newest.state, newest.picture, newest.is_last):
            self.newest = Update(newest.number + 1, state, picture, is_last)
            self._loop.call_soon_threadsafe(self._is_changed.set)

    def next_answer(self, seconds: float) -> Key | Boxes | None:
        """What the page said, or None where it says nothing for so long."""
        try:
            return self._answers.get(timeout=seconds)
        except queue.Empty:
            return None

    # Of the loop that serves; one caller at a time

    async def update_after(self, number: int, seconds: float) -> Update | None:
        """The newest update, as soon as it is not the one of this number; None where there is none for so long."""
        self._is_changed.clear()
        if self.newest.number == number:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._is_changed.wait(), seconds)
        return None if self.newest.number == number else self.newest

    def answer(self, answer: Key | Boxes) -> None:
        """Hand on what the page said."""
        with contextlib.suppress(queue.Full):
            self._answers.put_nowait(answer)
