"""The scores of one run after the other, from files or from the cache, on several cores where there is much to read."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import sys
import warnings
from collections.abc import Sequence as SequenceOf
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ltr.common.environment import env_settings
from ltr.common.errors import InputError
from ltr.common.interruption import leave_to_parent
from ltr.common.types import Array
from pytracking.analysis.result_files import ResultFile, parse_column, read_info
from pytracking.analysis.score_cache import code_hash, load_entries, save_entries
from pytracking.scoring.metrics import ERROR_THRESHOLDS, NORM_ERROR_THRESHOLDS, THRESHOLDS, score_boxes
from pytracking.scoring.rows import RowCountWarning
from pytracking.scoring.truth import Truth

SINGLE_NUMBERS = 4  # of a sequence beside its curves: average overlap, fps, memory, rows
PARALLEL_FRAMES = 5_000_000  # in all runs; fewer are scored before worker processes have started


@dataclass(frozen=True)
class ScoringOptions:
    """How scores are computed; the defaults are the definition of both conventions."""

    overlap_thresholds: Array = field(default_factory=lambda: THRESHOLDS)  # (T,) ascending
    exclude_invalid: bool = False  # divide by the frames with a valid ground-truth box
    cache: Path | None = field(default_factory=lambda: env_settings().result_plot_path / "scores")  # None: no cache
    workers: int | None = None  # processes; None: one for each core where there is much to read


@dataclass(frozen=True)
class RunJob:
    """Results of one run."""

    folder: str
    results: SequenceOf[ResultFile | None]  # S, None where one is missing


@dataclass(frozen=True)
class RunTables:
    """Scores of one run; NaN where a result is missing or a number is not known.

    A result that is cut off, with fewer or more rows than its own record says, has a number of rows and no scores.
    """

    success: Array  # (S, T)
    precision: Array  # (S, 51)
    norm_precision: Array  # (S, 51)
    average_overlap: Array  # (S,)
    fps: Array  # (S,)
    peak_memory: Array  # (S,)
    rows: Array  # (S,) of the file

    @classmethod
    def from_numbers(cls, numbers: Array) -> RunTables:
        """From rows of `_numbers`, (S, K)."""
        errors, norm_errors = len(ERROR_THRESHOLDS), len(NORM_ERROR_THRESHOLDS)
        success = numbers.shape[1] - errors - norm_errors - SINGLE_NUMBERS
        curves = np.split(numbers[:, :-SINGLE_NUMBERS], (success, success + errors), axis=1)
        return cls(*curves, *numbers[:, -SINGLE_NUMBERS:].T)


def score_runs(jobs: SequenceOf[RunJob], truths: SequenceOf[Truth], options: ScoringOptions) -> list[RunTables]:
    """Scores of each run. Raises InputError naming a file that cannot be scored."""
    scorer = _RunScorer(truths, options)
    frames = sum(len(truth.boxes) for truth in truths) * len(jobs)
    workers = options.workers if options.workers is not None else (_cores() if frames >= PARALLEL_FRAMES else 1)
    workers = min(workers, len(jobs))
    if workers <= 1 or sys.platform != "linux":
        return [scorer(job) for job in jobs]
    # Forked, so that a caller's script needs no `if __name__ == "__main__"`; the workers use numpy and pandas alone.
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(workers, context, _set_scorer, (scorer,)) as pool:
        return list(pool.map(_score_in_worker, jobs))


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1


_scorer: _RunScorer


def _set_scorer(scorer: _RunScorer) -> None:
    global _scorer  # noqa: PLW0603 - what a worker process scores with
    leave_to_parent()
    _scorer = scorer


def _score_in_worker(job: RunJob) -> RunTables:
    return _scorer(job)


class _RunScorer:
    """Scores runs against the same ground truth."""

    def __init__(self, truths: SequenceOf[Truth], options: ScoringOptions) -> None:
        self.truths = truths
        self.options = options
        common = repr((code_hash(), options.overlap_thresholds.tolist(), options.exclude_invalid)).encode()
        self.keys = [hashlib.sha256(common + truth.key()).digest() for truth in truths]
        curves = (options.overlap_thresholds, ERROR_THRESHOLDS, NORM_ERROR_THRESHOLDS)
        self.size = sum(map(len, curves)) + SINGLE_NUMBERS

    def __call__(self, job: RunJob) -> RunTables:
        cache = self._cache_file(job)
        entries = load_entries(cache) if cache else {}
        numbers = np.full((len(self.truths), self.size), np.nan)
        is_changed = False
        for row, truth, truth_key, result in zip(numbers, self.truths, self.keys, job.results, strict=True):
            if result is None:
                continue
            content, side = result.boxes.read_bytes(), _side_content(result)
            key = _key(truth_key, result, content, side)
            stored = entries.get(f"{truth.dataset}/{truth.name}")
            if stored is not None and stored[0] == key and len(stored[1]) == self.size:
                row[:] = stored[1]
                continue
            row[:] = self._numbers(truth, result, content, side)
            entries[f"{truth.dataset}/{truth.name}"] = key, row
            is_changed = True
        if cache and is_changed:
            save_entries(cache, {name: entry for name, entry in entries.items() if len(entry[1]) == self.size})
        return RunTables.from_numbers(numbers)

    def _cache_file(self, job: RunJob) -> Path | None:
        """One file per folder and way of scoring, so that two conventions do not displace each other's scores."""
        if self.options.cache is None:
            return None
        rules = sorted({repr(truth.rules) for truth in self.truths})
        options = self.options.overlap_thresholds.tolist(), self.options.exclude_invalid
        name = hashlib.sha256(repr((str(Path(job.folder).absolute()), rules, options)).encode()).hexdigest()[:24]
        return self.options.cache / f"{name}.npz"

    def _numbers(self, truth: Truth, result: ResultFile, content: bytes, side: bytes) -> Array:
        """Success, precision and normalized precision, then the single numbers (K,)."""
        boxes = result.read_boxes(content, truth.pixel_origin)
        if result.is_cut_off(len(boxes), side):
            return np.append(np.full(self.size - 1, np.nan), len(boxes))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RowCountWarning)  # `evaluate` tells of all results together
                curves = score_boxes(
                    boxes,
                    truth.boxes,
                    truth.rules,
                    truth.visible,
                    truth.image_size,
                    truth.pixel_origin,
                    self.options.overlap_thresholds,
                    self.options.exclude_invalid,
                    truth.offsets,
                )
        except ValueError as error:
            raise InputError(f"{result.boxes}: {error}") from error
        single = (curves.average_overlap, *_speed(result, side, len(boxes)), len(boxes))
        return np.concatenate((curves.success, curves.precision, curves.norm_precision, single))


def _key(truth_key: bytes, result: ResultFile, content: bytes, side: bytes) -> str:
    digest = hashlib.sha256(truth_key)
    digest.update(repr((result.one_based, result.lost_boxes, result.info is None, len(side))).encode())
    digest.update(side)
    digest.update(content)
    return digest.hexdigest()


def _side_content(result: ResultFile) -> bytes:
    """Content of the file that knows the speed: the record of the run, which is short, else the times."""
    path = result.info or result.time
    return path.read_bytes() if path else b""


def _speed(result: ResultFile, side: bytes, rows: int) -> tuple[float, float]:
    """Frames per second and peak memory in bytes, NaN where unknown. Raises InputError for times of other frames."""
    if result.info:
        info = read_info(side)
        return info["fps"], info["peak_memory"]
    if result.time:
        seconds = parse_column(side, result.time)
        if len(seconds) != rows:
            raise InputError(
                f"{result.time}: expected {rows} seconds, one for each box, found {len(seconds)}; correct or remove it"
            )
        total = float(seconds.sum())
        return (len(seconds) / total if total > 0 else float("nan")), float("nan")
    return float("nan"), float("nan")
