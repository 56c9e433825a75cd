"""Tables of an evaluation: data set, sequences, runs and attributes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from ltr.common.errors import InputError
from ltr.common.types import Array
from pytracking.analysis.evaluation import Evaluation, TrackerScores
from pytracking.analysis.report.tables import Column, Spread, Table, Value
from pytracking.evaluation.data import Sequence

Attributes = Mapping[str, Iterable[str | Sequence]]  # the sequences with each attribute, or their names


@dataclass(frozen=True)
class Metric:
    """One number per run and sequence, a share of 1."""

    key: str
    header: str
    help: str
    of: Callable[[TrackerScores], Array]  # (R, S)
    definition: str  # a sentence of the report; {thresholds} stands for those of the overlap


# By key; a metric of one's own is added here from its own file, and is in every table then.
METRICS = {
    metric.key: metric
    for metric in (
        Metric(
            "auc", "AUC", "area under the success curve", lambda scores: scores.auc,
            "Success(t) is the share of frames whose overlap (intersection over union) with the ground truth is "
            "greater than t; AUC is its mean over t = {thresholds}.",
        ),
        Metric(
            "op50", "OP50", "share of frames with overlap above 0.5", lambda scores: scores.op50,
            "OP50 is success at 0.5.",
        ),
        Metric(
            "op75", "OP75", "share of frames with overlap above 0.75", lambda scores: scores.op75,
            "OP75 is success at 0.75.",
        ),
        Metric(
            "precision", "P", "share of frames with a center error of at most 20 pixels",
            lambda scores: scores.precision_score,
            "Precision(t) is the share of frames whose center error is at most t; P is its value at 20 pixels.",
        ),
        Metric(
            "norm_precision", "NP", "share of frames with a center error of at most 0.2 target sizes",
            lambda scores: scores.norm_precision_score,
            "Normalized precision divides the error in x and y by the width and height of the ground truth; NP is its "
            "value at 0.2.",
        ),
        Metric(
            "average_overlap", "AO", "mean overlap", lambda scores: scores.average_overlap,
            "AO is the mean overlap of the frames with a target.",
        ),
    )
}  # fmt: skip
SEQUENCE_METRICS = ("auc", "precision", "norm_precision")  # that reports show for each sequence


def check(evaluation: Evaluation) -> Evaluation:
    """The sequences with results of all trackers, the best tracker (AUC) first.

    Raises InputError where there is none, naming what is missing, and for trackers of the same name.
    """
    complete = check_names(evaluation).complete()
    if not complete.trackers or not complete.sequences:
        missing = evaluation.missing()
        listed = "".join(f"\n  {name}, run {run}: {sequence}" for name, run, sequence in missing[:5])
        more = f"\n  ... ({len(missing)} in all)" if len(missing) > 5 else ""
        raise InputError(
            f"expected sequences of {evaluation.dataset} that have results of every tracker and run, found none"
            f"{'; missing are' + listed + more if missing else ''}\n  run the trackers first"
        )
    ranked = sorted(complete.trackers, key=lambda tracker: -tracker.mean(tracker.auc))
    return replace(complete, trackers=tuple(ranked))


def check_names(evaluation: Evaluation) -> Evaluation:
    """The evaluation; raises InputError where two trackers have the same name."""
    names = [tracker.name for tracker in evaluation.trackers]
    for name in names:
        if names.count(name) > 1:
            raise InputError(
                f"expected trackers with different names, found several called '{name}'; "
                "give one of them another display_name"
            )
    return evaluation


def score(tracker: TrackerScores, values: Array) -> Spread:
    """Data-set score of `values` (R, S), with its deviation over runs."""
    return Spread(tracker.mean(values), tracker.std(values))


def metric_columns(best: bool = True) -> tuple[Column, ...]:
    """A column for each metric."""
    return tuple(Column(m.key, m.header, best="max" if best else None, help=m.help) for m in METRICS.values())


def summary_table(evaluation: Evaluation) -> Table:
    """A row for each tracker: all metrics, speed and memory, and how many results have other numbers of rows."""
    other = Column("other_rows", "other rows", "count", help="results with more or fewer rows than frames")
    counted = Counter(count.tracker for count in evaluation.row_counts)
    columns = (
        Column("tracker", "tracker", "text"),
        Column("runs", "runs", "count"),
        *metric_columns(),
        Column("fps", "fps", "decimal", "max", "frames per second of tracker time, reading images not counted"),
        Column("peak_memory", "peak MiB", "mebibytes", "min", "highest memory of all runs and sequences"),
        *((other,) if counted else ()),
    )
    rows: list[tuple[Value, ...]] = []
    for tracker in evaluation.trackers:
        scores = [score(tracker, metric.of(tracker)) for metric in METRICS.values()]
        last = (tracker.mean_fps, tracker.max_memory, *((counted[tracker.name],) if counted else ()))
        rows.append((tracker.name, len(tracker.run_ids), *scores, *last))
    return Table(_title(evaluation, "scores"), columns, tuple(rows))


def sequence_table(evaluation: Evaluation, metric: str = "auc") -> Table:
    """A row for each sequence, a column for each tracker, and the data-set score as last row.

    Where results have more or fewer rows than frames a column says which.
    """
    of = METRICS[metric].of
    tables = [of(tracker) for tracker in evaluation.trackers]
    frames = _frame_counts(evaluation.trackers[0])
    other = _other_rows(evaluation)
    rows: list[tuple[Value, ...]] = [
        (name, frames[s], *(Spread.over(table[:, s]) for table in tables), *other.get(name, ("",) if other else ()))
        for s, name in enumerate(evaluation.sequences)
    ]
    scores = (score(tracker, table) for tracker, table in zip(evaluation.trackers, tables, strict=True))
    rows.append(("mean", frames[-1], *scores, *(("",) if other else ())))
    columns = (
        Column("sequence", "sequence", "text"),
        Column("frames", "frames", "count"),
        *_tracker_columns(evaluation),
        *((Column("other_rows", "other rows", "text"),) if other else ()),
    )
    title = _title(evaluation, f"{METRICS[metric].header} of each sequence")
    return Table(title, columns, tuple(rows), "row", last_is_mean=True)


def _other_rows(evaluation: Evaluation) -> dict[str, tuple[str]]:
    """The results of each sequence that have more or fewer rows than it has frames, as one cell."""
    texts: dict[str, list[str]] = {}
    for count in evaluation.row_counts:
        run = "" if count.run_id is None else f" run {count.run_id}"
        texts.setdefault(count.sequence, []).append(f"{count.tracker}{run}: {count.rows}")
    return {sequence: (", ".join(parts),) for sequence, parts in texts.items()}


def tracker_table(evaluation: Evaluation, tracker: TrackerScores, title: str | None = None) -> Table:
    """All metrics and the speed of one tracker on each sequence, and the data-set score as last row."""
    metrics = [metric.of(tracker) for metric in METRICS.values()]
    frames = _frame_counts(tracker)
    rows: list[tuple[Value, ...]] = [
        (name, frames[s], *(Spread.over(table[:, s]) for table in metrics), float(tracker.fps[:, s].mean()))
        for s, name in enumerate(evaluation.sequences)
    ]
    rows.append(("mean", frames[-1], *(score(tracker, table) for table in metrics), tracker.mean_fps))
    head = (Column("sequence", "sequence", "text"), Column("frames", "frames", "count"))
    columns = (*head, *metric_columns(best=False), Column("fps", "fps", "decimal"))
    return Table(title or f"{tracker.name} on {evaluation.dataset}", columns, tuple(rows), last_is_mean=True)


def attribute_table(evaluation: Evaluation, attributes: Attributes, metric: str = "auc") -> Table:
    """A row for each attribute: how many sequences have it, and the scores on them; all sequences as last row."""
    of = METRICS[metric].of
    rows: list[tuple[Value, ...]] = []
    for name, part in [*evaluation.per_attribute(attributes).items(), ("all", evaluation)]:
        rows.append((name, len(part.sequences), *(score(tracker, of(tracker)) for tracker in part.trackers)))
    columns = (
        Column("attribute", "attribute", "text"),
        Column("sequences", "sequences", "count"),
        *_tracker_columns(evaluation),
    )
    title = _title(evaluation, f"{METRICS[metric].header} by attribute")
    return Table(title, columns, tuple(rows), "row", last_is_mean=True)


def run_table(evaluation: Evaluation) -> Table:
    """A row for each tracker, run and sequence, for other programs."""
    head = (Column("tracker", "tracker", "text"), Column("run", "run", "count"), Column("sequence", "sequence", "text"))
    tail = (
        Column("fps", "fps", "decimal"),
        Column("peak_memory", "peak MiB", "mebibytes"),
        Column("frames", "frames", "count"),
        Column("rows", "rows", "count"),
    )
    other = {(count.tracker, count.run_id, count.sequence): count.rows for count in evaluation.row_counts}
    rows = []
    for tracker in evaluation.trackers:
        tables = [*(metric.of(tracker) for metric in METRICS.values()), tracker.fps, tracker.peak_memory]
        frames = _frame_counts(tracker)
        rows += [
            (
                tracker.name,
                run_id,
                name,
                *(float(table[r, s]) for table in tables),
                frames[s],
                other.get((tracker.name, run_id, name), frames[s]),
            )
            for r, run_id in enumerate(tracker.run_ids)
            for s, name in enumerate(evaluation.sequences)
        ]
    return Table(_title(evaluation, "every run"), (*head, *metric_columns(best=False), *tail), tuple(rows))


def _tracker_columns(evaluation: Evaluation) -> tuple[Column, ...]:
    return tuple(Column(tracker.name, tracker.name, best="max") for tracker in evaluation.trackers)


def _frame_counts(tracker: TrackerScores) -> list[int | None]:
    """Frames of each sequence, and of all together; None where they are not known."""
    if tracker.frames is None:
        return [None] * (tracker.auc.shape[1] + 1)
    return [int(count) for count in (*tracker.frames, tracker.frames.sum())]


def _title(evaluation: Evaluation, what: str) -> str:
    return f"{evaluation.dataset}, {len(evaluation.sequences)} sequences: {what} (convention {evaluation.convention})"
