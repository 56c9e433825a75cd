"""Success, precision and radar plots as PDF and PNG."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from collections.abc import Sequence as SequenceOf
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ltr.common.errors import InputError, unknown_name
from ltr.common.files import replacing
from ltr.common.types import Array
from pytracking.analysis.evaluation import Evaluation, TrackerScores
from pytracking.analysis.report.scores import METRICS, Attributes
from pytracking.analysis.report.style import color, dashes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = ("pdf", "png")


@dataclass(frozen=True)
class CurvePlot:
    """One kind of plot: what is drawn, and how it is labelled."""

    file: str  # without ending, pytracking's name
    title: str
    xlabel: str
    ylabel: str
    legend_loc: str
    metric: str  # of METRICS: the score in the legend
    legend_title: str
    reading: str  # what a value of the curve is at a threshold that follows
    thresholds: Callable[[Evaluation], Array]  # (T,)
    curves: Callable[[TrackerScores], Array]  # (R, S, T)


PLOTS = {
    "success": CurvePlot(
        "success_plot", "Success", "overlap threshold", "frames with more overlap [%]", "lower left",
        "auc", "area under curve", "overlap >", lambda e: e.overlap_thresholds, lambda scores: scores.success,
    ),
    "prec": CurvePlot(
        "precision_plot", "Precision", "center error threshold [pixels]", "frames with less error [%]", "lower right",
        "precision", "at 20 pixels", "error ≤", lambda e: e.error_thresholds, lambda scores: scores.precision,
    ),
    "norm_prec": CurvePlot(
        "norm_precision_plot", "Normalized precision", "center error threshold [target sizes]",
        "frames with less error [%]", "lower right",
        "norm_precision", "at 0.2", "normalized error ≤", lambda e: e.norm_error_thresholds,
        lambda scores: scores.norm_precision,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Curve:
    """Mean curve of one tracker over runs and sequences, with the score of its legend; shares of 1."""

    name: str
    rank: int  # of the tracker in the evaluation: gives the color
    values: Array  # (T,)
    score: float

    @property
    def label(self) -> str:
        """Legend entry."""
        return f"{self.name} [{100 * self.score:.1f}]"


def curve_plot(kind: str) -> CurvePlot:
    """Plot of that name. Raises InputError, with the known ones, for another."""
    if kind not in PLOTS:
        raise unknown_name("plot type", kind, PLOTS)
    return PLOTS[kind]


def curves(evaluation: Evaluation, kind: str) -> list[Curve]:
    """Curves of all trackers, the best first. Raises InputError for an unknown kind."""
    plot = curve_plot(kind)
    result = [
        Curve(
            tracker.name,
            rank,
            tracker.run_means(plot.curves(tracker)).mean(axis=0),
            tracker.mean(METRICS[plot.metric].of(tracker)),
        )
        for rank, tracker in enumerate(evaluation.trackers)
    ]
    return sorted(result, key=lambda curve: -curve.score)


def write_curve_plot(
    evaluation: Evaluation,
    kind: str,
    folder: Path,
    options: Mapping[str, Any] | None = None,
    formats: SequenceOf[str] = FORMATS,
) -> list[Path]:
    """Write one plot as `<name>.pdf`, `<name>.png` ...; `options` are pytracking's `plot_opts`.

    Known options: title, xlabel, ylabel, xlim, ylim, legend_loc, line_width, font_size, font_size_axis,
    font_size_legend. Raises InputError for an unknown kind or option.
    """
    plot = curve_plot(kind)
    thresholds = plot.thresholds(evaluation)
    lines = [(curve.label, curve.rank, thresholds, curve.values) for curve in curves(evaluation, kind)]
    defaults = {
        "title": f"{plot.title} on {evaluation.dataset}", "xlabel": plot.xlabel, "ylabel": plot.ylabel,
        "legend_loc": plot.legend_loc, "xlim": (thresholds[0], thresholds[-1]),
    }  # fmt: skip
    figure = line_figure(lines, plot_options(options, defaults), plot.legend_title)
    return save(figure, folder, plot.file, formats)


def line_figure(
    lines: SequenceOf[tuple[str, int, Array, Array]], options: Mapping[str, Any], legend_title: str | None = None
) -> Figure:
    """Curves (label, rank, x (T,), y (T,) as share of 1) in one pair of axes, in percent."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.8), layout="constrained")
    axes = figure.subplots()
    for number, (label, rank, x, y) in enumerate(lines):
        style = _line_style(rank) | {"linewidth": options["line_width"], "label": label}
        axes.plot(x, 100 * y, **style, zorder=10 - number / 1e3)  # the best lies on top, as it is first in the legend
    axes.set_title(options["title"], fontsize=options["font_size"])
    axes.set_xlabel(options["xlabel"], fontsize=options["font_size_axis"])
    axes.set_ylabel(options["ylabel"], fontsize=options["font_size_axis"])
    axes.set(xlim=options["xlim"], ylim=options["ylim"])
    axes.grid(color="#d9d9d9", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    place: dict[str, Any] = {"loc": options["legend_loc"], "framealpha": 0.85, "edgecolor": "none"}
    if len(lines) > 10:  # too many to leave room for curves
        place = {"loc": "center left", "bbox_to_anchor": (1.01, 0.5), "frameon": False}
    size = options["font_size_legend"]
    axes.legend(title=legend_title, fontsize=size, title_fontsize=size, alignment="left", handlelength=2.4, **place)
    return figure


def _line_style(rank: int) -> dict[str, Any]:
    return {"color": color(rank), "linestyle": (0, dashes(rank)) if dashes(rank) else "solid"}


def plot_options(given: Mapping[str, Any] | None, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a plot: the `given` ones before `defaults`. Raises InputError for an unknown one."""
    known = {
        "font_size": 13, "font_size_axis": 12, "font_size_legend": 10, "line_width": 2,
        "xlim": None, "ylim": (0, 100), **defaults,
    }  # fmt: skip
    for name in given or {}:
        if name not in known:
            raise unknown_name("plot option", name, known)
    return known | dict(given or {})


def write_radar_plot(
    evaluation: Evaluation,
    attributes: Attributes,
    folder: Path,
    options: Mapping[str, Any] | None = None,
    formats: SequenceOf[str] = FORMATS,
) -> list[Path]:
    """Write the AUC on the sequences of each attribute as `radar_plot.pdf`, `radar_plot.png` ...

    Raises InputError for an unknown option, and where no sequence has an attribute.
    """
    from matplotlib.figure import Figure

    parts = evaluation.per_attribute(attributes)
    if not parts:
        names = ", ".join(attributes) or "(none)"
        raise InputError(f"no sequence of {evaluation.dataset} has any of the attributes {names}")
    defaults = {"title": f"AUC by attribute on {evaluation.dataset} [%]", "legend_loc": "center left"}
    settings = plot_options(options, defaults)
    angles = np.linspace(0, 2 * math.pi, len(parts), endpoint=False)
    figure = Figure(figsize=(8, 5.4), layout="constrained")
    axes: Any = figure.add_subplot(projection="polar")
    lowest, highest = 100.0, 0.0
    for rank, tracker in enumerate(evaluation.trackers):
        values = np.array([100 * part.trackers[rank].mean(part.trackers[rank].auc) for part in parts.values()])
        lowest, highest = min(lowest, float(values.min())), max(highest, float(values.max()))
        label = f"{tracker.name} [{100 * tracker.mean(tracker.auc):.1f}]"
        closed = (np.append(angles, angles[:1]), np.append(values, values[:1]))
        axes.plot(*closed, **_line_style(rank), linewidth=settings["line_width"], label=label)
    axes.set_theta_offset(math.pi / 2)
    axes.set_theta_direction(-1)
    axes.set_xticks(angles, list(parts), fontsize=settings["font_size_axis"])
    # The scale does not start at zero: it is labelled, and differences between trackers would be lost.
    axes.set_ylim(max(0, 10 * math.floor(lowest / 10 - 1)), min(100, 10 * math.ceil(highest / 10)))
    axes.set_rlabel_position(180 / max(len(parts), 1))
    axes.tick_params(axis="y", labelsize=8, labelcolor="#555555")
    axes.set_axisbelow(False)
    axes.grid(color="#d9d9d9", linewidth=0.6)
    axes.set_title(settings["title"], fontsize=settings["font_size"])
    place = {"loc": settings["legend_loc"], "bbox_to_anchor": (1.1, 0.5), "frameon": False}
    axes.legend(fontsize=settings["font_size_legend"], **place)
    return save(figure, folder, "radar_plot", formats)


def save(figure: Figure, folder: Path, name: str, formats: SequenceOf[str] = FORMATS) -> list[Path]:
    """Write a figure as `<name>.<format>` for each format; a file appears when it is complete."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.{ending}" for ending in formats]
    for path in paths:
        with replacing(path) as temporary:
            figure.savefig(temporary, dpi=200)
    return paths
