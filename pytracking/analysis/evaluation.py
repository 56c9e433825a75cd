"""Scores of trackers over runs and sequences, from stored result files.

from pytracking.analysis.evaluation import evaluate
evaluation = evaluate(trackerlist("dimp", "rls_dimp50", range(5)), get_dataset("otb"))
scores = evaluation.trackers[0]
print(scores.name, scores.mean(scores.auc), scores.std(scores.auc))
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Sequence as SequenceOf
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from ltr.common.errors import InputError, unknown_name
from ltr.common.types import Array
from pytracking.analysis.result_files import ResultFile, ResultSource, find_results
from pytracking.analysis.run_scores import RunJob, RunTables, ScoringOptions, score_runs
from pytracking.evaluation.data import Sequence
from pytracking.evaluation.result_identity import check_images, described_once
from pytracking.scoring.metrics import ERROR_THRESHOLDS, NORM_ERROR_THRESHOLDS
from pytracking.scoring.rows import RowCountWarning, row_text
from pytracking.scoring.truth import Truth, read_truth

# Positions in the curves, whose steps are 1 pixel and 0.01 target sizes.
PRECISION_LIMIT = 20  # pixels
SHOWN_COUNTS = 10  # results that a warning lists
NORM_PRECISION_LIMIT = 20  # hundredths of the target size
_DAMAGED = "other than its record says, so that it counts as missing; run the tracker on it again"
_TABLES = ("success", "precision", "norm_precision", "average_overlap", "fps", "peak_memory")  # (R, S, ...)


@dataclass(frozen=True)
class TrackerScores:
    """Scores of one tracker: R runs on S sequences, as fractions of 1; NaN where a result is missing.

    The properties `auc` ... `norm_precision_score` are (R, S) tables; `run_means`, `mean` and `std` make data-set
    scores of any of them, or of another (R, S) table.
    """

    name: str  # display name
    parameter_name: str
    run_ids: tuple[int | None, ...]  # R
    success: Array  # (R, S, 21) share of frames with overlap > t
    precision: Array  # (R, S, 51) share of frames with center error <= 0..50 pixels
    norm_precision: Array  # (R, S, 51) share of frames with normalized error <= 0..0.5
    average_overlap: Array  # (R, S) mean overlap of the frames with a target
    fps: Array  # (R, S) frames / seconds, NaN unknown
    peak_memory: Array  # (R, S) bytes, NaN unknown
    weights: Array | None = None  # (S,) weight of each sequence in data-set scores; None: all the same
    frames: Array | None = None  # (S,) frames of each sequence; None: unknown

    @property
    def auc(self) -> Array:
        """Area under the success curve, the mean of its values, (R, S)."""
        return np.asarray(self.success.mean(axis=2))

    @property
    def op50(self) -> Array:
        """Share of frames with overlap > 0.5, (R, S)."""
        return self._success_above(0.5)

    @property
    def op75(self) -> Array:
        """Share of frames with overlap > 0.75, (R, S)."""
        return self._success_above(0.75)

    @property
    def precision_score(self) -> Array:
        """Share of frames with a center error <= 20 pixels, (R, S)."""
        return np.asarray(self.precision[:, :, PRECISION_LIMIT])

    @property
    def norm_precision_score(self) -> Array:
        """Share of frames with a normalized error <= 0.2, (R, S)."""
        return np.asarray(self.norm_precision[:, :, NORM_PRECISION_LIMIT])

    def run_means(self, scores: Array) -> Array:
        """Data-set score of each run: `scores` (R, S) or (R, S, T) -> (R,) or (R, T); NaN where a result is missing."""
        return np.asarray(np.average(scores, axis=1, weights=self.weights))

    def mean(self, scores: Array) -> float:
        """Data-set score of `scores` (R, S), averaged over the runs."""
        return float(self.run_means(scores).mean())

    def std(self, scores: Array) -> float:
        """Standard deviation (ddof = 1) of the runs' data-set scores; NaN with one run."""
        return float(self.run_means(scores).std(ddof=1)) if len(self.run_ids) > 1 else float("nan")

    @property
    def mean_fps(self) -> float:
        """Frames / seconds of all runs and sequences with known speed together; NaN where none is known.

        Where `frames` is unknown every sequence counts the same.
        """
        known = np.isfinite(self.fps) & (self.fps > 0)
        frames = np.broadcast_to(np.ones(self.fps.shape[1]) if self.frames is None else self.frames, self.fps.shape)
        return float(frames[known].sum() / (frames[known] / self.fps[known]).sum()) if known.any() else float("nan")

    @property
    def max_memory(self) -> float:
        """Highest peak memory of all runs and sequences, bytes; NaN where none is known."""
        return float(np.nanmax(self.peak_memory)) if np.isfinite(self.peak_memory).any() else float("nan")

    def at(self, sequences: Array) -> TrackerScores:
        """The sequences of these indices, (K,) ints."""
        given = [name for name in ("weights", "frames") if getattr(self, name) is not None]
        tables = {name: getattr(self, name)[:, sequences] for name in _TABLES}
        return replace(self, **tables, **{name: getattr(self, name)[sequences] for name in given})

    def _success_above(self, overlap: float) -> Array:
        position = overlap * (self.success.shape[2] - 1)
        return np.asarray(self.success[:, :, round(position)])


