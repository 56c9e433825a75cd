"""Interface of a tracker."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from ltr.common.provenance import check_device
from pytracking.utils.image_input import ImageInput
from pytracking.utils.initial_box import initial_box
from pytracking.utils.params import OpenParams, TrackerParams, TypedParams
from pytracking.visualization.panels import Panel


class BaseTracker:
    """Single-object tracker: `initialize` with the first frame and box, then `track` frame by frame.

    Images are RGB uint8 arrays (H, W, 3); boxes are `[x, y, w, h]`, float, 0-based. The methods of a subclass are given
    nothing else: what a caller hands over passes `ImageInput` and `initial_box` before. A subclass may also be one that
    was written for pytracking: `initialize` may return None, boxes may be tensors, `track` may take the image alone.
    """

    params_class: type[TypedParams] = OpenParams  # a subclass names its own, which are checked

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for name, gate in (("initialize", _gate_of_initialize), ("track", _gate_of_track)):
            if name in vars(cls):
                setattr(cls, name, gate(vars(cls)[name]))

    def __init__(self, params: TypedParams | TrackerParams) -> None:
        self.params: Any = self.params_class.from_tracker_params(params)
        check_device(self.params.device)
        self.device = torch.device(self.params.device or ("cuda" if torch.cuda.is_available() else "cpu"))
        if self.device.type == "cpu":
            for holder in (self.params, *vars(self.params).values()):  # of a file for pytracking: with its networks
                if getattr(holder, "use_gpu", None) is True:
                    holder.use_gpu = False
        self.generator = torch.Generator()  # the tracker's only source of randomness, on the CPU for every device
        self.images = ImageInput()
        self.visdom: Any = None  # takes what `register` is given to show, while somebody looks; see `RegisteredPanels`
        self.seed(0)

    def seed(self, seed: int) -> None:
        """Restart the tracker's random numbers; a tracker with the same seed, frames and device repeats itself."""
        self.generator.manual_seed(seed)

    def initialize_features(self) -> None:
        """Load the network ahead of time, so that its loading is not part of the first frame's time."""

    def initialize(self, image: np.ndarray, info: dict[str, Any]) -> dict[str, Any]:
        """Start tracking the target `info["init_bbox"]`; returns extra outputs of the first frame (may be empty).

        Raises InputError, a ValueError, for a box or an image that cannot be meant (`initial_box`, `ImageInput.next`).
        """
        raise TypeError(f"{type(self).__name__} has no initialize(image, info)")

    def track(self, image: np.ndarray, info: dict[str, Any] | None = None) -> dict[str, Any]:
        """Find the target in the next frame.

        Returns a dict with `target_bbox` [x, y, w, h], `object_presence_score` (float) and `flag` (str), and
        whatever else the tracker reports: `rejected_updates` (int), the updates of its online learning that were undone
        so far, goes to the information about the sequence; while it looks for a target that is lost, `search` says how
        ("searching", "verifying"), and `search_tiles` are boxes of what it looks at beside `search_area`.
        Raises InputError for an image that cannot be meant.
        """
        raise TypeError(f"{type(self).__name__} has no track(image, info)")

    def panels(self) -> list[Panel]:
        """What can be shown of the last frame; called once, after `initialize`, and only when somebody looks."""
        return []

    def search_area(self) -> list[float] | None:
        """Box of the part of the image that was searched last; None where that is unknown."""
        return None


def _gate_of_initialize(initialize: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(initialize)
    def gated(self: BaseTracker, image: Any, info: dict[str, Any]) -> Any:
        image = self.images.first(image)
        box = initial_box(info, image.shape[:2])
        result = initialize(self, image, {**info, "init_bbox": box})
        return {} if result is None else result

    return gated


def _gate_of_track(track: Callable[..., Any]) -> Callable[..., Any]:
    takes_info = len(inspect.signature(track).parameters) > 2

    @functools.wraps(track)
    def gated(self: BaseTracker, image: Any, info: dict[str, Any] | None = None) -> Any:
        image = self.images.next(image)
        return _with_plain_box(self, track(self, image, info) if takes_info else track(self, image))

    return gated


def _with_plain_box(tracker: BaseTracker, output: Any) -> Any:
    """A tracker's output with the box as a list of floats. Raises TypeError where there is none."""
    box = output.get("target_bbox") if isinstance(output, dict) else None
    if box is None:
        raise TypeError(f"expected a dict with target_bbox from {type(tracker).__name__}.track, found {output!r}")
    return output if type(box) is list else {**output, "target_bbox": [float(value) for value in box]}
