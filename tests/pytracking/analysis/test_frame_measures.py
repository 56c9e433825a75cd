"""Measures of frames under pytracking's names, against its rules written out frame by frame."""

import math
from itertools import product

import numpy as np
import pytest
import torch
from matplotlib import pyplot

from ltr.common.errors import InputError
from pytracking.analysis.extract_results import calc_err_center, calc_iou_overlap, calc_seq_err_robust
from pytracking.analysis.plot_results import (
    get_auc_curve,
    get_plot_draw_styles,
    get_prec_curve,
    get_tracker_display_name,
)
from pytracking.scoring.rows import RowCountWarning

TRUTH = [[11, 11, 20, 20], [12, 11, 20, 10], [13, 11, 0, 10], [0, 11, 20, 20], [15, 11, 20, 20], [16, 11, 20, 20]]
PREDICTED = [[0, 0, 5, 5], [14, 12, 20, 10], [13, 11, 9, 9], [1, 11, 20, 20], [40, 11, 0, 20], [18, 11, 16, 20]]
VISIBLE = [True, True, True, True, True, False]


def tensor(rows: list[list[float]]) -> torch.Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def pixels(box: list[float]) -> set[tuple[int, int]]:
    """The pixels that a box of whole numbers covers."""
    x, y, w, h = map(int, box)
    return set(product(range(x, x + w), range(y, y + h)))


def frame_overlap(box: list[float], truth: list[float]) -> float:
    return len(pixels(box) & pixels(truth)) / len(pixels(box) | pixels(truth))


def frame_error(box: list[float], truth: list[float], normalized: bool = False) -> float:
    x, y = (box[i] + (box[2 + i] - 1) / 2 - truth[i] - (truth[2 + i] - 1) / 2 for i in (0, 1))
    return math.hypot(x / truth[2], y / truth[3]) if normalized else math.hypot(x, y)


def test_overlap_counts_pixels() -> None:
    boxes = tensor([[1, 1, 4, 4], [2, 3, 4, 6], [10, 1, 2, 2]])
    others = tensor([[1, 1, 4, 4], [3, 1, 5, 4], [1, 1, 4, 4]])
    expected = [frame_overlap(a, b) for a, b in zip(boxes.tolist(), others.tolist(), strict=True)]
    assert calc_iou_overlap(boxes, others).tolist() == pytest.approx(expected)
    assert expected[0] == 1
    assert expected[2] == 0


def test_center_errors() -> None:
    boxes, others = tensor([[1, 1, 4, 4], [2, 3, 4, 6]]), tensor([[1, 2, 5, 4], [3, 1, 5, 4]])
    for normalized in (False, True):
        expected = [frame_error(a, b, normalized) for a, b in zip(boxes.tolist(), others.tolist(), strict=True)]
        assert calc_err_center(boxes, others, normalized).tolist() == pytest.approx(expected)
    assert calc_err_center(boxes.float(), others.float()).dtype == torch.float32


@pytest.mark.parametrize(
    ("dataset", "flags", "invalid", "error", "invisible"),
    [
        ("otb", None, [2, 3], math.inf, None),
        ("uav", None, [2, 3], -1, None),
        ("otb", VISIBLE, [2, 3, 5], math.inf, None),
        ("lasot", VISIBLE, [2, 3, 5], math.inf, 5),
    ],
)
def test_sequences(
    dataset: str, flags: list[bool] | None, invalid: list[int], error: float, invisible: int | None
) -> None:
    visible = None if flags is None else torch.tensor(flags)
    overlaps, errors, norm_errors, valid = calc_seq_err_robust(tensor(PREDICTED), tensor(TRUTH), dataset, visible)
    used = [TRUTH[0], *PREDICTED[1:4], PREDICTED[3], PREDICTED[5]]  # an empty box is the one before
    assert valid.tolist() == [frame not in invalid for frame in range(6)]
    for frame, (box, truth) in enumerate(zip(used, TRUTH, strict=True)):
        if frame in invalid:
            expected = (-1, error, math.inf if frame == invisible else -1)
        else:
            expected = (frame_overlap(box, truth), frame_error(box, truth), frame_error(box, truth, normalized=True))
        found = tuple(float(values[frame]) for values in (overlaps, errors, norm_errors))
        assert found == pytest.approx(expected), frame
    assert PREDICTED[0] == [0, 0, 5, 5]


def test_other_lengths() -> None:
    with pytest.warns(RowCountWarning):
        overlaps, errors, _, _ = calc_seq_err_robust(tensor(PREDICTED[:2]), tensor(TRUTH), "otb")
    assert overlaps[4] == 0  # a box of zeros
    assert errors[4] == pytest.approx(frame_error([0, 0, 0, 0], TRUTH[4]))
    with pytest.warns(RowCountWarning):
        longer = calc_seq_err_robust(tensor([*PREDICTED, PREDICTED[0]]), tensor(TRUTH), "lasot", torch.tensor(VISIBLE))
    assert len(longer[0]) == 6
    with pytest.raises(InputError, match="expected 6 boxes, one for each frame, found 2"):
        calc_seq_err_robust(tensor(PREDICTED[:2]), tensor(TRUTH), "lasot", torch.tensor(VISIBLE))


def test_what_is_refused() -> None:
    for wrong in (math.nan, -1.0):
        with pytest.raises(InputError, match="finite numbers and no negative sizes"):
            calc_seq_err_robust(tensor([[1, 1, wrong, 1]]), tensor(TRUTH[:1]), "otb")
    truth = tensor([*TRUTH[:1], [math.nan] * 4])
    with pytest.raises(InputError, match="without NaN in the data set otb"):
        calc_seq_err_robust(tensor(PREDICTED[:2]), truth, "otb")
    overlaps, errors, _, valid = calc_seq_err_robust(tensor(PREDICTED[:2]), truth, "uav")
    assert (float(overlaps[1]), float(errors[1]), bool(valid[1])) == (-1, -1, False)


def test_curves_of_tables() -> None:
    tables = np.random.default_rng(0).random((3, 2, 51))
    valid = [True, False, True]
    curves, scores = get_auc_curve(tables, np.array(valid))
    np.testing.assert_allclose(curves, 100 * (tables[0] + tables[2]) / 2)
    np.testing.assert_allclose(scores, [sum(curve) / 51 for curve in curves])
    curves, scores = get_prec_curve(tables.tolist(), valid)
    np.testing.assert_allclose(scores, 50 * (tables[0, :, 20] + tables[2, :, 20]))


def test_names_and_styles() -> None:
    tracker = {"name": "dimp", "param": "dimp50", "run_id": 3, "disp_name": None}
    assert get_tracker_display_name(tracker) == "dimp_dimp50_003"
    assert get_tracker_display_name(tracker | {"run_id": None}) == "dimp_dimp50"
    assert get_tracker_display_name(tracker | {"disp_name": "DiMP"}) == "DiMP"
    styles = get_plot_draw_styles()
    assert len({(style["color"], str(style["line_style"])) for style in styles}) == len(styles) >= 20
    axes = pyplot.figure().subplots()
    for style in styles:
        axes.plot([0, 1], [0, 1], color=style["color"], linestyle=style["line_style"])
    pyplot.close()
