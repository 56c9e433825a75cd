"""Time of each stage of a frame of the DiMP trackers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from time import perf_counter
from typing import Any
from unittest.mock import patch

import torch
from machine import synchronize

from ltr.models.tracking.dimpnet import DiMPnet
from pytracking.features.net_wrappers import NetWithBackbone
from pytracking.tracker.dimp import dimp
from pytracking.tracker.dimp.box_refinement import IoUBoxes
from pytracking.tracker.dimp.dimp import DiMP
from pytracking.tracker.dimp.online_learning import OnlineClassifier
from pytracking.tracker.dimp.ridge_boxes import RidgeBoxes
from pytracking.tracker.dimp.search import CropArea
from rls.base import InverseCorrelation

STAGES = ("decode", "crop", "backbone", "classification", "localization", "refinement", "memory", "optimizer", "P")
OTHER = "other"


class StageClock:
    """Seconds in each stage, without what stages inside of it take; the device is synchronized at every border."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.frames: list[dict[str, float]] = []
        self._open: list[list[Any]] = []  # name, seconds of the stages inside

    @property
    def current(self) -> str:
        return self._open[-1][0] if self._open else OTHER

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        synchronize(self.device)
        start = perf_counter()
        self._open.append([name, 0.0])
        try:
            yield
        finally:
            synchronize(self.device)
            seconds = perf_counter() - start
            _, inside = self._open.pop()
            if self._open:
                self._open[-1][1] += seconds
            self.frames[-1][name] += seconds - inside

    def begin_frame(self) -> None:
        self.frames.append(defaultdict(float))

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            with self.stage(name):
                return function(*args, **kwargs)

        return wrapper


@contextmanager
def watched(clock: StageClock) -> Iterator[None]:
    """Within this block the stages of DiMP trackers report to the clock."""
    methods = [
        (CropArea, "cut", "crop"),
        (NetWithBackbone, "extract_backbone", "backbone"),
        (DiMPnet, "extract_classification_feat", "classification"),
        (DiMP, "_read_scores", "localization"),
        (IoUBoxes, "refine", "refinement"),
        (RidgeBoxes, "refine", "refinement"),
        (OnlineClassifier, "classify", "localization"),
        (OnlineClassifier, "store", "memory"),
        (OnlineClassifier, "update", "optimizer"),
        (InverseCorrelation, "update", "P"),
        (InverseCorrelation, "apply", "P"),
    ]
    with ExitStack() as stack:
        for cls, method, name in methods:
            stack.enter_context(patch.object(cls, method, _method(clock, name, getattr(cls, method))))
        stack.enter_context(patch.object(dimp, "localize", clock.timed("localization", dimp.localize)))
        yield


def _method(clock: StageClock, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        with clock.stage(name):
            return function(self, *args, **kwargs)

    return wrapper