@dataclass(frozen=True)
class RowCount:
    """A result that has not one row for each frame of its sequence."""

    tracker: str  # as in the evaluation
    run_id: int | None
    sequence: str
    rows: int
    frames: int
    text: str  # both numbers, and what became of the result

    def __str__(self) -> str:
        run = "" if self.run_id is None else f", run {self.run_id}"
        return f"{self.tracker}{run}, {self.sequence}: {self.text}"


@dataclass(frozen=True)
class Evaluation:
    """Scores of several trackers on the same sequences."""

    dataset: str  # name, or names joined by ", "
    convention: str  # "pytracking" or "official"
    sequences: tuple[str, ...]  # S
    trackers: tuple[TrackerScores, ...]
    overlap_thresholds: Array  # (21,) 0 .. 1
    error_thresholds: Array  # (51,) 0 .. 50 pixels
    norm_error_thresholds: Array  # (51,) 0 .. 0.5
    row_counts: tuple[RowCount, ...] = ()  # of every result with more or fewer rows than frames

    def subset(self, names: Iterable[str]) -> Evaluation:
        """The evaluation of some sequences, in the order of `names`. Raises InputError for an unknown name."""
        index = {name: i for i, name in enumerate(self.sequences)}
        names = tuple(names)
        for name in names:
            if name not in index:
                raise unknown_name("sequence", name, self.sequences)
        chosen, kept = np.array([index[name] for name in names], dtype=int), set(names)
        return replace(
            self,
            sequences=names,
            trackers=tuple(tracker.at(chosen) for tracker in self.trackers),
            row_counts=tuple(count for count in self.row_counts if count.sequence in kept),
        )

    def missing(self) -> list[tuple[str, int | None, str]]:
        """(tracker, run, sequence) of every result that is not there."""
        return [
            (tracker.name, tracker.run_ids[run], self.sequences[sequence])
            for tracker in self.trackers
            for run, sequence in np.argwhere(np.isnan(tracker.success[:, :, 0]))
        ]

    def complete(self) -> Evaluation:
        """The sequences that have results of all trackers and runs."""
        lacking = {sequence for _, _, sequence in self.missing()}
        return self.subset(name for name in self.sequences if name not in lacking)

    def per_attribute(self, attributes: Mapping[str, Iterable[str | Sequence]]) -> dict[str, Evaluation]:
        """The evaluation of the sequences with each attribute; attributes that none has are left out.

        `attributes` gives the sequences, or their names, of each.
        """
        names = {key: {m if isinstance(m, str) else m.name for m in members} for key, members in attributes.items()}
        chosen = {key: [name for name in self.sequences if name in members] for key, members in names.items()}
        return {key: self.subset(members) for key, members in chosen.items() if members}

    def split_runs(self) -> Evaluation:
        """Every run as a tracker of its own, named with its run number."""
        trackers = tuple(single for tracker in self.trackers for single in _runs_of(tracker))
        runs = {tracker.name: len(tracker.run_ids) for tracker in self.trackers}
        counts = (replace(c, tracker=_run_name(c.tracker, c.run_id, runs[c.tracker])) for c in self.row_counts)
        return replace(self, trackers=trackers, row_counts=tuple(counts))


