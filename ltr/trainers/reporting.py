"""What a training shows: a line while it runs, a line for each epoch, curves for tensorboard."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

LINE_INTERVAL = 60.0  # seconds between lines where there is no terminal to draw on
DRAW_INTERVAL = 0.25
EXTRA = "pip install 'rls-onlinetrack[train]'"


@dataclass
class Clock:
    """Seconds spent waiting for data and in all, and how long the rest will take."""

    data: float = 0.0
    total: float = 0.0
    iterations: int = 0
    samples: int = 0

    def add(self, data: float, total: float, samples: int) -> None:
        """One iteration, of which `data` seconds were spent waiting for its batch."""
        self.data += data
        self.total += total
        self.samples += samples
        self.iterations += 1

    @property
    def data_share(self) -> float:
        """Share of the time in which the network waited for data."""
        return self.data / self.total if self.total else 0.0

    @property
    def rate(self) -> float:
        """Samples per second."""
        return self.samples / self.total if self.total else 0.0

    def left(self, iterations: int) -> float:
        """Seconds for so many more iterations."""
        return iterations * self.total / self.iterations if self.iterations else float("nan")


class Progress:
    """Progress of a training on standard error: a line that is redrawn on a terminal, otherwise one a minute."""

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet
        self._display: Any = None
        self._task: Any = None
        self._last = time.monotonic()

    def __enter__(self) -> Progress:
        if not self.quiet and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
            from rich.progress import Progress as Display

            columns = (
                TextColumn("{task.description}"),
                BarColumn(20),
                MofNCompleteColumn(),
                TextColumn("{task.fields[text]}"),
            )
            # Drawn by this thread alone: a thread that draws would hold locks while the workers are forked.
            self._display = Display(*columns, console=Console(stderr=True), auto_refresh=False, transient=True)
            self._display.start()
            self._task = self._display.add_task("", text="")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._display is not None:
            self._display.stop()

    def say(self, text: str) -> None:
        """A line that stays."""
        if self.quiet:
            return
        if self._display is not None:
            self._display.console.print(text, highlight=False, markup=False, soft_wrap=True)
        else:
            print(text, file=sys.stderr, flush=True)

    def show(self, what: str, done: int, of: int, stats: Mapping[str, float], clock: Clock, left: float) -> None:
        """State of the work: `what`, iterations done, averages, time left in seconds."""
        now = time.monotonic()
        if self.quiet or now - self._last < (LINE_INTERVAL if self._display is None else DRAW_INTERVAL):
            return
        self._last = now
        text = (
            f"{stats_text(stats, 4)} | {clock.rate:.1f} samples/s, data {clock.data_share:.0%} | {duration(left)} left"
        )
        if self._display is None:
            print(f"{what}: {done} of {of} | {text}", file=sys.stderr, flush=True)
        else:
            self._display.update(self._task, description=what, completed=done, total=of, text=text, refresh=True)


class Curves:
    """Curves for tensorboard; none where it is not wanted or not installed."""

    def __init__(self, folder: Path, wanted: bool, first_epoch: int) -> None:
        """Curves from `first_epoch` on replace those that an earlier process drew. See `note` for what is missing."""
        self.note = ""
        self._writer: Any = None
        if not wanted:
            return
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            self.note = f"tensorboard is not installed: no curves are drawn; install the extra `train`: {EXTRA}"
            return
        self._writer = SummaryWriter(str(folder), purge_step=first_epoch)

    def add(self, epoch: int, values: Mapping[str, float]) -> None:
        """Points of an epoch. Raises OSError where they cannot be written."""
        if self._writer is not None:
            for name, value in values.items():
                self._writer.add_scalar(name, value, epoch)
            self._writer.flush()

    def close(self) -> None:
        """Write what is left, and end."""
        if self._writer is not None:
            self._writer.close()


def stats_text(stats: Mapping[str, float], limit: int | None = None) -> str:
    """`name value` of the statistics, of the first `limit` at most."""
    return ", ".join(f"{name} {value:.4g}" for name, value in list(stats.items())[:limit]) or "no statistics"


def duration(seconds: float) -> str:
    """Seconds as hours:minutes:seconds, `?` where unknown."""
    if math.isnan(seconds):
        return "?"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"
