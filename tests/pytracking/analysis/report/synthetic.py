"""Evaluations and reports without trackers."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from pytracking.analysis.evaluation import Evaluation, TrackerScores
from pytracking.analysis.report.report import Report, make_report
from pytracking.analysis.result_files import RawResults
from tests.pytracking.dummy import make_sequence

SEQUENCES = ("cat", "dog", "horse", "kite", "rabbit")
ATTRIBUTES = {"OCC": ["cat", "kite"], "FM": ["dog", "horse", "rabbit"], "LR": ["cat", "dog"], "OV": ["nothing"]}
FRAMES = 6
THRESHOLDS = np.linspace(0, 1, 21), np.arange(51.0), np.arange(51) / 100


def make_scores(name: str, quality: np.ndarray, fps: float = 20.0, memory: float = np.nan) -> TrackerScores:
    """Scores of a tracker whose curves are straight lines; `quality` (R, S) is the success at threshold 0."""
    runs, sequences = quality.shape
    rise = np.minimum(1, np.arange(1, 52) / 40)
    return TrackerScores(
        name,
        name.lower(),
        tuple(range(runs)) if runs > 1 else (None,),
        success=quality[:, :, None] * np.linspace(1, 0, 21),
        precision=quality[:, :, None] * rise,
        norm_precision=quality[:, :, None] * rise / 2,
        average_overlap=quality / 2,
        fps=np.full((runs, sequences), fps),
        peak_memory=np.full((runs, sequences), memory),
        frames=np.full(sequences, FRAMES),
    )


def make_evaluation(
    names: tuple[str, ...] = ("good", "fair", "poor"), runs: int = 2, convention: str = "official"
) -> Evaluation:
    """Trackers each worse than the one before, by 0.2 on average; every other one has a single run."""
    base = np.array([0.9, 0.8, 0.6, 0.95, 0.7])
    trackers = []
    for place, name in enumerate(names):
        count = runs if place % 2 == 0 else 1
        spread = 0.01 * np.arange(count)[:, None]
        quality = base - 0.2 * place + spread + 0.02 * np.sin(np.arange(5) * (place + 1))
        trackers.append(make_scores(name, quality, 20.0 + place, (place + 1) * 2.0**30))
    return Evaluation("dummy", convention, SEQUENCES, tuple(trackers), *THRESHOLDS)


def without_result(evaluation: Evaluation, tracker: int, run: int, sequence: int) -> Evaluation:
    """The evaluation with one result missing."""
    scores = evaluation.trackers[tracker]
    names = ("success", "precision", "norm_precision", "average_overlap")
    tables = {name: getattr(scores, name).copy() for name in names}
    for table in tables.values():
        table[run, sequence] = np.nan
    trackers = list(evaluation.trackers)
    trackers[tracker] = replace(scores, **tables)
    return replace(evaluation, trackers=tuple(trackers))


def make_files(folder: Path, evaluation: Evaluation) -> tuple[list, dict[str, list[RawResults]]]:
    """Sequences with images, and result files of every tracker and run."""
    sequences = [make_sequence(folder / "images", name, FRAMES) for name in evaluation.sequences]
    sources = {}
    for place, tracker in enumerate(evaluation.trackers):
        runs = []
        for run in range(len(tracker.run_ids)):
            results = folder / "results" / f"{place}_{run}"
            results.mkdir(parents=True)
            for sequence in sequences:
                np.savetxt(
                    results / f"{sequence.name}.txt",
                    sequence.ground_truth_rect + np.array([place, place, 0, 0]),
                    fmt="%.2f",
                    delimiter="\t",
                )
            runs.append(RawResults(tracker.name, results, tracker.run_ids[run]))
        sources[tracker.name] = runs
    return sequences, sources


def make_full_report(folder: Path, evaluation: Evaluation | None = None, **options: object) -> Report:
    """Report with all its parts."""
    evaluation = evaluation or make_evaluation()
    sequences, sources = make_files(folder, evaluation)
    titles = {"OCC": "Occlusion", "FM": "Fast Motion"}
    return make_report(evaluation, sources, sequences, ATTRIBUTES, titles, **options)