def evaluate(
    trackers: SequenceOf[ResultSource],
    dataset: Iterable[Sequence],
    convention: str = "official",
    skip_missing: bool = False,
    *,
    keep_missing: bool = False,
    options: ScoringOptions | None = None,
) -> Evaluation:
    """Score stored results; trackers with the same names but for the run are the runs of one.

    A sequence without result of some tracker or run is an error; with `skip_missing` it is left out for all, with
    `keep_missing` its scores are NaN; so it is with a result that is cut off, which has not the rows that its record
    tells of. Warns with RowCountWarning, naming them, where results have other numbers of rows than their sequences
    have frames; `row_counts` holds them all. Numbers are computed anew or found in the cache of exactly these files.
    Raises InputError for missing, malformed or unscorable results, naming the file, for results of other images than
    those of the data set, and for an unknown convention.
    """
    options = options or ScoringOptions()
    groups, sequences = group_runs(trackers), _checked_sequences(dataset)
    sources = [source for group in groups for source in group]
    found = [find_results(source, list(sequences)) for source in sources]
    _check_images(found, sequences)
    kept = [name for name in sequences if skip_missing and all(name in results for results in found)]
    if not skip_missing:
        kept = list(sequences)
        if not keep_missing:
            _require_all(sources, found, kept)
    evaluation = _score(groups, found, [sequences[name] for name in kept], convention, options)
    if not (skip_missing or keep_missing):
        _require_whole(evaluation)
    if evaluation.row_counts:
        warnings.warn(f"rows that are not one for each frame:\n{_listed(evaluation.row_counts)}", RowCountWarning, 2)
    if skip_missing:
        evaluation = evaluation.complete()
    if not evaluation.sequences:
        raise InputError("expected a sequence that has results of all trackers and runs, found none; run them first")
    return evaluation


def _score(
    groups: SequenceOf[SequenceOf[ResultSource]],
    found: SequenceOf[Mapping[str, ResultFile]],  # by sequence, of each run of the groups
    sequences: SequenceOf[Sequence],
    convention: str,
    options: ScoringOptions,
) -> Evaluation:
    truths = [read_truth(sequence, convention) for sequence in sequences]
    sources = [source for group in groups for source in group]
    jobs = [
        RunJob(str(source.results_dir), [results.get(truth.name) for truth in truths])
        for source, results in zip(sources, found, strict=True)
    ]
    tables = iter(score_runs(jobs, truths, options))
    by_group = [(group, [next(tables) for _ in group]) for group in groups]
    return Evaluation(
        ", ".join(dict.fromkeys(truth.dataset for truth in truths)),
        convention,
        tuple(truth.name for truth in truths),
        tuple(_tracker_scores(group, scored, truths) for group, scored in by_group),
        options.overlap_thresholds,
        ERROR_THRESHOLDS,
        NORM_ERROR_THRESHOLDS,
        tuple(count for group, scored in by_group for count in _row_counts(group, scored, truths)),
    )


def _row_counts(
    runs: SequenceOf[ResultSource], tables: SequenceOf[RunTables], truths: SequenceOf[Truth]
) -> Iterator[RowCount]:
    """What to tell of the runs of one tracker."""
    for run, table in zip(runs, tables, strict=True):
        for rows, success, truth in zip(table.rows, table.success, truths, strict=True):
            frames = len(truth.boxes)
            if not np.isfinite(rows):
                continue
            text = row_text(int(rows), frames, truth.rules, truth.offsets)
            if np.isnan(success[0]):
                text = f"{rows:.0f} rows for {frames} frames: {_DAMAGED}"
            if text:
                yield RowCount(_group_name(runs), run.run_id, truth.name, int(rows), frames, text)


def _require_whole(evaluation: Evaluation) -> None:
    missing = {(run_id, sequence) for _, run_id, sequence in evaluation.missing()}
    damaged = [count for count in evaluation.row_counts if (count.run_id, count.sequence) in missing]
    if damaged:
        raise InputError(
            f"expected results with the rows that their records tell of, found\n{_listed(damaged)}\n"
            "  or evaluate with skip_missing=True, which leaves these sequences out"
        )


