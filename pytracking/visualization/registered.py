"""Panels of trackers that hand over what is to be shown, as pytracking's do: `self.visdom.register(...)`."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ltr.common.errors import unknown_name
from ltr.common.types import Array
from pytracking.utils.drawing import TRACKED, draw_box
from pytracking.visualization.panels import Content, Heatmap, Picture, Plot, Status, Text
from pytracking.visualization.viewer import STATUS, TRACKING

NOT_SHOWN = ("bbreg", "cost_volume", "cost_volume_flip", "cost_volume_ui", "featmap")  # modes of pytracking


OWN = {STATUS: ("info_dict",), TRACKING: ("image", "Tracking")}  # panels that are always there, and their modes


class RegisteredPanels:
    """What a tracker registered since it was last read: its `visdom`, which is None while nobody looks."""

    def __init__(self, level: int) -> None:
        self._level = level  # debug level
        self._new: dict[str, Content] = {}
        self._statuses: dict[str, dict[str, object]] = {}

    def register(self, data: Any, mode: str, debug_level: int = 0, title: str = "Data", **options: Any) -> None:
        """Show `data` in the panel `title` from `debug_level` on, in place of what it showed before.

        Modes: image (C, H, W) of 0 to 255; heatmap (H, W); info_dict, names with values, which are added to those that
        the panel has; text; lineplot (N,), or a pair of values (N,) and places (N,); Tracking, an image (H, W, 3) and
        boxes x, y, w, h. Other modes of pytracking are not shown, which is said. Raises InputError for unknown ones.
        """
        if mode not in _READERS and mode not in (*NOT_SHOWN, "info_dict"):
            raise unknown_name("mode of a panel", mode, [*_READERS, "info_dict"])
        if mode in NOT_SHOWN:
            warnings.warn(f"panel '{title}': there is no view of the mode '{mode}' here", stacklevel=2)
        elif debug_level <= self._level:
            title = title if mode in OWN.get(title, (mode,)) else f"{title} of the tracker"
            self._new[title] = self._status(title, data) if mode == "info_dict" else _READERS[mode](data)

    def take(self) -> dict[str, Content]:
        """Contents by title that were registered since the last call."""
        new, self._new = self._new, {}
        return new

    def _status(self, title: str, values: Mapping[str, Any]) -> Status:
        known = self._statuses.setdefault(title, {})
        known.update({name.replace("_", " "): _value(value) for name, value in values.items()})
        return Status(dict(known))


def _value(value: Any) -> object:
    return float(value) if hasattr(value, "item") else value  # of a tensor or an array of one number


def _array(data: Any) -> Array:
    return np.asarray(data.detach().cpu() if hasattr(data, "detach") else data)


def _picture(data: Any) -> Picture:
    image = _array(data)
    image = image.reshape(image.shape[-3:]).transpose(1, 2, 0)
    return Picture(np.ascontiguousarray(np.broadcast_to(image, (*image.shape[:2], 3)).clip(0, 255).astype(np.uint8)))


def _heatmap(data: Any) -> Heatmap:
    values = _array(data)
    return Heatmap(values.reshape(values.shape[-2:]))


def _plot(data: Any) -> Plot:
    y, x = (_array(part).ravel() for part in data) if isinstance(data, (list, tuple)) else (_array(data).ravel(), None)
    return Plot(np.arange(len(y)) if x is None else x, y[:, None], ("",))


def _text(data: str) -> Text:
    return Text(tuple(re.split(r"\n|<br ?/?>", data)))


def _tracking(data: Any) -> Picture:
    image = np.array(data[0])
    for box in (_array(part) for part in data[1:] if part is not None):
        if box.shape == (4,):  # else a mask
            draw_box(image, box, TRACKED)
    return Picture(image)


_READERS: dict[str, Callable[[Any], Content]] = {
    "image": _picture,
    "heatmap": _heatmap,
    "lineplot": _plot,
    "text": _text,
    "Tracking": _tracking,
}
