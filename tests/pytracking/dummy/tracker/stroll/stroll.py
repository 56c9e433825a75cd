"""A tracker whose runs can be in lock-step: its box walks at random, by steps that are made together."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from torch import Tensor, randn, tensor

from pytracking.tracker.base.lockstep import LockstepTracker, Request


@dataclass(frozen=True, eq=False)
class Walk(Request[list[float]]):
    """The box moved by some pixels."""

    batches: ClassVar[list[int]] = []  # sizes of the batches in this process

    box: list[float]
    step: Tensor  # (2,)

    def key(self) -> Hashable:
        return None

    @classmethod
    def answer(cls, requests: Sequence[Self]) -> list[list[float] | Exception]:
        cls.batches.append(len(requests))
        return [(tensor(r.box) + tensor([*r.step.tolist(), 0.0, 0.0])).tolist() for r in requests]


class Stroll(LockstepTracker):
    fragile: ClassVar[set[int]] = set()  # seeds of runs that do not stand a dark image

    async def initialize_steps(self, image: np.ndarray, info: dict[str, Any]) -> dict[str, Any]:
        self.box = info["init_bbox"]
        return {}

    async def track_steps(self, image: np.ndarray, info: dict[str, Any] | None = None) -> dict[str, Any]:
        if image.max() < 10 and self.generator.initial_seed() in self.fragile:
            raise RuntimeError("it is too dark")
        self.box = await Walk(self.box, randn(2, generator=self.generator))
        return {"target_bbox": self.box, "object_presence_score": 0.5, "flag": "normal"}