def _listed(counts: SequenceOf[RowCount]) -> str:
    more = f"\n  ... ({len(counts)} in all)" if len(counts) > SHOWN_COUNTS else ""
    return "\n".join(f"  {count}" for count in counts[:SHOWN_COUNTS]) + more


def _check_images(found: SequenceOf[Mapping[str, ResultFile]], sequences: Mapping[str, Sequence]) -> None:
    describe = described_once()
    for results in found:
        for name, file in results.items():
            if file.info:
                check_images(file.info, sequences[name], describe)


class _Identity(NamedTuple):
    name: str
    parameter_name: str
    display_name: str  # without the run


def group_runs(trackers: SequenceOf[ResultSource]) -> list[list[ResultSource]]:
    """Runs of the same tracker together, in the order of first appearance."""
    groups: dict[_Identity, list[ResultSource]] = {}
    for tracker in trackers:
        groups.setdefault(_identity(tracker), []).append(tracker)
    for identity, runs in groups.items():
        ids = [run.run_id for run in runs]
        if len(set(ids)) < len(ids):
            raise InputError(
                f"run {max(ids, key=ids.count)} of {identity.display_name} is given twice; "
                "give different trackers different display names"
            )
    if not groups:
        raise InputError("expected at least one tracker to evaluate, found none")
    return list(groups.values())


def _identity(tracker: ResultSource) -> _Identity:
    suffix = "" if tracker.run_id is None else f"_{tracker.run_id:03d}"
    return _Identity(tracker.name, tracker.parameter_name, tracker.display_name.removesuffix(suffix))


def _checked_sequences(dataset: Iterable[Sequence]) -> dict[str, Sequence]:
    sequences: dict[str, Sequence] = {}
    for sequence in dataset:
        if sequences.setdefault(sequence.name, sequence) is not sequence:
            raise InputError(f"two sequences are called '{sequence.name}'; evaluate their data sets apart")
    if not sequences:
        raise InputError("expected at least one sequence to evaluate, found none")
    return sequences


def _require_all(
    sources: SequenceOf[ResultSource], found: SequenceOf[Mapping[str, object]], names: SequenceOf[str]
) -> None:
    missing = [
        f"{source.display_name}: {name} in {source.results_dir}"
        for source, results in zip(sources, found, strict=True)
        for name in names
        if name not in results
    ]
    if missing:
        more = f"\n  ... ({len(missing)} in all)" if len(missing) > 5 else ""
        raise InputError(
            "no result of\n  " + "\n  ".join(missing[:5]) + more + "\n  run the trackers on them, or evaluate with "
            "skip_missing=True, which leaves out sequences that some tracker lacks"
        )


def _group_name(runs: SequenceOf[ResultSource]) -> str:
    return runs[0].display_name if len(runs) == 1 else _identity(runs[0]).display_name


def _tracker_scores(
    runs: SequenceOf[ResultSource], tables: SequenceOf[RunTables], truths: SequenceOf[Truth]
) -> TrackerScores:
    weights = np.array([truth.counted for truth in truths]) if all(t.rules.frames_weigh for t in truths) else None
    return TrackerScores(
        _group_name(runs),
        runs[0].parameter_name,
        tuple(run.run_id for run in runs),
        **{name: np.stack([getattr(table, name) for table in tables]) for name in _TABLES},
        weights=weights,
        frames=np.array([len(truth.boxes) for truth in truths]),
    )


def _run_name(name: str, run_id: int | None, runs: int) -> str:
    """Name of one run of a tracker that has several."""
    return name if run_id is None or runs == 1 else f"{name}_{run_id:03d}"


def _runs_of(tracker: TrackerScores) -> list[TrackerScores]:
    if len(tracker.run_ids) == 1:
        return [tracker]
    return [
        replace(
            tracker,
            name=_run_name(tracker.name, run_id, len(tracker.run_ids)),
            run_ids=(run_id,),
            **{name: getattr(tracker, name)[run : run + 1] for name in _TABLES},
        )
        for run, run_id in enumerate(tracker.run_ids)
    ]
