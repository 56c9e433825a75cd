"""Each part of the check in a process of its own: where one crashes, the others go on."""

from __future__ import annotations

import faulthandler
import json
import multiprocessing
import os
import signal
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytracking.util_scripts.check_device.results import Measurement, PartResult

SHOWN_OUTPUT = 4000  # characters of what a part printed that are kept
TIME_LIMIT = 600.0  # seconds; the slowest part takes one minute on two CPU cores


@dataclass(frozen=True)
class Setting:
    """What is checked, and how long."""

    device: str
    frames: int = 60  # of each video


@dataclass
class Found:
    """What a check hands back."""

    measurements: list[Measurement]
    facts: dict[str, Any]


Check = Callable[[Setting], Found]


@dataclass(frozen=True)
class Part:
    name: str
    check: Check  # of a module's own names, for another process to find


def run_part(part: Part, setting: Setting, time_limit: float = TIME_LIMIT) -> PartResult:
    """Run a check in a new process; what ends it, a crash included, is part of the result."""
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        answer, log = Path(folder, "answer.json"), Path(folder, "log.txt")
        process = multiprocessing.get_context("spawn").Process(target=_answer, args=(part.check, setting, answer, log))
        process.start()
        try:
            process.join(time_limit)
            is_late = process.is_alive()
        finally:
            process.kill()
            process.join()
        result = _read(part.name, answer)
        if result is None:
            error = f"it took more than {time_limit:.0f} s" if is_late else _how_it_ended(process.exitcode)
            result = PartResult(part.name, error=error)
        result.output = log.read_text(errors="replace")[-SHOWN_OUTPUT:] if log.exists() else ""
    result.seconds = time.perf_counter() - start
    return result


def _answer(check: Check, setting: Setting, answer: Path, log: Path) -> None:
    """In the new process: check, and write down what was found."""
    with log.open("wb") as file:  # all output, that of libraries included
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    faulthandler.enable()
    try:
        found = check(setting)
        data: dict[str, Any] = {"measurements": [vars(m) for m in found.measurements], "facts": found.facts}
    except Exception:
        data = {"error": traceback.format_exc()}
    unfinished = answer.with_suffix(".part")
    unfinished.write_text(json.dumps(data))
    unfinished.replace(answer)


def _read(name: str, answer: Path) -> PartResult | None:
    if not answer.exists():
        return None
    data = json.loads(answer.read_text())
    if "error" in data:
        return PartResult(name, error=data["error"])
    return PartResult(name, [Measurement(**entry) for entry in data["measurements"]], data["facts"])


def _how_it_ended(code: int | None) -> str:
    if code is not None and code < 0:
        return f"its process was killed by {signal.Signals(-code).name}"
    return f"its process ended with status {code}"
