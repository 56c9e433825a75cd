"""A tracker for each of several objects, behind the interface of one, under the name of pytracking."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Any

from ltr.common.errors import InputError
from ltr.common.types import Image
from pytracking.tracker.base import BaseTracker

Info = Mapping[str, Any]
Output = dict[str, Any]


class MultiObjectWrapper:
    """Runs a tracker of its own for each object; what they return is merged to dictionaries by object.

    `info` of a frame may start objects: `init_object_ids`, their names, and `init_bbox`, their boxes by name. Masks are
    not merged: no tracker here makes any.
    """

    def __init__(
        self,
        base_tracker_class: Callable[[Any], BaseTracker],
        params: Any,
        visdom: Any = None,
        fast_load: bool = False,  # pytracking's copies of one tracker; here networks are shared anyway
    ) -> None:
        self.base_tracker_class = base_tracker_class
        self.params = params
        self.visdom = visdom
        self.trackers: dict[Any, BaseTracker] = {}

    def create_tracker(self) -> BaseTracker:
        """New tracker with its network loaded."""
        tracker = self.base_tracker_class(self.params)
        tracker.visdom = self.visdom
        tracker.initialize_features()
        return tracker

    def initialize(self, image: Image, info: Info) -> Output:
        """Forget all objects, and start those of `info`. Raises InputError where one has no box."""
        self.trackers = {}
        return merged(self._start(image, info))

    def track(self, image: Image, info: Info | None = None) -> Output:
        """Find all objects, then start those of `info`. Raises as `initialize`."""
        info = info or {}
        outputs = {}
        previous = info.get("previous_output", {})
        for name, tracker in self.trackers.items():
            own = {key: values[name] for key, values in previous.items() if name in values}
            start = perf_counter()
            output = tracker.track(image, {**info, "previous_output": own})
            outputs[name] = {"time": perf_counter() - start, **output}
        return merged(outputs | self._start(image, info))

    def _start(self, image: Image, info: Info) -> dict[Any, Output]:
        names, boxes = info.get("init_object_ids", ()), info.get("init_bbox", {})
        if missing := [name for name in names if name not in boxes]:
            raise InputError(f"expected a box of each new object in info['init_bbox'], found none of {missing}")
        outputs = {}
        for name in names:
            self.trackers[name] = self.create_tracker()
            start = perf_counter()
            output = self.trackers[name].initialize(image, {"init_bbox": boxes[name], "object_ids": [name]})
            outputs[name] = {"target_bbox": boxes[name], "time": perf_counter() - start, **output}
        return outputs


def merged(outputs: Mapping[Any, Output]) -> Output:
    """Outputs by object as one output whose entries are dictionaries by object."""
    keys = dict.fromkeys(key for output in outputs.values() for key in output)
    return {key: {name: output[key] for name, output in outputs.items() if key in output} for key in keys}
