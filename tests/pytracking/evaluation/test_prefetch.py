import threading
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from ltr.common.errors import InputError
from ltr.common.types import Image
from pytracking.evaluation.prefetch import ReadAhead
from tests.waiting import wait_until


def picture(path: str | Path) -> Image:
    if str(path) == "bad":
        raise InputError("cannot read image bad")
    return np.full((1, 1, 3), int(path), np.uint8)


def test_order_and_end() -> None:
    with ReadAhead([str(number) for number in range(20)], picture) as images:
        assert [int(image[0, 0, 0]) for image in images] == list(range(20))
    with ReadAhead([], picture) as images:
        assert list(images) == []


def test_a_bad_image_raises_at_its_own_frame() -> None:
    with ReadAhead(["1", "bad", "3"], picture) as images:
        assert int(next(images)[0, 0, 0]) == 1
        time.sleep(0.05)  # the bad one has been tried by now
        with pytest.raises(InputError, match="bad"):
            next(images)
        assert int(next(images)[0, 0, 0]) == 3
        with pytest.raises(StopIteration):
            next(images)


def _has(items: list[str], count: int) -> bool:
    return len(items) >= count


def test_one_image_ahead_and_no_more() -> None:
    read: list[str] = []

    def slow(path: str | Path) -> Image:
        read.append(str(path))
        return picture(path)

    with ReadAhead(["0", "1", "2", "3"], slow) as images:
        for ahead in (["0"], ["0", "1"]):
            wait_until(partial(_has, read, len(ahead)))
            time.sleep(0.05)  # for more, which should not come
            assert read == ahead
            next(images)


def track_until_interrupted() -> None:
    with ReadAhead(["0", "1", "2"], picture) as images:
        next(images)
        raise KeyboardInterrupt


def test_the_thread_ends_with_the_block() -> None:
    with pytest.raises(KeyboardInterrupt):
        track_until_interrupted()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("decode")]
