"""What a person sees while sequences are tracked: a live view in a terminal, one line per sequence elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from pytracking.evaluation.jobs import Job, Outcome

FPS_MEANING = "fps = frames / seconds in the tracker; reading images and loading the network are not counted"
SHOWN_RUNNING = 16
RATE_SPAN = 600.0  # seconds of which the speed of the run is the mean


@dataclass
class _Scores:
    sequences: int = 0
    total: float = 0.0


@dataclass
class _Running:
    finished: int = 0
    total: int | None = None


@dataclass
class ProgressReport:
    """Progress of a run, as a context manager; a `Listener` of the dispatcher."""

    total: int  # jobs
    console: Console
    frames_of: Callable[[Job], int | None] = lambda job: None
    frames_left: int | None = None  # None: unknown
    finished: int = 0  # those that were there before included
    done: int = 0
    failed: int = 0
    scores: dict[str, _Scores] = field(default_factory=dict)  # by tracker and parameters, of what this run tracked
    _running: dict[Job, _Running] = field(default_factory=dict)
    _frames: int = 0  # tracked
    _marks: list[tuple[float, int]] = field(default_factory=list)  # (time, frames so far)
    _live: Live | None = None

    def __enter__(self) -> Self:
        self._marks = [(time.monotonic(), 0)]
        if self.console.is_terminal:
            # Drawing takes time from a tracker in this process that is being timed.
            self._live = Live(console=self.console, get_renderable=self._view, refresh_per_second=2, transient=True)
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._live is not None:
            self._live.stop()

    def start(self, job: Job) -> None:
        """A job begins."""
        self._running[job] = _Running()

    def frame(self, job: Job, finished: int, total: int) -> None:
        """Frames are finished."""
        running = self._running.setdefault(job, _Running())
        self._count(max(0, finished - running.finished))
        running.finished, running.total = finished, total

    def notice(self, text: str) -> None:
        """Something happened that ends no job."""
        self._print(text)

    def finish(self, job: Job, outcome: Outcome) -> None:
        """A job is finished, in whichever way."""
        running = self._running.pop(job, _Running())
        self.finished += 1
        if outcome.status == "done":
            self.done += 1
            self._count(max(0, outcome.frames - running.finished))
        self.failed += outcome.status == "failed"
        if self.frames_left is not None:
            self.frames_left -= self.frames_of(job) or 0
        if outcome.auc is not None:
            scores = self.scores.setdefault(f"{job.tracker.name} {job.tracker.variant}", _Scores())
            scores.sequences += 1
            scores.total += outcome.auc
        left = self.seconds_left()
        rest = "" if self.console.is_terminal or left is None else f"; {describe_seconds(left)} left"
        self._print(f"[{self.finished}/{self.total}] {outcome.describe()}{rest}")

    def fps(self) -> float:
        """Frames of all workers per second of this run, reading images included; of the last minutes."""
        first = next((mark for mark in self._marks if mark[0] >= time.monotonic() - RATE_SPAN), self._marks[-1])
        return (self._frames - first[1]) / max(1e-9, time.monotonic() - first[0])

    def seconds_left(self) -> float | None:
        """By the frames that are left and the speed so far; None where one is not known."""
        if self.frames_left is None or self._frames == 0:
            return None
        partly = sum(running.finished for running in self._running.values())
        left = self.frames_left - partly
        return left / self.fps() if left > 0 else None

    def _count(self, frames: int) -> None:
        self._frames += frames
        now = time.monotonic()
        if now - self._marks[-1][0] >= RATE_SPAN / 60:
            self._marks = [mark for mark in self._marks if mark[0] >= now - 2 * RATE_SPAN]
            self._marks.append((now, self._frames))

    def _print(self, text: str) -> None:
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def _view(self) -> RenderableType:
        left = self.seconds_left()
        counts = f"{self.finished}/{self.total} finished, {len(self._running)} running, {self.failed} failed"
        speed = f"{self.fps():.1f} fps" + ("" if left is None else f", {describe_seconds(left)} left")
        bar = Table.grid(padding=(0, 2))
        bar.add_row(ProgressBar(self.total, self.finished, width=30), counts, speed)
        parts: list[RenderableType] = [bar]
        for job, running in list(self._running.items())[:SHOWN_RUNNING]:
            frames = f"frame {running.finished}/{running.total}" if running.total else "starting"
            parts.append(Text(f"  {job.name}: {frames}", no_wrap=True, overflow="ellipsis"))
        if self.scores:
            parts.append(Text("mean AUC of what this run tracked:"))
            parts += [Text(f"  {line}") for line in self.score_lines()]
        return Group(*parts)

    def score_lines(self) -> list[str]:
        """A line for each tracker with its mean AUC."""
        width = max(map(len, self.scores), default=0)
        return [
            f"{name:{width}}  {scores.total / scores.sequences:.3f}  ({scores.sequences} sequences)"
            for name, scores in sorted(self.scores.items())
        ]


def describe_seconds(seconds: float) -> str:
    """A duration as people say it: `3 d 4 h`, `2 h 05 min`, `12 min`, `40 s`."""
    minutes, hours = round(seconds / 60), round(seconds / 3600)
    if seconds < 60:
        return f"{seconds:.0f} s"
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{hours // 24} d {hours % 24} h"
