"""Tables and success plots of stored results."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence as SequenceOf
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pytracking.analysis.metrics import INVALID_FRAMES, THRESHOLDS, SequenceScore, mean_score, score_sequence
from pytracking.evaluation.data import Sequence
from pytracking.evaluation.results import load_result
from pytracking.evaluation.tracker import Tracker
from pytracking.utils.files import temporary_beside

if TYPE_CHECKING:
    import pandas
    from rich.table import Table


def score_results(tracker: Tracker, dataset: SequenceOf[Sequence]) -> tuple[list[SequenceScore], pandas.DataFrame]:
    """Score the stored results of a tracker.

    Returns the score of each sequence and a table with a row for each (columns sequence, frames, auc, precision, fps)
    and a last one, "mean". fps counts all frames, and time in the tracker only; its mean is all frames / all seconds.
    Raises InputError for a sequence without result.
    """
    import pandas

    scores, rows, frames, seconds = [], [], 0, 0.0
    for sequence in dataset:
        result = load_result(tracker.results_dir, sequence.name)
        score = score_sequence(result.boxes, sequence.ground_truth_rect, INVALID_FRAMES.get(sequence.dataset, "miss"))
        scores.append(score)
        rows.append((sequence.name, len(result.boxes), score.auc, score.precision, result.fps))
        frames, seconds = frames + len(result.time), seconds + float(result.time.sum())
    mean = mean_score(scores)
    fps = frames / seconds if seconds > 0 else float("nan")
    rows.append(("mean", sum(row[1] for row in rows), mean.auc, mean.precision, fps))
    return scores, pandas.DataFrame(rows, columns=["sequence", "frames", "auc", "precision", "fps"])


def score_table(table: pandas.DataFrame, title: str) -> Table:
    """The table of `score_results` for the terminal."""
    from rich.table import Table

    shown = Table(title=title, title_justify="left")
    for column, header in zip(table.columns, ("sequence", "frames", "AUC", "precision (20 px)", "fps"), strict=True):
        shown.add_column(header, justify="left" if column == "sequence" else "right")
    for name, frames, auc, precision, fps in table.itertuples(index=False):
        if name == "mean":
            shown.add_section()
        shown.add_row(name, str(frames), f"{auc:.3f}", f"{precision:.3f}", f"{fps:.1f}")
    return shown


def plot_success(curves: Mapping[str, np.ndarray], path: Path, title: str = "Success plot") -> None:
    """Write a success plot as an image file; `curves` gives (21,) success values by name, best first in the legend."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 5), layout="constrained")
    axes = figure.subplots()
    for name, success in sorted(curves.items(), key=lambda item: -item[1].mean()):
        axes.plot(THRESHOLDS, success, linewidth=2, label=f"{name} [{success.mean():.3f}]")
    axes.set(xlabel="overlap threshold", ylabel="share of frames", title=title, xlim=(0, 1), ylim=(0, 1))
    axes.grid(alpha=0.4)
    axes.legend(loc="lower left", title="AUC")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_beside(path)
    FigureCanvasAgg(figure).print_figure(temporary, dpi=150)
    temporary.replace(path)
