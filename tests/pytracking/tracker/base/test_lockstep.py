import traceback
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import pytest
import torch

from pytracking.tracker.base.lockstep import Request, run_alone, run_together


@dataclass(frozen=True, eq=False)
class Double(Request[int]):
    """Twice a number; what is negative cannot be doubled, and spoils the batch."""

    batches: ClassVar[list[list[int]]] = []

    number: int
    unit: str = ""

    def key(self) -> Hashable:
        return self.unit

    @classmethod
    def answer(cls, requests: Sequence[Self]) -> list[int | Exception]:
        numbers = [request.number for request in requests]
        cls.batches.append(numbers)
        if min(numbers) < 0:
            raise ValueError(f"a batch of {len(numbers)} with a negative number")
        return [2 * number if number < 100 else OverflowError("too large") for number in numbers]


@pytest.fixture(autouse=True)
def batches() -> list[list[int]]:
    Double.batches.clear()
    return Double.batches


async def doubled(number: int, times: int, unit: str = "") -> dict[str, Any]:
    for _ in range(times):
        number = await twice(number, unit)
    return {"number": number}


async def twice(number: int, unit: str) -> int:  # a coroutine within a coroutine, as trackers have them
    return await Double(number, unit)


async def saving(number: int) -> dict[str, Any]:
    try:
        return {"number": await Double(number)}
    except (ValueError, OverflowError) as error:
        return {"error": str(error)}


def test_alone(batches: list[list[int]]) -> None:
    assert run_alone(doubled(3, 4)) == {"number": 48}
    assert batches == [[3], [6], [12], [24]]
    assert run_alone(doubled(3, 0)) == {"number": 3}
    with pytest.raises(ValueError, match="batch of 1"):
        run_alone(doubled(-1, 1))


def test_what_is_alike_is_answered_together(batches: list[list[int]]) -> None:
    ends = run_together([doubled(1, 2), doubled(2, 0), doubled(3, 1), doubled(4, 2, "m"), doubled(5, 3)])
    assert ends == [{"number": n} for n in (4, 2, 6, 16, 40)]
    assert batches == [[1, 3, 5], [4], [2, 10], [8], [20]]
    assert run_together([]) == []


def test_errors_concern_one_run() -> None:
    ends = run_together([doubled(1, 2), doubled(100, 1), doubled(-1, 1), doubled(2, 2), saving(-1), saving(100)])
    assert isinstance(ends[1], OverflowError)
    assert str(ends[2]) == "a batch of 1 with a negative number"
    assert [ends[0], ends[3]] == [{"number": 4}, {"number": 8}]
    assert ends[4:] == [{"error": "a batch of 1 with a negative number"}, {"error": "too large"}]


def test_errors_name_the_line_of_the_tracker_that_asked() -> None:
    (end,) = run_together([doubled(-1, 1)])
    assert isinstance(end, ValueError)
    assert "twice" in [frame.name for frame in traceback.extract_tb(end.__traceback__)]


def test_nothing_keeps_gradients() -> None:
    async def watch() -> dict[str, Any]:
        return {"grad": torch.is_grad_enabled()}

    assert run_alone(watch()) == {"grad": False}
    assert run_together([watch()]) == [{"grad": False}]
