"""What a person sees while sequences are tracked: bars in a terminal, one line per sequence elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

FPS_MEANING = "fps = frames / seconds in the tracker; reading images and loading the network are not counted"


@dataclass(frozen=True)
class Outcome:
    """What became of one sequence with one tracker."""

    tracker: str  # display name
    sequence: str
    status: Literal["done", "skipped", "failed", "stopped"]
    frames: int = 0
    seconds: float = 0.0  # in the tracker
    message: str = ""  # of a failure
    traceback: str = ""  # of a failure that is not the input's fault
    fatal: bool = False  # further sequences cannot succeed either

    @property
    def fps(self) -> float:
        """Frames per second of tracker time."""
        return self.frames / self.seconds if self.seconds > 0 else float("nan")

    def describe(self) -> str:
        """One line for the terminal."""
        if self.status == "done":
            text = f"{self.frames} frames, {self.fps:.1f} fps"
        elif self.status == "skipped":
            text = "skipped: results exist (use --overwrite)"
        else:
            text = "stopped" if self.status == "stopped" else f"FAILED: {self.message.splitlines()[0]}"
        return f"{self.tracker} {self.sequence}: {text}"


class ProgressReport:
    """Progress of a number of sequences, as a context manager."""

    def __init__(self, total: int, console: Console, with_frames: bool) -> None:
        self.console = console
        self.total = total
        self.finished = 0
        self._progress = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
            console=console, transient=True, disable=not console.is_terminal,
            refresh_per_second=4,  # drawing takes time from the tracker that is being timed
        )  # fmt: skip
        self._sequences = self._progress.add_task("sequences", total=total)
        self._frames = self._progress.add_task("frames", total=None, visible=False) if with_frames else None

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._progress.stop()

    def start(self, tracker: str, sequence: str) -> None:
        """A sequence begins."""
        if self._frames is not None:
            self._progress.reset(self._frames, description=f"{tracker} {sequence}", visible=True)

    def on_frame(self, finished: int, total: int) -> None:
        """A frame is finished."""
        if self._frames is not None:
            self._progress.update(self._frames, completed=finished, total=total)

    def finish(self, outcome: Outcome) -> None:
        """A sequence is finished, in whichever way."""
        self.finished += 1
        self._progress.update(self._sequences, completed=self.finished)
        line = f"[{self.finished}/{self.total}] {outcome.describe()}"
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)
