import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pytracking.scoring.conventions import InvalidRule, Rules, rules_of
from pytracking.scoring.metrics import (
    Curves,
    center_error,
    clip_boxes,
    fit_rows,
    normalized_error,
    score_boxes,
    share_above,
    share_within,
    trackingnet_score,
    valid_frames,
)

boxes = arrays(np.float64, (5, 4), elements=st.floats(0, 200).map(lambda v: round(v, 2)))


def box(*values: float) -> np.ndarray:
    return np.array([values], dtype=np.float64)


def test_center_error():
    assert center_error(box(0, 0, 10, 10), box(3, 4, 10, 10))[0] == 5
    assert center_error(box(0, 0, 10, 10), box(0, 0, 16, 18))[0] == 5


def test_normalized_error():
    assert normalized_error(box(3, 8, 10, 20), box(0, 0, 10, 20))[0] == pytest.approx(0.5)  # 3 / 10 and 8 / 20
    assert not np.isfinite(normalized_error(box(3, 8, 10, 20), box(0, 0, 0, 20)))[0]


def test_normalized_error_as_pytracking_rounds_it():
    """A center off by a fifth of the target lies on the limit: what is divided first decides on which side."""
    truth = np.array([[50.0, 20, 10, 20]])  # as they stand in the file
    shift = np.array([2, 0, 0, 0])
    predicted = truth + shift
    assert normalized_error(predicted, truth)[0] == 0.2
    # Centers 56.5 and 54.5 in tenths: 5.65 - 5.45 is more than 0.2 in float64.
    error = normalized_error(predicted, truth, added_pixel=1, scaled_centers=True)[0]
    assert error == 56.5 / 10 - 54.5 / 10 > 0.2
    moved = truth - np.array([1, 1, 0, 0])  # the same boxes counted from 0
    rules = rules_of("pytracking", "otb")
    shares = [
        score_boxes(np.vstack((t, p)), np.vstack((t, t)), rules, pixel_origin=origin).norm_precision[20]
        for t, p, origin in ((truth, predicted, 0), (moved, moved + shift, 1))
    ]
    assert shares == [0.5, 0.5]  # the first frame, which counts as perfect, alone
    assert score_boxes(np.vstack((truth, predicted)), np.vstack((truth, truth)), Rules()).norm_precision[20] == 1


def test_clip_boxes():
    clipped = clip_boxes(np.array([[-5.0, 2, 10, 10], [95, 90, 10, 30], [120, -3, 5, 5]]), (100, 100))
    assert clipped.tolist() == [[0, 2, 10, 10], [95, 90, 5, 10], [100, 0, 0, 5]]


values = arrays(np.float64, st.integers(1, 30), elements=st.integers(-2, 22).map(lambda v: v / 20))


@given(values, st.sampled_from([None, 40]))
def test_shares_against_comparisons(numbers, count):
    """Twentieths tie with the thresholds."""
    thresholds = np.arange(21) / 20
    above = (numbers[:, None] > thresholds).sum(axis=0) / (count or len(numbers))
    within = (numbers[:, None] <= thresholds).sum(axis=0) / (count or len(numbers))
    np.testing.assert_array_equal(share_above(numbers, thresholds, count), above)
    np.testing.assert_array_equal(share_within(numbers, thresholds, count), within)


def test_shares_of_special_values():
    limits = np.array([0.0, 10])
    assert share_within(np.array([np.nan, np.inf, -1, 10]), limits).tolist() == [0.25, 0.5]
    assert share_above(np.array([-1.0, np.inf, 10]), limits).tolist() == [2 / 3, 1 / 3]


def test_valid_frames():
    truth = np.array([[1.0, 1, 2, 2], [0, 1, 2, 2], [1, 1, 0, 2], [1, 1, 2, -1], [1, np.nan, 2, 2], [1, 1, np.inf, 2]])
    assert valid_frames(truth).tolist() == [True, True, False, False, False, False]
    assert valid_frames(truth, min_corner=0).tolist() == [True] + [False] * 5


