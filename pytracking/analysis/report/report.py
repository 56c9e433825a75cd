"""A report: everything that is shown of an evaluation."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping
from collections.abc import Sequence as SequenceOf
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ltr.common.errors import InputError
from pytracking.analysis.comparison import Comparison
from pytracking.analysis.evaluation import Evaluation
from pytracking.analysis.report.definitions import definitions
from pytracking.analysis.report.long_term import NOTE as LONG_TERM_NOTE
from pytracking.analysis.report.long_term import long_term_table
from pytracking.analysis.report.pairs import compare_pairs, comparison_note, pair_table
from pytracking.analysis.report.plots import PLOTS, curves
from pytracking.analysis.report.provenance import Provenance, provenance
from pytracking.analysis.report.scores import (
    SEQUENCE_METRICS,
    Attributes,
    attribute_table,
    check,
    sequence_table,
    summary_table,
)  # fmt: skip
from pytracking.analysis.report.speed import speed_notices
from pytracking.analysis.report.strips import STRIPS, Strip, film_strips
from pytracking.analysis.report.tables import Table
from pytracking.analysis.result_files import ResultSource
from pytracking.evaluation.data import Sequence
from pytracking.evaluation.progress import FPS_MEANING

SHOWN_MISSING = 12


@dataclass(frozen=True)
class Report:
    """An evaluation with what belongs to it; tables are made when they are asked for."""

    evaluation: Evaluation  # sequences that all have results of, the best tracker first
    attributes: Attributes
    attribute_titles: Mapping[str, str]  # long names
    pairs: list[Comparison]
    strips: list[Strip]
    strip_problems: list[str]
    provenance: Provenance
    notices: list[str]  # what a reader has to know before the numbers
    title: str
    long_term: Table | None = None  # a row for each tracker; None where no target is ever absent
    date: str = field(default_factory=lambda: datetime.datetime.now().astimezone().isoformat(" ", "minutes"))

    @property
    def subtitle(self) -> str:
        """What was compared, and by which convention."""
        trackers, sequences = len(self.evaluation.trackers), len(self.evaluation.sequences)
        return f"{trackers} trackers · {sequences} sequences · convention {self.evaluation.convention} · {self.date}"

    @property
    def definitions(self) -> list[str]:
        """What the scores mean, in sentences."""
        return definitions(self.evaluation)

    @property
    def notes(self) -> dict[str, str]:
        """Remarks below the tables."""
        return {
            "summary": f"Scores in percent, mean ± standard deviation over runs (n − 1). {FPS_MEANING}.",
            "attributes": "AUC in percent on the sequences with each attribute. The radar's scale does not start at 0.",
            "comparison": comparison_note(self.pairs),
            "long_term": LONG_TERM_NOTE,
            "strips": "The sequences with the lowest AUC, averaged over trackers: frames at equal distances, with the "
            "ground truth in dashed white and the boxes of each tracker's first run. Below, the overlap over time.",
        }

    @cached_property
    def summary(self) -> Table:
        """A row for each tracker."""
        return summary_table(self.evaluation)

    @cached_property
    def sequence_tables(self) -> dict[str, Table]:
        """By metric, a row for each sequence."""
        return {metric: sequence_table(self.evaluation, metric) for metric in SEQUENCE_METRICS}

    @cached_property
    def attribute_table(self) -> Table | None:
        """A row for each attribute; None where no sequence has any."""
        present = self.evaluation.per_attribute(self.attributes)
        return attribute_table(self.evaluation, self.attributes) if present else None

    @cached_property
    def comparison(self) -> Table | None:
        """A row for each pair of trackers; None with one tracker."""
        return pair_table(self.evaluation, self.pairs) if self.pairs else None

    def tables(self) -> dict[str, Table]:
        """Tables by file name."""
        found = {
            "summary": self.summary,
            "long_term": self.long_term,
            "attributes": self.attribute_table,
            "comparison": self.comparison,
        }
        found |= {f"sequences_{metric}": table for metric, table in self.sequence_tables.items()}
        return {name: table for name, table in found.items() if table is not None}

    def json(self) -> dict[str, Any]:
        """All numbers but those of single runs, shares as fractions of 1."""
        return {
            "title": self.title,
            "date": self.date,
            "dataset": self.evaluation.dataset,
            "convention": self.evaluation.convention,
            "definitions": self.definitions,
            "notices": self.notices,
            "row_counts": [dataclasses.asdict(count) for count in self.evaluation.row_counts],
            "tables": {name: table.records() for name, table in self.tables().items()},
            "curves": {
                kind: {
                    "thresholds": plot.thresholds(self.evaluation).tolist(),
                    "trackers": {curve.name: curve.values.tolist() for curve in curves(self.evaluation, kind)},
                }
                for kind, plot in PLOTS.items()
            },
            "provenance": {"runs": self.provenance.runs.records(), "common": self.provenance.common},
        }

    def markdown(self) -> str:
        """All tables, notices and definitions."""
        parts = [f"# {self.title}", self.subtitle, *(f"> {notice}" for notice in self.notices)]
        for name, table in self.tables().items():
            parts += [table.markdown().rstrip(), self.notes.get(name, "")]
        parts += ["## How it was scored", "\n".join(f"- {sentence}" for sentence in self.definitions)]
        parts += [self.provenance.runs.markdown().rstrip(), self.provenance.common]
        return "\n\n".join(part for part in parts if part) + "\n"


def make_report(
    evaluation: Evaluation,
    sources: Mapping[str, SequenceOf[ResultSource]],
    dataset: SequenceOf[Sequence],
    attributes: Attributes | None = None,
    attribute_titles: Mapping[str, str] | None = None,
    strips: int = STRIPS,
    title: str | None = None,
    whole: int | None = None,  # sequences of the whole data set, where the evaluation has fewer
) -> Report:
    """Put a report together.

    `sources` gives the runs of each tracker of the evaluation, `dataset` the sequences that film strips are made of,
    `attributes` the names of the sequences with each attribute.
    Raises InputError where no sequence has results of all trackers and runs.
    """
    checked = check(evaluation)
    first_runs = {name: runs[0] for name, runs in sources.items()}
    shown, problems = film_strips(checked, dataset, first_runs, strips)
    ranked = {tracker.name: sources[tracker.name] for tracker in checked.trackers}
    scored = set(checked.sequences)
    return Report(
        evaluation=checked,
        attributes=attributes or {},
        attribute_titles=attribute_titles or {},
        pairs=compare_pairs(checked),
        strips=shown,
        strip_problems=problems,
        provenance=provenance(ranked),
        notices=[
            *_notices(evaluation, checked, whole or len(evaluation.sequences)),
            *_partial(checked, dataset),
            *speed_notices(ranked, checked.sequences),
        ],
        title=title or f"Tracking results on {evaluation.dataset}",
        long_term=long_term_table(ranked, [sequence for sequence in dataset if sequence.name in scored]),
    )


def _notices(evaluation: Evaluation, checked: Evaluation, whole: int) -> list[str]:
    """Which sequences do not count, and because of whom; which results have not a row for each frame."""
    notices = []
    if whole > len(evaluation.sequences):
        found = len(evaluation.sequences)
        notices.append(f"Results of {found} of {whole} sequences: not the scores of the whole data set.")
    left_out = [name for name in evaluation.sequences if name not in set(checked.sequences)]
    if left_out:
        listed = ", ".join(left_out[:SHOWN_MISSING]) + (" …" if len(left_out) > SHOWN_MISSING else "")
        lacking = ", ".join(sorted({name for name, _, _ in evaluation.missing()}))
        notices.append(f"{len(left_out)} sequences are left out for want of results of {lacking}: {listed}")
    notices += [str(count) for count in evaluation.row_counts[:SHOWN_MISSING]]
    if (more := len(evaluation.row_counts) - SHOWN_MISSING) > 0:
        notices.append(f"{more} more results have other rows than frames: see rows and frames in tables/runs.csv")
    return notices


def _partial(evaluation: Evaluation, dataset: SequenceOf[Sequence]) -> list[str]:
    """Sequences of which only a part of the benchmark's frames is here."""
    names = set(evaluation.sequences)
    used = [sequence for sequence in dataset if sequence.name in names]
    return [f"{sequence.name}: {sequence.partial_text}" for sequence in used if _is_partial(sequence)]


def _is_partial(sequence: Sequence) -> bool:
    try:
        return sequence.is_partial
    except (InputError, OSError):  # no images on this machine: nothing is known
        return False
