"""Measures of frames and raw scores in the form of pytracking's `extract_results`, for scripts written against it."""

from __future__ import annotations

from collections.abc import Sequence as SequenceOf
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ltr.common.boxes import overlap
from ltr.common.environment import env_settings
from ltr.common.errors import InputError
from ltr.common.types import Array
from pytracking.analysis.evaluation import evaluate, group_runs
from pytracking.analysis.result_files import ResultSource
from pytracking.analysis.run_scores import ScoringOptions
from pytracking.evaluation.data import Sequence
from pytracking.scoring.conventions import rules_of
from pytracking.scoring.metrics import center_error, fit_rows, frame_measures, normalized_error, valid_and_absent

if TYPE_CHECKING:
    from torch import Tensor


def calc_err_center(pred_bb: Tensor, anno_bb: Tensor, normalized: bool = False) -> Tensor:  # (N, 4), (N, 4) -> (N,)
    """Distance of the centers, in pixels, or with x and y in widths and heights of the annotation."""
    boxes, truth = pred_bb.numpy(), anno_bb.numpy()
    return _tensor(normalized_error(boxes, truth, 1.0, True) if normalized else center_error(boxes, truth, 1.0))


def calc_iou_overlap(pred_bb: Tensor, anno_bb: Tensor) -> Tensor:  # (N, 4), (N, 4) -> (N,)
    """Intersection over union of boxes that reach to x + w - 1, y + h - 1."""
    return _tensor(overlap(pred_bb.numpy(), anno_bb.numpy(), 1.0))


def calc_seq_err_robust(
    pred_bb: Tensor,  # (M, 4)
    anno_bb: Tensor,  # (N, 4), in the pixel numbers of the data set's files
    dataset: str,
    target_visible: Tensor | None = None,  # (N,)
) -> tuple[Tensor, Tensor, Tensor, Tensor]:  # (N,) each
    """Overlap, center error, normalized error and validity of each frame, by the pytracking convention.

    Raises InputError for predictions with NaN or negative sizes, for annotations with NaN but in UAV123, and for fewer
    predictions than frames in LaSOT.
    """
    predicted, truth = pred_bb.double().numpy(), anno_bb.double().numpy()
    if not np.isfinite(predicted).all() or (predicted[:, 2:] < 0).any():
        raise InputError("expected predicted boxes of finite numbers and no negative sizes, found others")
    if np.isnan(truth).any() and not dataset.startswith("uav"):
        raise InputError(f"expected annotated boxes without NaN in the data set {dataset}, found some")
    rules = rules_of("pytracking", dataset)
    visible = None if target_visible is None else target_visible.bool().numpy()
    if visible is not None and rules.absent == "ignored":
        rules = replace(rules, absent="invalid")
    try:
        predicted = fit_rows(predicted, truth, rules)
    except ValueError as error:
        raise InputError(str(error)) from error
    valid, absent = valid_and_absent(truth, rules, visible, 0)
    overlaps, errors, norm_errors = map(_tensor, frame_measures(predicted, truth, rules, valid, absent))
    return overlaps, errors, norm_errors, _tensor(valid)


def _tensor(numbers: Array) -> Tensor:
    import torch

    return torch.from_numpy(numbers)


def extract_results(
    trackers: SequenceOf[ResultSource],
    dataset: SequenceOf[Sequence],
    report_name: str,
    skip_missing_seq: bool = False,
    plot_bin_gap: float = 0.05,
    exclude_invalid_frames: bool = False,
) -> dict[str, Any]:
    """Score every run of T trackers on S sequences by the pytracking convention.

    Returns `sequences` (names), `trackers` (dictionaries name, param, run_id, disp_name), `valid_sequence` (S,) bool,
    the shares of frames `ave_success_rate_plot_overlap` (S, T, 21), `ave_success_rate_plot_center` and
    `..._center_norm` (S, T, 51), `avg_overlap_all` (S, T), and their thresholds `threshold_set_overlap`, `..._center`
    and `..._center_norm`. A sequence without result of some tracker is an error; with `skip_missing_seq` it is not
    valid, and its rows are NaN. `report_name` is the folder below result_plot_path where scores are cached.
    Raises InputError as `evaluate`.
    """
    steps = round(1 / plot_bin_gap) if plot_bin_gap > 0 else 0
    if steps < 1 or abs(steps * plot_bin_gap - 1) > 1e-6:
        raise InputError(f"expected a plot_bin_gap that divides 1, as 0.05 does, found {plot_bin_gap}")
    options = ScoringOptions(
        overlap_thresholds=np.linspace(0, 1, steps + 1),
        exclude_invalid=exclude_invalid_frames,
        cache=env_settings().result_plot_path / report_name / "scores",
    )
    evaluation = evaluate(trackers, dataset, "pytracking", skip_missing_seq, options=options)
    runs = [id(run) for group in group_runs(trackers) for run in group]  # as they stand in the evaluation
    order = [runs.index(id(tracker)) for tracker in trackers]
    names = [sequence.name for sequence in dataset]
    rows = [names.index(name) for name in evaluation.sequences]

    def table(key: str) -> Array:
        scores = np.concatenate([getattr(tracker, key) for tracker in evaluation.trackers])[order]  # (T, K, ...)
        full = np.full((len(names), *scores.shape[:1], *scores.shape[2:]), np.nan)
        full[rows] = scores.swapaxes(0, 1)
        return full

    return {
        "sequences": names,
        "trackers": [
            {"name": t.name, "param": t.parameter_name, "run_id": t.run_id, "disp_name": t.display_name}
            for t in trackers
        ],
        "valid_sequence": np.isin(np.arange(len(names)), rows),
        "ave_success_rate_plot_overlap": table("success"),
        "ave_success_rate_plot_center": table("precision"),
        "ave_success_rate_plot_center_norm": table("norm_precision"),
        "avg_overlap_all": table("average_overlap"),
        "threshold_set_overlap": evaluation.overlap_thresholds,
        "threshold_set_center": evaluation.error_thresholds,
        "threshold_set_center_norm": evaluation.norm_error_thresholds,
    }