def test_rows_are_not_changed_in_place():
    predicted, truth = np.ones((3, 4)), np.zeros((3, 4))
    fit_rows(predicted, truth, Rules(empty_box="previous", short_result="zeros"))
    assert (predicted == 1).all()
    assert (truth == 0).all()


@pytest.mark.filterwarnings("ignore::pytracking.scoring.rows.RowCountWarning")
def test_rows_are_cut_and_continued():
    truth = np.arange(12.0).reshape(3, 4)
    np.testing.assert_array_equal(fit_rows(np.ones((5, 4)), truth, Rules()), [truth[0], np.ones(4), np.ones(4)])
    short = np.array([[9.0] * 4, [8.0] * 4])
    np.testing.assert_array_equal(fit_rows(short, truth, Rules()), [truth[0], short[1], short[1]])
    with pytest.raises(ValueError, match="found none"):
        fit_rows(np.empty((0, 4)), truth, Rules())


def score(predicted: np.ndarray, truth: np.ndarray, invalid: InvalidRule = "miss") -> Curves:
    return score_boxes(predicted, truth, Rules(invalid=invalid, invalid_norm=invalid))


def test_perfect_and_strict_threshold():
    truth = np.array([[10.0, 10, 20, 20]] * 4)
    curves = score(truth, truth)
    assert curves.precision[0] == 1
    assert curves.success.tolist() == [1] * 20 + [0]  # overlap 1 is not > 1


def test_success_by_hand():
    truth = np.array([[0.0, 0, 10, 10]] * 4)
    predicted = np.array([[50.0, 50, 1, 1], [5, 0, 10, 10], [0, 0, 10, 10], [20, 0, 10, 10]])
    curves = score(predicted, truth)  # overlaps 1 (first frame), 1/3, 1, 0
    assert curves.success[0] == 0.75
    assert curves.success[6] == 0.75  # 0.30
    assert curves.success[7] == 0.5  # 0.35
    assert curves.precision[20] == 1  # an error of exactly 20 pixels counts


@pytest.mark.parametrize(("rule", "precision", "start"), [("hit", 1.0, 0.5), ("miss", 0.5, 0.5), ("dropped", 1.0, 1.0)])
def test_invalid_frames(rule, precision, start):
    truth = np.array([[0.0, 0, 10, 10], [0, 0, 10, 10], [np.nan] * 4, [5, 5, 0, 10]])
    curves = score(truth.copy(), truth, rule)
    assert (curves.precision[20], curves.success[0]) == (precision, start)
    assert curves.frames == (2 if rule == "dropped" else 4)


def test_nothing_to_count():
    with pytest.raises(ValueError, match="at least one frame"):
        score(box(0, 0, 1, 1), box(np.nan, 0, 1, 1), "dropped")


def test_nan_prediction_is_a_miss():
    truth = np.array([[0.0, 0, 10, 10]] * 2)
    curves = score(np.array([[0.0, 0, 10, 10], [np.nan] * 4]), truth)
    assert (curves.success[0], curves.precision[20]) == (0.5, 0.5)


def test_trackingnet_areas():
    """A perfect tracker: the trapezoid from 1 to 0 at the end of the success curve is half as high."""
    truth = np.array([[10.0, 10, 20, 20]] * 2)
    perfect = trackingnet_score(truth + 0.2, truth)  # rounded away
    assert (perfect.success, perfect.precision, perfect.norm_precision) == (pytest.approx(19.5 / 20), 1, 1)
    # An error of 10 pixels, half the width: 4 of the 21 points at 2.5 pixels are below it, and the trapezoid before
    # the fifth is half as high. 0.5 is the last point of the normalized curve.
    moved = trackingnet_score(np.array([[0.0, 0, 1, 1], [20, 10, 20, 20]]), truth)
    assert moved.precision == pytest.approx((1 + (20 - 3.5) / 20) / 2)
    assert moved.norm_precision == pytest.approx((1 + 0.5 / 20) / 2)
    assert moved.success == pytest.approx((19.5 / 20 + 6.5 / 20) / 2)  # 1/3 exceeds 0 .. 0.3, seven points
    with pytest.raises(ValueError, match="expected 2 boxes"):
        trackingnet_score(truth[:1], truth)
