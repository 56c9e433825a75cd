"""Scores of the reset-based experiment from raw results, ours or anybody's.

    from pytracking.VOT.analysis import score_tracker
    scores = score_tracker("results/DaSiamRPN", sequences, read_protocol("vot2018"))
    print(scores.eao, scores.accuracy, scores.robustness)

Two conventions: `challenge` gives the numbers that the challenges and the papers published, `toolkit` those of
vot-toolkit (Python). `docs/vot.md` says in what they differ.
"""

from __future__ import annotations

import re
from collections.abc import Sequence as SequenceOf
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ltr.common.errors import InputError
from ltr.common.types import Array
from ltr.dataset.regions import Regions
from pytracking.VOT import measures
from pytracking.VOT.measures import Run
from pytracking.VOT.overlap import Convention, region_overlaps
from pytracking.VOT.protocols import Protocol
from pytracking.VOT.regions import read_regions
from pytracking.VOT.sequences import VOTSequence

_COLUMNS = ("name", "EAO", "A", "-ln R_S", "failures", "rtEAO")


@dataclass(frozen=True)
class VOTScores:
    """Scores of one tracker in one experiment."""

    name: str
    convention: Convention
    sequences: tuple[str, ...]  # S
    frames: Array  # (S,) frames of each sequence
    runs: Array  # (S,) repetitions of each sequence
    eao: float  # expected average overlap, mean over the protocol's interval of lengths
    accuracy: float  # mean overlap after the burn-in
    robustness: float  # -ln R_S = S * failures / frames
    failures: float  # of all sequences together, mean over the repetitions
    eao_curve: Array  # (L,) expected average overlap by frames after the start
    sequence_accuracy: Array  # (S,)
    sequence_failures: Array  # (S,) mean over the repetitions
    sequence_robustness: Array  # (S,) S * failures / frames of the sequence

    def record(self) -> dict[str, Any]:
        """Everything as JSON data."""
        columns = ("frames", "runs", "sequence_accuracy", "sequence_failures", "sequence_robustness")
        rows = zip(self.sequences, *(getattr(self, name) for name in columns), strict=True)
        keys = ("name", "frames", "runs", "accuracy", "failures", "robustness")
        numbers = {name: _number(getattr(self, name)) for name in ("eao", "accuracy", "robustness", "failures")}
        per_sequence = [dict(zip(keys, (row[0], *map(_number, row[1:])), strict=True)) for row in rows]
        curve = [_number(value) for value in self.eao_curve]
        return {
            "name": self.name,
            "convention": self.convention,
            **numbers,
            "sequences": per_sequence,
            "eao_curve": curve,
        }


def score_tracker(
    folder: str | Path,
    sequences: SequenceOf[VOTSequence],
    protocol: Protocol,
    experiment: str = "baseline",
    convention: Convention = "challenge",
    name: str | None = None,
) -> VOTScores:
    """Scores from `<folder>/<experiment>/<sequence>/<sequence>_001.txt` (or `.bin`), `_002` and so on.

    `folder` is that of one tracker, or of one of its experiments.
    Raises InputError for missing or malformed results and for rows that are not one for each frame.
    """
    folder = Path(folder)
    runs = [read_runs(_experiment_folder(folder, experiment), sequence, convention) for sequence in sequences]
    named = name or (folder.parent.name if folder.name == experiment else folder.name)
    return score_runs(named, [sequence.name for sequence in sequences], runs, protocol, convention)


