"""Long-term measures against their definitions."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ltr.common.errors import InputError
from pytracking.analysis.long_term import Return, evaluate_long_term, find_returns, has_absent_frames, mean_curve
from pytracking.analysis.presence import presence_curve
from pytracking.analysis.report.long_term import long_term_table
from pytracking.evaluation import Sequence, Tracker

BOX, NEAR, FAR, ABSENT = [10.0, 10, 10, 10], [16.0, 10, 10, 10], [50.0, 50, 10, 10], [math.nan] * 4
PRESENT = np.array([0, 1, 1, 0, 0, 1, 1, 1, 0, 1], dtype=bool)

frame = st.tuples(st.integers(0, 8).map(lambda v: v / 8), st.sampled_from([0.0, 0.25, 0.5, 1.0]), st.booleans())
sequence = st.lists(frame, min_size=1, max_size=8).filter(lambda frames: any(f[2] for f in frames))


def store(folder: Path, name: str, boxes: list[list[float]], scores: list[float]) -> Tracker:
    tracker = Tracker("t", "p", results_path=folder)
    tracker.results_dir.mkdir(parents=True, exist_ok=True)
    (tracker.results_dir / f"{name}.txt").write_text("".join("\t".join(map(str, box)) + "\n" for box in boxes))
    (tracker.results_dir / f"{name}_object_presence_scores.txt").write_text("\n".join(map(str, scores)) + "\n")
    return tracker


@given(st.lists(sequence, min_size=1, max_size=4))
def test_mean_curve_against_the_definition(sequences):
    data = [tuple(np.array(column) for column in zip(*frames, strict=True)) for frames in sequences]
    curve = mean_curve([presence_curve(*columns) for columns in data])
    assert curve.thresholds.tolist() == sorted({s for _, scores, _ in data for s in scores}, reverse=True)
    for threshold, precision, recall in zip(curve.thresholds, curve.precision, curve.recall, strict=True):
        precisions, recalls = [], []
        for overlaps, scores, present in data:
            reported = scores >= threshold
            gained = overlaps[reported & present].sum()
            precisions.append(gained / reported.sum() if reported.any() else 1)
            recalls.append(gained / present.sum())
        assert precision == pytest.approx(np.mean(precisions))
        assert recall == pytest.approx(np.mean(recalls))


def test_returns_by_hand():
    overlaps = np.array([0, 0, 0.2, 0, 0, 0.6, 0, 0, 0, 0])
    found = find_returns(overlaps, PRESENT, np.arange(1, 11))
    assert found == [Return(2, 1, None), Return(3, 0, 0), Return(1, None, None)]


def test_target_that_never_went_does_not_return():
    assert find_returns(np.zeros(4), np.ones(4, dtype=bool), np.arange(4)) == []
    assert find_returns(np.zeros(4), np.array([1, 1, 0, 0], dtype=bool), np.arange(4)) == []


def test_returns_of_sparse_annotations_are_in_frames():
    overlaps = np.array([0.0, 0, 0, 0.7, 0])
    present = np.array([1, 0, 1, 1, 1], dtype=bool)
    assert find_returns(overlaps, present, np.array([30, 60, 90, 120, 150])) == [Return(90, 30, 30)]


def test_scores_of_a_run_by_hand(tmp_path):
    truth = np.array([BOX, BOX, ABSENT, ABSENT, BOX, BOX, BOX])
    tracker = store(tmp_path, "a", [FAR, BOX, FAR, FAR, FAR, NEAR, BOX], [0.1, 0.9, 0.8, 0.2, 0.3, 0.6, 0.7])
    scores = evaluate_long_term(tracker, [Sequence("a", [], "tlp", truth)])
    # From the highest score: found, absent, found, touched (overlap 1/4), lost, absent. The first frame is left out.
    assert scores.threshold == 0.7
    assert (scores.precision, scores.recall) == (pytest.approx(2 / 3), pytest.approx(2 / 4))
    assert scores.f_score == pytest.approx(2 * (2 / 3) * (1 / 2) / (2 / 3 + 1 / 2))
    assert (scores.oxuva.tpr, scores.oxuva.tnr) == (2 / 4, 1 / 2)
    assert scores.returns == (Return(3, 1, 2),)
    assert (scores.found, scores.touch_time, scores.find_time) == (1, 1, 2)


def test_target_that_is_not_found_counts_with_all_its_frames(tmp_path):
    truth = np.array([BOX, ABSENT, BOX, BOX, BOX])
    scores = evaluate_long_term(store(tmp_path, "a", [FAR] * 5, [1.0] * 5), [Sequence("a", [], "tlp", truth)])
    assert (scores.found, scores.touch_time, scores.find_time) == (0, 3, 3)
    assert scores.f_score == 0


def test_each_sequence_counts_the_same(tmp_path):
    """Pooled, the long sequence would decide."""
    short, long = np.array([BOX, BOX, ABSENT]), np.array([BOX] * 30 + [ABSENT])
    store(tmp_path, "short", [BOX, BOX, FAR], [1, 0.9, 0.1])
    tracker = store(tmp_path, "long", [FAR] * 31, [1.0] + [0.5] * 29 + [0.1])
    scores = evaluate_long_term(tracker, [Sequence("short", [], "tlp", short), Sequence("long", [], "tlp", long)])
    assert scores.recall == 0.5
    assert scores.precision == 1  # at 0.9, where the long sequence reports nothing


def test_nothing_to_score_is_an_error(tmp_path):
    tracker = store(tmp_path, "a", [BOX] * 3, [1.0] * 3)
    with pytest.raises(InputError, match="at least one sequence"):
        evaluate_long_term(tracker, [])
    with pytest.raises(InputError, match=r"a: .*at least one frame with a target"):
        evaluate_long_term(tracker, [Sequence("a", [], "tlp", np.array([BOX, ABSENT, ABSENT]))])


def test_table_of_sequences_with_absent_targets(tmp_path):
    truth = np.array([BOX, BOX, ABSENT, BOX])
    present = Sequence("b", [], "tlp", np.array([BOX] * 4))
    away = Sequence("a", [], "tlp", truth)
    tracker = store(tmp_path, "a", [BOX, BOX, FAR, BOX], [1.0, 0.9, 0.1, 0.8])
    store(tmp_path, "b", [FAR] * 4, [1.0] * 4)
    assert [has_absent_frames(sequence) for sequence in (away, present)] == [True, False]
    table = long_term_table({"mine": [tracker]}, [away, present])
    assert table is not None
    row = table.records()[0]
    assert (row["lt_f"], row["tpr"], row["tnr"], row["returns"], row["find_time"]) == (1, 1, 1, 1, 0)
    assert row["reported_by"] == "score > 0.55 (pytracking's, as none is recorded)"
    assert long_term_table({"mine": [tracker]}, [present]) is None


def test_rates_are_those_of_the_trackers_own_threshold(tmp_path):
    sequence = Sequence("a", [], "tlp", np.array([BOX, BOX, ABSENT, BOX]))
    tracker = store(tmp_path, "a", [BOX, BOX, FAR, BOX], [1.0, 0.3, 0.2, 0.3])
    parameters = {"target_not_found_threshold": 0.25}
    (tracker.results_dir / "run.json").write_text(json.dumps({"parameters": parameters}))
    table = long_term_table({"mine": [tracker]}, [sequence])
    assert table is not None
    row = table.records()[0]
    assert (row["tpr"], row["tnr"], row["reported_by"]) == (1, 1, "score ≥ 0.25 (target_not_found_threshold)")
    (tracker.results_dir / "run.json").unlink()
    assert evaluate_long_term(tracker, [sequence]).oxuva.tpr == 0
