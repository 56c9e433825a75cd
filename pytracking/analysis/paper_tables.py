"""The paper's tables as data, and our numbers for them from stored results; nothing here needs torch.

`configs/paper/<table>.toml` holds the paper's numbers in groups (one benchmark each), `configs/sweeps/<table>.toml` and
`<table>_lite.toml` what is run for them. Rows belong together by name.
"""

from __future__ import annotations

import copy
import tomllib
import warnings
from collections.abc import Mapping
from collections.abc import Sequence as SequenceOf
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ltr.common.environment import CONFIGS
from ltr.common.errors import InputError, unknown_name
from pytracking.analysis.comparison import hard_sequences
from pytracking.analysis.evaluation import SHOWN_COUNTS, TrackerScores, evaluate
from pytracking.analysis.oxuva import count_results, oxuva_scores
from pytracking.analysis.report.speed import speed_notices
from pytracking.analysis.report.tables import Spread
from pytracking.analysis.result_files import find_results
from pytracking.evaluation.data import Sequence, SequenceList
from pytracking.evaluation.sweep import Sweep, SweepPart
from pytracking.evaluation.tracker import Tracker
from pytracking.scoring.rows import RowCountWarning

PAPER = CONFIGS / "paper"

TITLES = {
    "precision": "Prec.", "norm_precision": "Norm. prec.", "success": "Succ.", "sr50": "SR 0.5", "sr75": "SR 0.75",
    "average_overlap": "AO", "fps": "fps", "memory": "MiB", "tpr": "TPR", "tnr": "TNR", "eao": "EAO", "accuracy": "A",
    "robustness": "-ln R", "rt_eao": "rt EAO",
}  # fmt: skip
VOT_METRICS = ("eao", "accuracy", "robustness", "rt_eao")
_SERVERS = {"trackingnet": "pack_trackingnet_results", "got10k_test": "pack_got10k_results"}


@dataclass(frozen=True)
class Group:
    """One benchmark of a table."""

    title: str
    dataset: str
    metrics: tuple[str, ...]
    values: Mapping[str, tuple[float | None, ...]]  # by row, as many as metrics
    lite: tuple[str, ...] = ()  # data sets that stand for it in the lite sweep
    lite_metrics: tuple[str, ...] = ()  # of ours in the lite sweep, where the benchmark's own need another protocol
    hard: str | None = None  # only sequences that are hard for the tracker of this row


@dataclass(frozen=True)
class PaperTable:
    """A table of the paper."""

    name: str
    title: str
    runs: str
    groups: tuple[Group, ...]
    note: str = ""


@dataclass(frozen=True)
class OurGroup:
    """Our numbers for one benchmark, on the same sequences for all rows."""

    datasets: tuple[str, ...]
    metrics: tuple[str, ...]
    scores: Mapping[str, Mapping[str, Spread]]  # by row and metric; rows and metrics without number are left out
    runs: Mapping[str, int]  # that the numbers are the mean of, by row
    sequences: int  # that were scored
    total: int  # that the sweep has
    missing: Mapping[str, int]  # results that are not there, by row
    notes: tuple[str, ...] = ()


def list_tables(folder: Path = PAPER) -> list[str]:
    """Names of the tables and figures."""
    return sorted(path.stem for path in folder.glob("*.toml"))


def read_paper_table(name: str, folder: Path = PAPER) -> PaperTable:
    """The paper's numbers. Raises InputError for an unknown table."""
    known = list_tables(folder)
    if name not in known:
        raise unknown_name("table of the paper", name, known)
    content = tomllib.loads((folder / f"{name}.toml").read_text(encoding="utf-8"))
    groups = tuple(_read_group(group) for group in content["group"])
    return PaperTable(name, content["title"], content["runs"], groups, content.get("note", ""))


def _read_group(content: Mapping[str, Any]) -> Group:
    values = {
        row: tuple(None if value == "-" else float(value) for value in numbers)
        for row, numbers in content["values"].items()
    }
    return Group(
        content["title"],
        content["dataset"],
        tuple(content["metrics"]),
        values,
        tuple(content.get("lite", ())),
        tuple(content.get("lite_metrics", ())),
        content.get("hard"),
    )


def our_groups(group: Group, sweep: Sweep, lite: bool, results_path: Path | None = None) -> list[OurGroup]:
    """Our numbers for a benchmark: one entry, or in the lite sweep one for all its data sets together and each alone.

    Empty where the sweep has nothing for it, or its data is not here.
    """
    wanted = group.lite if lite else (group.dataset,)
    metrics = group.lite_metrics if lite and group.lite_metrics else group.metrics
    for part in sweep.parts:
        by_dataset = {name: sequences for name, sequences in _data(part, sweep).items() if name in wanted}
        if not by_dataset:
            continue
        chosen = [by_dataset, *({name: sequences} for name, sequences in by_dataset.items() if len(by_dataset) > 1)]
        rows = {t.name: t.trackers(results_path) for t in part.trackers}
        return [_our_group(metrics, group.hard, rows, datasets) for datasets in chosen]
    return []


