"""What a viewer is, and the one that needs nothing but a terminal."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from collections.abc import Sequence as SequenceOf

from pytracking.visualization.panels import Content, Panel, Status

TRACKING, STATUS = "Tracking", "Status"  # panels of every tracker


class Viewer(ABC):
    """Shows panels of one sequence somewhere. It fails by falling silent, never by raising.

    A subclass says how it shows them, and whatever else it does not do as this one: nothing, at once.
    """

    def open(self, panels: SequenceOf[Panel]) -> None:
        """The panels that will come; called once, before the first frame is shown."""

    def extend(self, panels: SequenceOf[Panel]) -> None:
        """The panels that will come from now on: those of `open`, and others that the tracker came to have."""

    def wants(self, panel: str) -> bool:
        """Whether the content of a panel is to be read; it is, unless a viewer can do without."""
        return True

    @abstractmethod
    def show(self, contents: Mapping[str, Content]) -> None:
        """The panels of one frame that have something new."""

    def wait(self) -> None:
        """Returns when the next frame may be tracked: at once, unless somebody has paused."""

    def close(self) -> None:
        """The sequence has ended, in whichever way."""


class TerminalViewer(Viewer):
    """A line for each frame on the standard output."""

    def __init__(self, name: str, num_frames: int | None = None) -> None:
        self._name = name
        self._length = "" if num_frames is None else f"/{num_frames}"

    def wants(self, panel: str) -> bool:
        """The status alone."""
        return panel == STATUS

    def show(self, contents: Mapping[str, Content]) -> None:
        """Print frame number, score and flag."""
        status = contents[STATUS]
        assert isinstance(status, Status)
        values = status.values
        score = values.get("score")
        shown = "" if score is None else f": score {score:.3f}"
        print(f"{self._name} frame {values['frame']}{self._length}{shown} {values.get('flag', '')}".rstrip())
