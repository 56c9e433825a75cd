"""What a tracker can show: named panels, and the kinds of content they hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from collections.abc import Sequence as SequenceOf
from dataclasses import dataclass

from ltr.common.types import Array, Image


@dataclass(frozen=True)
class Picture:
    """An RGB image."""

    image: Image  # (H, W, 3)


@dataclass(frozen=True)
class Heatmap:
    """Values over a plane, row 0 on top."""

    values: Array  # (H, W)


@dataclass(frozen=True)
class Curves:
    """Values that came with this frame, to be appended to lines over time; several values share the frame's extent."""

    values: Mapping[str, SequenceOf[float]]  # of equal length, by the name of the line
    is_log: bool = False


@dataclass(frozen=True)
class Plot:
    """Lines over time, as viewers get them."""

    frames: Array  # (N,) frame from 1, with fractions
    values: Array  # (N, lines)
    names: tuple[str, ...]
    is_log: bool = False


@dataclass(frozen=True)
class Bars:
    """One value for each of several things."""

    values: Array  # (N,)
    num_marked: int = 0  # this many of them, the first, have another color
    names: tuple[str, str] = ("marked", "others")  # of the two colors


@dataclass(frozen=True)
class Status:
    """Names with values."""

    values: Mapping[str, object]

    def lines(self) -> list[str]:
        """`name: value`, with few digits."""
        return [f"{name}: {_shown(value)}" for name, value in self.values.items()]


@dataclass(frozen=True)
class Text:
    """Lines of text."""

    lines: tuple[str, ...]


Content = Picture | Heatmap | Plot | Bars | Status | Text


@dataclass(frozen=True)
class Panel:
    """Something that can be shown after each frame."""

    name: str
    level: int  # least debug level at which it is shown, 1 to 3
    read: Callable[[], Content | Curves | None]  # called only when somebody looks; None: nothing new


def _shown(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