def score_runs(
    name: str,
    sequence_names: SequenceOf[str],
    runs: SequenceOf[SequenceOf[Run]],  # at least one of each sequence
    protocol: Protocol,
    convention: Convention = "challenge",
) -> VOTScores:
    """Scores of runs whose overlaps are known. Raises InputError without sequences."""
    if not runs:
        raise InputError("expected at least one sequence to score, found none")
    frames = np.array([len(of_sequence[0].kinds) for of_sequence in runs])
    failures = np.array([measures.mean_failures(of_sequence) for of_sequence in runs])
    curve = measures.eao_curve(runs, convention)
    burn_in, sensitivity = protocol.burn_in, protocol.sensitivity
    return VOTScores(
        name,
        convention,
        tuple(sequence_names),
        frames,
        np.array([len(of_sequence) for of_sequence in runs]),
        eao=measures.eao_score(curve, protocol.eao_interval, convention),
        accuracy=measures.mean_accuracy(runs, burn_in, convention),
        robustness=sensitivity * measures.failure_rate(runs, convention),
        failures=float(failures.sum()),
        eao_curve=curve,
        sequence_accuracy=np.array([measures.sequence_accuracy(s, burn_in, convention) for s in runs]),
        sequence_failures=failures,
        sequence_robustness=sensitivity * failures / frames,
    )


def read_runs(folder: Path, sequence: VOTSequence, convention: Convention = "challenge") -> list[Run]:
    """The repetitions on one sequence, with their overlaps. Raises InputError as `score_tracker`."""
    files = _repetitions(folder / sequence.name, sequence.name)
    if not files:
        raise InputError(
            f"no result of sequence '{sequence.name}' in {folder}; expected {sequence.name}/{sequence.name}_001.txt\n"
            "  run the experiment on it, or give the folder of one tracker"
        )
    known: dict[bytes, Run] = {}
    runs = []
    for path in files:
        content = path.read_bytes()
        if content not in known:  # equal repetitions of a deterministic tracker are drawn once
            known[content] = _read_run(path, sequence, convention)
        runs.append(known[content])
    return runs


def format_scores(rows: SequenceOf[tuple[VOTScores, VOTScores | None]]) -> str:
    """A table with a row for each tracker: its scores, and those of the real-time experiment where it has one."""
    cells = [
        (s.name, f"{s.eao:.3f}", f"{s.accuracy:.3f}", f"{s.robustness:.3f}", f"{s.failures:.1f}", _eao_text(real_time))
        for s, real_time in rows
    ]
    return _aligned([_COLUMNS, *cells])


def format_sequences(scores: VOTScores) -> str:
    """A table with a row for each sequence."""
    rows = zip(
        scores.sequences,
        scores.frames,
        scores.runs,
        scores.sequence_accuracy,
        scores.sequence_failures,
        scores.sequence_robustness,
        strict=True,
    )
    cells = [(name, f"{n}", f"{r}", f"{a:.3f}", f"{f:.2f}", f"{x:.3f}") for name, n, r, a, f, x in rows]
    return _aligned([("sequence", "frames", "runs", "A", "failures", "-ln R_S"), *cells])


def _read_run(path: Path, sequence: VOTSequence, convention: Convention) -> Run:
    regions: Regions = read_regions(path)
    if len(regions) != len(sequence.truth):
        raise InputError(
            f"{path}: expected {len(sequence.truth)} rows, one for each frame of {sequence.name}, found {len(regions)}"
        )
    return Run(regions.kinds, region_overlaps(regions, sequence.truth, sequence.size, convention))


def _experiment_folder(folder: Path, experiment: str) -> Path:
    if folder.name == experiment or (folder / experiment).is_dir():
        return folder if folder.name == experiment else folder / experiment
    raise InputError(f"expected results of the experiment '{experiment}' in {folder / experiment}, found no folder")


def _repetitions(folder: Path, sequence: str) -> list[Path]:
    """Files of the repetitions in order; where both forms are there, the text."""
    pattern = re.compile(re.escape(sequence) + r"_(\d{3})\.(txt|bin)")
    names = sorted(path.name for path in folder.glob("*")) if folder.is_dir() else []
    found = {match[1]: folder / name for name in names if (match := pattern.fullmatch(name))}
    return [found[number] for number in sorted(found)]


def _eao_text(scores: VOTScores | None) -> str:
    return "-" if scores is None else f"{scores.eao:.3f}"


def _aligned(rows: SequenceOf[SequenceOf[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def _number(value: Any) -> float | int | None:
    """A plain number; None for NaN, which JSON does not know."""
    plain: float | int = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(plain, float) and np.isnan(plain) else plain
