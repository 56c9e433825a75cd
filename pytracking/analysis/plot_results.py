"""Tables and plots of stored results, under the names and with the arguments of pytracking's analysis.

Scores follow pytracking's rules; `convention="official"` takes those of each benchmark's own toolkit. Plots are written
as PDF and PNG to `<result_plot_path>/<report_name>/`. Numbers come from the result files, by way of a cache that knows
their content. Functions that are given trackers, but for `plot_got_success`, take the keywords of `EvaluationOptions`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from collections.abc import Sequence as SequenceOf
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack

import numpy as np

from ltr.common.environment import env_settings
from ltr.common.errors import InputError, unknown_name
from ltr.common.types import Array
from pytracking.analysis.evaluation import PRECISION_LIMIT, Evaluation, evaluate
from pytracking.analysis.report.plots import PLOTS, line_figure, plot_options, save, write_curve_plot, write_radar_plot
from pytracking.analysis.report.scores import attribute_table, check_names, sequence_table, summary_table
from pytracking.analysis.report.style import DASHES, PALETTE, dashes, rgb
from pytracking.analysis.report.tables import Table, make_console
from pytracking.analysis.run_scores import ScoringOptions

if TYPE_CHECKING:
    from pytracking.analysis.result_files import ResultSource
    from pytracking.evaluation.data import Sequence

SUCCESS = ("success",)
F1 = "f1_prec_rec"
PLOT_TYPES = (*PLOTS, F1)
_COLUMNS = {"success": ("auc", "op50", "op75"), "prec": ("precision",), "norm_prec": ("norm_precision",)}


class EvaluationOptions(TypedDict, total=False):
    """Keywords that say how results are scored."""

    convention: str  # "pytracking" (default) or "official"
    skip_missing_seq: bool  # leave out sequences that some tracker lacks; otherwise they are an error (default)
    plot_bin_gap: float  # step of the overlap thresholds, 0.05
    exclude_invalid_frames: bool  # divide by the frames with a valid ground-truth box, False
    verbose: bool  # say what is being done, True


class CachedOptions(EvaluationOptions, total=False):
    """The same, for functions without a parameter for the cache."""

    force_evaluation: bool  # compute again what the cache has, False


@dataclass(frozen=True)
class SequenceFilter:
    """Which sequences are listed, by the average overlap of the trackers in percent."""

    mode: Literal["ao_min", "ao_max", "delta_ao"]  # some tracker below, all below, spread above the threshold
    threshold: float

    def keeps(self, average_overlap: Array) -> bool:
        """Whether a sequence with these values (T,), shares of 1, is listed."""
        percent = 100 * average_overlap
        if self.mode == "ao_min":
            return bool(percent.min() < self.threshold)
        if self.mode == "ao_max":
            return bool(percent.max() < self.threshold)
        return bool(percent.max() - percent.min() > self.threshold)


def plot_results(
    trackers: SequenceOf[ResultSource],
    dataset: SequenceOf[Sequence],
    report_name: str,
    merge_results: bool = False,
    plot_types: str | SequenceOf[str] = SUCCESS,
    force_evaluation: bool = False,
    plot_opts: Mapping[str, Any] | None = None,
    **options: Unpack[EvaluationOptions],
) -> list[Path]:
    """Write a plot of each type: success, prec, norm_prec, f1_prec_rec; returns the files.

    Runs of one tracker are averaged with `merge_results`, else drawn one by one. `plot_opts` are those of
    `write_curve_plot`. Raises InputError for unknown types and options, and for results that cannot be scored.
    """
    types = _plot_types(plot_types)
    folder = env_settings().result_plot_path / report_name
    files: list[Path] = []
    if curve_types := [name for name in types if name != F1]:
        settings: CachedOptions = {"force_evaluation": force_evaluation, **options}
        evaluation = _evaluation(trackers, dataset, report_name, merge_results, **settings)
        files += [path for name in curve_types for path in write_curve_plot(evaluation, name, folder, plot_opts)]
    if F1 in types:
        if merge_results:
            raise InputError("precision and recall of runs cannot be averaged; plot f1_prec_rec without merge_results")
        files += _write_f1_plot(trackers, dataset, folder, plot_opts)
    return files


def print_results(
    trackers: SequenceOf[ResultSource],
    dataset: SequenceOf[Sequence],
    report_name: str,
    merge_results: bool = False,
    plot_types: str | SequenceOf[str] = SUCCESS,
    **options: Unpack[CachedOptions],
) -> None:
    """Print a row for each tracker: AUC, OP50, OP75 for success, and the precisions for prec and norm_prec.

    Raises InputError as `plot_results`.
    """
    types = _plot_types(plot_types)
    evaluation = _evaluation(trackers, dataset, report_name, merge_results, **options)
    wanted = {"tracker", "other_rows", *(key for name in types for key in _COLUMNS.get(name, ()))}
    table = summary_table(evaluation)
    _print(table.select([column.key for column in table.columns if column.key in wanted]))


def print_per_sequence_results(
    trackers: SequenceOf[ResultSource],
    dataset: SequenceOf[Sequence],
    report_name: str,
    merge_results: bool = False,
    filter_criteria: Mapping[str, Any] | None = None,
    **options: Unpack[CachedOptions],
) -> None:
    """Print the average overlap of each sequence, a column for each tracker.

    `filter_criteria` {"mode": "ao_min" | "ao_max" | "delta_ao", "threshold": percent} lists only sequences on which
    some tracker is below the threshold, all are, or trackers differ by more. Raises InputError as `plot_results`.
    """
    chosen = _sequence_filter(filter_criteria)
    evaluation = _evaluation(trackers, dataset, report_name, merge_results, **options)
    if chosen is not None:
        overlaps = np.stack([tracker.average_overlap.mean(axis=0) for tracker in evaluation.trackers])  # (T, S)
        names = [name for s, name in enumerate(evaluation.sequences) if chosen.keeps(overlaps[:, s])]
        if not names:
            print(f"no sequence of {evaluation.dataset} has {chosen.mode} beyond {chosen.threshold:g}")
            return
        evaluation = evaluation.subset(names)
    _print(sequence_table(evaluation, "average_overlap"))


def print_results_per_attribute(
    trackers: SequenceOf[ResultSource],
    datasets_dict: Mapping[str, SequenceOf[Sequence]],
    report_name: str,
    merge_results: bool = False,
    **options: Unpack[CachedOptions],
) -> tuple[dict[str, list[float]], list[str]]:
    """Print the AUC on the sequences of each attribute; `datasets_dict` is that of `get_dataset_attributes`.

    Returns the AUCs in percent by attribute, and the names of the trackers. Raises InputError as `plot_results`.
    """
    evaluation = _evaluation(trackers, _joined(datasets_dict), report_name, merge_results, **options)
    _print(attribute_table(evaluation, datasets_dict))
    parts = evaluation.per_attribute(datasets_dict)
    scores = {name: [100 * t.mean(t.auc) for t in part.trackers] for name, part in parts.items()}
    return scores, [tracker.name for tracker in evaluation.trackers]


def plot_attributes_radar(
    trackers: SequenceOf[ResultSource],
    datasets_dict: Mapping[str, SequenceOf[Sequence]],
    report_name: str,
    merge_results: bool = False,
    plot_opts: Mapping[str, Any] | None = None,
    **options: Unpack[CachedOptions],
) -> list[Path]:
    """Write `radar_plot.pdf` and `.png` of the AUC on the sequences of each attribute; returns the files.

    Raises InputError as `plot_results`.
    """
    evaluation = _evaluation(trackers, _joined(datasets_dict), report_name, merge_results, **options)
    return write_radar_plot(evaluation, datasets_dict, env_settings().result_plot_path / report_name, plot_opts)


def plot_got_success(
    trackers: SequenceOf[ResultSource], report_name: str, reports_path: Path | None = None
) -> list[Path]:
    """Write the success plot of reports from the GOT-10k server, `<reports_path>/<tracker.name>.json`.

    `reports_path` is by default the setting got_reports_path. Raises InputError where a report is missing or holds no
    success curve.
    """
    layout = "<tracker>.json, reports of the GOT-10k server"
    folder = reports_path or env_settings().data_path("got_reports_path", layout)
    reports = [(tracker.display_name, *_read_got_report(folder / f"{tracker.name}.json")) for tracker in trackers]
    lines = [
        (f"{name} [{100 * average:.1f}]", rank, np.linspace(0, 1, len(curve)), curve)
        for rank, (name, curve, average) in enumerate(sorted(reports, key=lambda report: -report[2]))
    ]
    plot = PLOTS["success"]
    defaults = {"title": "Success on GOT-10k", "xlabel": plot.xlabel, "ylabel": plot.ylabel, "xlim": (0, 1)}
    options = plot_options(None, defaults | {"legend_loc": plot.legend_loc})
    figure = line_figure(lines, options, "average overlap")
    return save(figure, env_settings().result_plot_path / report_name, plot.file)


def get_plot_draw_styles() -> list[dict[str, Any]]:
    """Color (red, green, blue of 0 to 1) and line style, as matplotlib takes them, of trackers by their rank."""
    count = len(PALETTE) * len(DASHES)
    return [
        {"color": tuple(value / 255 for value in rgb(rank)), "line_style": (0, dashes(rank)) if dashes(rank) else "-"}
        for rank in range(count)
    ]


def get_auc_curve(success: Array, valid_sequence: Array) -> tuple[Array, Array]:  # (S, T, K), (S,) -> (T, K), (T,)
    """Success curves in percent over the valid sequences, and their AUC, of the tables of `extract_results`."""
    curves = 100 * np.asarray(success)[np.asarray(valid_sequence, dtype=bool)].mean(axis=0)
    return curves, curves.mean(axis=-1)


def get_prec_curve(precision: Array, valid_sequence: Array) -> tuple[Array, Array]:  # (S, T, 51), (S,) -> (T, 51), (T,)
    """Precision curves in percent over the valid sequences, and their values at 20 pixels or 0.2 target sizes."""
    curves = 100 * np.asarray(precision)[np.asarray(valid_sequence, dtype=bool)].mean(axis=0)
    return curves, curves[:, PRECISION_LIMIT]


def get_tracker_display_name(tracker: Mapping[str, Any]) -> str:
    """Name that is shown for an entry `trackers` of `extract_results`."""
    run = "" if tracker["run_id"] is None else f"_{tracker['run_id']:03d}"
    return tracker["disp_name"] or f"{tracker['name']}_{tracker['param']}{run}"


def _evaluation(
    trackers: SequenceOf[ResultSource],
    dataset: SequenceOf[Sequence],
    report_name: str,
    merge_results: bool,
    *,
    convention: str = "pytracking",
    skip_missing_seq: bool = False,
    plot_bin_gap: float = 0.05,
    exclude_invalid_frames: bool = False,
    force_evaluation: bool = False,
    verbose: bool = True,
) -> Evaluation:
    settings = ScoringOptions(_thresholds(plot_bin_gap), exclude_invalid_frames)
    if force_evaluation:
        settings = replace(settings, cache=None)
    evaluation = evaluate(trackers, dataset, convention, skip_missing_seq, options=settings)
    if verbose:
        print(f"{report_name}: {len(evaluation.sequences)} of {len(dataset)} sequences, convention {convention}")
    return check_names(evaluation if merge_results else evaluation.split_runs())


def _thresholds(gap: float) -> Array:
    steps = round(1 / gap) if gap > 0 else 0
    if steps < 1 or abs(steps * gap - 1) > 1e-6:
        raise InputError(f"expected a plot_bin_gap that divides 1, as 0.05 does, found {gap}")
    return np.linspace(0, 1, steps + 1)


def _plot_types(given: str | SequenceOf[str]) -> tuple[str, ...]:
    types = (given,) if isinstance(given, str) else tuple(given)
    for name in types:
        if name not in PLOT_TYPES:
            raise unknown_name("plot type", name, PLOT_TYPES)
    return types


def _sequence_filter(criteria: Mapping[str, Any] | None) -> SequenceFilter | None:
    if criteria is None:
        return None
    modes = ("ao_min", "ao_max", "delta_ao")
    if set(criteria) != {"mode", "threshold"} or criteria["mode"] not in modes:
        raise InputError(
            "expected filter criteria such as {'mode': 'ao_min', 'threshold': 40}, "
            f"with mode {', '.join(modes)}; found {dict(criteria)}"
        )
    return SequenceFilter(criteria["mode"], float(criteria["threshold"]))


def _joined(datasets: Mapping[str, SequenceOf[Sequence]]) -> list[Sequence]:
    """The sequences of all attributes, each once."""
    return list({sequence.name: sequence for members in datasets.values() for sequence in members}.values())


def _print(table: Table) -> None:
    table.print(make_console())


def _write_f1_plot(
    trackers: SequenceOf[ResultSource],
    dataset: SequenceOf[Sequence],
    folder: Path,
    options: Mapping[str, Any] | None,
) -> list[Path]:
    """Precision over recall, with the highest F1 in the legend."""
    from pytracking.analysis.presence import evaluate_presence

    curves = [(tracker.display_name, evaluate_presence(tracker, dataset)) for tracker in trackers]
    ranked = sorted(curves, key=lambda item: -item[1].f1[item[1].best])
    lines = [
        (f"{name} [{100 * curve.f1[curve.best]:.1f}]", rank, curve.recall, curve.precision)
        for rank, (name, curve) in enumerate(ranked)
    ]
    defaults = {"title": "Precision and recall", "xlabel": "recall", "ylabel": "precision [%]", "xlim": (0, 1)}
    settings = plot_options(options, defaults | {"legend_loc": "lower left"})
    return save(line_figure(lines, settings, "F1"), folder, "f1_prec_rec_plot")


def _read_got_report(path: Path) -> tuple[Array, float]:
    """Success curve and average overlap of a report of the GOT-10k server."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        report = next(iter(content.values())) if len(content) == 1 else content
        report = report.get("overall", report)
        curve, average = np.asarray(report["succ_curve"], dtype=np.float64), float(report["ao"])
    except OSError as error:
        raise InputError(f"no report {path}: {error.strerror or error}; download it from the GOT-10k server") from error
    except (ValueError, KeyError, AttributeError, TypeError, StopIteration) as error:
        raise InputError(
            f"{path}: expected a report of the GOT-10k server, with succ_curve and ao ({error})"
        ) from error
    if curve.ndim != 1 or len(curve) < 2 or not np.isfinite(curve).all():
        raise InputError(f"{path}: expected succ_curve to be a list of numbers, found {report['succ_curve']!r}")
    return curve, average