def _data(part: SweepPart, sweep: Sweep) -> dict[str, SequenceList]:
    try:
        return part.load(sweep.present_only)[0]
    except InputError:  # of several data sets one is not here: the others serve
        return part.load(True)[0]


def _our_group(
    metrics: tuple[str, ...],
    hard: str | None,
    rows: Mapping[str, list[Tracker]],
    datasets: Mapping[str, SequenceList],
) -> OurGroup:
    sequences = {sequence.name: sequence for listed in datasets.values() for sequence in listed}
    found = {row: [set(find_results(run, list(sequences))) for run in runs] for row, runs in rows.items()}
    missing = {row: sum(len(sequences) - len(names) for names in runs) for row, runs in found.items()}
    chosen, names = _same_sequences(rows, found, list(sequences))
    result = OurGroup(
        tuple(datasets), metrics, {}, {row: len(runs) for row, runs in chosen.items()}, len(names), len(sequences),
        missing,
    )  # fmt: skip
    if not names:
        return result
    used = [sequences[name] for name in names]
    if any(sequence.first_box_only for sequence in used):
        packer = next((packer for name, packer in _SERVERS.items() if name in datasets), "pack_...")
        note = f"scored by the benchmark's server: python -m pytracking.util_scripts.{packer} --help"
        return replace(result, runs={}, notes=(note,))
    if "tpr" in metrics:
        return replace(result, scores={row: _oxuva(runs, used) for row, runs in chosen.items()})
    trackers = [_renamed(run, row) for row, runs in chosen.items() for run in runs]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RowCountWarning)  # said in the notes
        evaluation = evaluate(trackers, used)
    notes = tuple(str(count) for count in evaluation.row_counts[:SHOWN_COUNTS])
    if (more := len(evaluation.row_counts) - SHOWN_COUNTS) > 0:
        notes += (f"{more} more results have not a row for each frame",)
    if hard is not None:
        if hard not in chosen:
            return replace(result, runs={}, notes=(f"which sequences are hard follows from {hard}, without results",))
        evaluation = evaluation.subset(hard_sequences(evaluation, [hard]))
        notes = (f"{len(evaluation.sequences)} of {len(names)} sequences are hard", *notes)
    if "fps" in metrics:
        notes += tuple(speed_notices(chosen, evaluation.sequences))
    scores = {tracker.name: _scores(tracker, metrics) for tracker in evaluation.trackers if evaluation.sequences}
    return replace(result, scores=scores, sequences=len(evaluation.sequences), notes=notes)


def _same_sequences(
    rows: Mapping[str, list[Tracker]], found: Mapping[str, list[set[str]]], order: list[str]
) -> tuple[dict[str, list[Tracker]], list[str]]:
    """Runs and sequences to score, so that all trackers are measured on the same ones.

    The sequences are those that every tracker with results has in its fullest run; the runs, those that have them all.
    """
    started = {row: max(runs, key=len) for row, runs in found.items() if any(runs)}
    if not started:
        return {}, []
    common = set.intersection(*started.values())
    runs = {row: [run for run, names in zip(rows[row], found[row], strict=True) if common <= names] for row in started}
    return (runs, [name for name in order if name in common]) if common else ({}, [])


def _renamed(tracker: Tracker, row: str) -> Tracker:
    """The tracker under the name of its row, by which `evaluate` takes runs together."""
    renamed = copy.copy(tracker)
    renamed.display_name = row
    return renamed


def _scores(tracker: TrackerScores, metrics: tuple[str, ...]) -> dict[str, Spread]:
    tables = {
        "precision": tracker.precision_score, "norm_precision": tracker.norm_precision_score, "success": tracker.auc,
        "sr50": tracker.op50, "sr75": tracker.op75, "average_overlap": tracker.average_overlap,
    }  # fmt: skip
    scores = {name: Spread(tracker.mean(table), tracker.std(table)) for name, table in tables.items()}
    scores |= {"fps": Spread(tracker.mean_fps), "memory": Spread(tracker.max_memory / 2**20)}
    return {name: scores[name] for name in metrics if name in scores and np.isfinite(scores[name].mean)}


def _oxuva(runs: SequenceOf[Tracker], sequences: SequenceOf[Sequence]) -> dict[str, Spread]:
    """Rates of a tracker that never says that the target is gone, as the paper's do (TNR 0)."""
    rates = [oxuva_scores(count_results(run, sequences, threshold=-np.inf)) for run in runs]
    return {"tpr": Spread.over([rate.tpr for rate in rates]), "tnr": Spread.over([rate.tnr for rate in rates])}
