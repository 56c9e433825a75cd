"""Waiting for what another thread or process does, on a machine that may be busy."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
PATIENCE = 300.0  # seconds; what takes one on a quiet machine may take a hundred beside other work


def wait_until(condition: Callable[[], T]) -> T:
    """The first true value of `condition`. Raises AssertionError where none comes."""
    deadline = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
    return found
