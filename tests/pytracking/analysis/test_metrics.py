import json
import re
import tarfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pytracking.analysis.metrics import align, center_error, mean_score, overlap, score_sequence
from tests.shared_data import shared_path

boxes = arrays(np.float64, (5, 4), elements=st.floats(0, 200).map(lambda v: round(v, 2)))


def box(*values: float) -> np.ndarray:
    return np.array([values], dtype=np.float64)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ((0, 0, 10, 10), (0, 0, 10, 10), 1),
        ((0, 0, 10, 10), (5, 0, 10, 10), 1 / 3),
        ((0, 0, 10, 10), (10, 0, 10, 10), 0),  # touching boxes share no pixel
        ((0, 0, 10, 10), (2, 2, 5, 4), 0.2),
        ((0, 0, 0, 0), (0, 0, 0, 0), 0),
        ((0, 0, 10, 10), (50, 50, 10, 10), 0),
    ],
)
def test_overlap(one, other, expected):
    assert overlap(box(*one), box(*other))[0] == pytest.approx(expected)


@given(boxes, boxes)
def test_overlap_properties(one, other):
    result = overlap(one, other)
    assert (result >= 0).all()
    assert (result <= 1 + 1e-9).all()  # union = a + b - intersection may round below intersection
    np.testing.assert_array_equal(result, overlap(other, one))
    shift = np.array([3.5, -7.25, 0, 0])
    # Coordinates of up to 400 carry rounding of 6e-14; areas as small as 1e-4 turn that into 1e-7 of overlap.
    np.testing.assert_allclose(overlap(one + shift, other + shift), result, atol=1e-6)


def test_center_error():
    assert center_error(box(0, 0, 10, 10), box(3, 4, 10, 10))[0] == 5
    assert center_error(box(0, 0, 10, 10), box(0, 0, 16, 18))[0] == 5


def test_align():
    truth = np.arange(12.0).reshape(3, 4)
    np.testing.assert_array_equal(align(np.ones((5, 4)), truth), [truth[0], np.ones(4), np.ones(4)])
    short = np.array([[9.0] * 4, [8.0] * 4])
    np.testing.assert_array_equal(align(short, truth), [truth[0], short[1], short[1]])
    with pytest.raises(ValueError, match="found none"):
        align(np.empty((0, 4)), truth)


def test_perfect_and_strict_threshold():
    truth = np.array([[10.0, 10, 20, 20]] * 4)
    score = score_sequence(truth, truth)
    assert score.precision == 1
    assert score.success.tolist() == [1] * 20 + [0]  # overlap 1 is not > 1
    assert score.auc == pytest.approx(20 / 21)


def test_success_by_hand():
    truth = np.array([[0.0, 0, 10, 10]] * 4)
    predicted = np.array([[50.0, 50, 1, 1], [5, 0, 10, 10], [0, 0, 10, 10], [20, 0, 10, 10]])
    score = score_sequence(predicted, truth)  # overlaps 1 (first frame), 1/3, 1, 0
    assert score.success[0] == 0.75
    assert score.success[6] == 0.75  # 0.30
    assert score.success[7] == 0.5  # 0.35
    assert score.precision == 1  # an error of exactly 20 pixels counts


@pytest.mark.parametrize(("rule", "precision", "start"), [("hit", 1.0, 0.5), ("miss", 0.5, 0.5), ("dropped", 1.0, 1.0)])
def test_invalid_frames(rule, precision, start):
    truth = np.array([[0.0, 0, 10, 10], [0, 0, 10, 10], [np.nan] * 4, [5, 5, 0, 10]])
    score = score_sequence(truth.copy(), truth, rule)
    assert (score.precision, score.success[0]) == (precision, start)
    assert score.frames == (2 if rule == "dropped" else 4)


def test_nothing_to_count():
    with pytest.raises(ValueError, match="at least one frame"):
        score_sequence(box(0, 0, 1, 1), box(np.nan, 0, 1, 1), "dropped")


def test_nan_prediction_is_a_miss():
    truth = np.array([[0.0, 0, 10, 10]] * 2)
    score = score_sequence(np.array([[0.0, 0, 10, 10], [np.nan] * 4]), truth)
    assert (score.success[0], score.precision) == (0.5, 0.5)


def test_mean_counts_each_sequence_the_same():
    truth = np.array([[0.0, 0, 10, 10]] * 10)
    good, bad = score_sequence(truth, truth), score_sequence(np.array([[0.0, 0, 1, 1]]), truth[:2])
    mean = mean_score([good, bad])
    assert mean.auc == pytest.approx((good.auc + bad.auc) / 2)
    assert mean.precision == pytest.approx((good.precision + bad.precision) / 2)
    assert mean.frames == 12


def plain(name: str) -> str:
    return re.sub("[^a-z0-9]", "", name.lower())


def parse(text: str) -> np.ndarray:
    return np.array([re.split(r"[,\s]+", row.strip()) for row in text.splitlines()], dtype=float)


@pytest.mark.parametrize("tracker", ["ATOM", "CFNet", "DaSiamRPN", "Ocean", "Ocean-online", "SiamFC", "SiamRPN"])
def test_published_scores_of_otb100(tracker):
    """Raw results of seven trackers give the scores that were computed from them elsewhere, to the digit printed."""
    published = json.loads(shared_path("data", "metrics", "published.json").read_text())["values"]
    wanted = {v["metric"]: v["recomputed"] for v in published if v["dataset"] == "OTB100" and v["tracker"] == tracker}
    with tarfile.open(shared_path("data", "metrics", "otb100.tar.xz")) as archive:
        texts = {
            member.name: archive.extractfile(member).read().decode()
            for member in archive
            if member.isfile() and (member.name.endswith("OTB100.json") or f"results/{tracker}/" in member.name)
        }
    truths = json.loads(next(text for name, text in texts.items() if name.endswith(".json")))
    results = {plain(name.rsplit("/", 1)[1][:-4]): text for name, text in texts.items() if name.endswith(".txt")}
    scores = [
        score_sequence(parse(results[plain(name)]), np.array(entry["gt_rect"], dtype=float), "hit")
        for name, entry in truths.items()
    ]
    mean = mean_score(scores)
    assert round(100 * mean.auc, 2) == wanted["AUC"]
    assert round(100 * mean.precision, 2) == wanted["P20"]
    assert mean.frames == 59035
