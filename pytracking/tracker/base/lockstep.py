"""Several trackers in lock-step: what they need of the network is computed for all of them at once.

A tracker that can do so writes what happens in a frame as a coroutine, which awaits a `Request` for each piece of work
that is worth sharing. There is no event loop: `run_alone` answers each request at once, `run_together` lets every
coroutine go on to its next request, and answers those that are alike as one batch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Coroutine, Generator, Hashable, Sequence
from typing import Any, Generic, Self, TypeVar

import numpy as np
import torch

from pytracking.tracker.base.basetracker import BaseTracker

T = TypeVar("T")
Result = dict[str, Any]


class Request(ABC, Generic[T]):
    """Work that a tracker wants done before it can go on; `await` gives its result."""

    @abstractmethod
    def key(self) -> Hashable:
        """Requests of one class with the same key can be answered together."""

    @classmethod
    @abstractmethod
    def answer(cls, requests: Sequence[Self]) -> list[T | Exception]:
        """A result for each request; an exception is raised in the tracker that asked.

        What is raised here while several are answered makes each of them be answered alone: nothing may have been
        changed then.
        """

    def __await__(self) -> Generator[Request[T], T, T]:
        answer = yield self
        return answer


Steps = Coroutine[Request[Any], Any, Result]


class LockstepTracker(BaseTracker):
    """A tracker whose frames are coroutines. It draws from its own generator only, never from global ones."""

    def initialize_steps(self, image: np.ndarray, info: dict[str, Any]) -> Steps:
        """What `initialize` does."""
        raise TypeError(f"{type(self).__name__} has no initialize_steps(image, info)")

    def track_steps(self, image: np.ndarray, info: dict[str, Any] | None = None) -> Steps:
        """What `track` does."""
        raise TypeError(f"{type(self).__name__} has no track_steps(image, info)")

    def initialize(self, image: np.ndarray, info: dict[str, Any]) -> Result:
        return run_alone(self.initialize_steps(image, info))

    def track(self, image: np.ndarray, info: dict[str, Any] | None = None) -> Result:
        return run_alone(self.track_steps(image, info))


@torch.inference_mode()
def run_alone(steps: Steps) -> Result:
    """Run one coroutine to its end. Raises what it raises."""
    answer: Any = None
    while True:
        done, outcome = _advance(steps, answer)
        if done:
            return outcome
        answer = _answers([outcome])[0]


@torch.inference_mode()
def run_together(all_steps: Sequence[Steps]) -> list[Result | Exception]:
    """Run coroutines to their ends; of each the result, or the exception that it raised."""
    ends: list[Any] = [None] * len(all_steps)
    answers: dict[int, Any] = dict.fromkeys(range(len(all_steps)))
    while answers:
        groups: dict[Hashable, dict[int, Request[Any]]] = {}
        for index, answer in answers.items():
            try:
                done, outcome = _advance(all_steps[index], answer)
            except Exception as error:  # of this tracker alone
                ends[index] = error
                continue
            if done:
                ends[index] = outcome
            else:
                groups.setdefault((type(outcome), outcome.key()), {})[index] = outcome
        answers = {}
        for group in groups.values():
            answers |= dict(zip(group, _answers(list(group.values())), strict=True))
    return ends


def _advance(steps: Steps, answer: Any) -> tuple[bool, Any]:
    """(False, the next request) or (True, the result), once the last request has its answer."""
    try:
        if isinstance(answer, Exception):
            return False, steps.throw(answer)
        return False, steps.send(answer)
    except StopIteration as end:
        return True, end.value


def _answers(requests: list[Request[Any]]) -> list[Any]:
    try:
        return type(requests[0]).answer(requests)
    except Exception as error:
        if len(requests) == 1:
            return [error]
        return [_answers([request])[0] for request in requests]
