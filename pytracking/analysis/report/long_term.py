"""The table of long-term measures, for data sets in which targets are absent in some frames."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from collections.abc import Sequence as SequenceOf

from pytracking.analysis.long_term import LongTermScores, evaluate_long_term, has_absent_frames
from pytracking.analysis.presence import DEFAULT_THRESHOLD
from pytracking.analysis.report.tables import Column, Spread, Table, Value
from pytracking.analysis.result_files import ResultSource
from pytracking.evaluation.data import Sequence

COLUMNS: tuple[tuple[Column, Callable[[LongTermScores], float]], ...] = (
    (Column("lt_f", "F", best="max", help="VOT-LT's F-score at its best threshold"), lambda s: s.f_score),
    (Column("lt_precision", "Pr", help="mean overlap of the frames reported at it"), lambda s: s.precision),
    (Column("lt_recall", "Re", help="overlap reported at it, over all frames with a target"), lambda s: s.recall),
    (Column("tpr", "TPR", best="max", help="OxUvA's true positive rate"), lambda s: s.oxuva.tpr),
    (Column("tnr", "TNR", best="max", help="OxUvA's true negative rate"), lambda s: s.oxuva.tnr),
    (Column("max_gm", "MaxGM", best="max", help="OxUvA's geometric mean"), lambda s: s.oxuva.max_gm),
    (Column("found", "found again", best="max", help="share of returns after which overlap > 0.5"), lambda s: s.found),
    (
        Column("touch_time", "frames until > 0", "decimal", "min", "after a return, until a box overlaps the target"),
        lambda s: s.touch_time,
    ),
    (
        Column("find_time", "frames until > 0.5", "decimal", "min", "after a return, until it does by more than 0.5"),
        lambda s: s.find_time,
    ),
)
NOTE = (
    "Precision and recall of the frames whose presence score is at least a threshold, averaged over the sequences; F "
    "is their harmonic mean, at the threshold that is best for each run (VOT-LT). TPR and TNR count frames with an "
    "overlap of at least 0.5 in which the tracker says that the target is there (OxUvA): its flag is not not_found, "
    "and its score reaches the threshold that is recorded in run.json. Where neither is recorded nobody knows the "
    f"scale of the scores, and they are compared with {DEFAULT_THRESHOLD:g}, pytracking's default. A target that is "
    "not found again counts with all frames that it is there. Sequences without absent frames are left out."
)


def long_term_table(sources: Mapping[str, SequenceOf[ResultSource]], dataset: SequenceOf[Sequence]) -> Table | None:
    """A row for each tracker, its scores averaged over its runs; None where no target is ever absent."""
    chosen = [sequence for sequence in dataset if has_absent_frames(sequence)]
    if not chosen:
        return None
    rows: list[tuple[Value, ...]] = []
    for name, runs in sources.items():
        scores = [evaluate_long_term(run, chosen) for run in runs]
        reported_by = "; ".join(dict.fromkeys(score.reported_by for score in scores))
        values = (Spread.over([of(score) for score in scores]) for _, of in COLUMNS)
        rows.append((name, len(scores[0].returns), *values, reported_by))
    head = (Column("tracker", "tracker", "text"), Column("returns", "returns", "count"))
    title = f"{chosen[0].dataset}, {len(chosen)} sequences with absent targets: long-term measures"
    tail = Column("reported_by", "reported where", "text", help="what decides whether a frame counts as reported")
    return Table(title, (*head, *(column for column, _ in COLUMNS), tail), tuple(rows))
