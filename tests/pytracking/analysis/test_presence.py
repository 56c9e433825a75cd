import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ltr.common.errors import InputError
from pytracking.analysis.presence import evaluate_presence, presence_curve, reported_frames
from pytracking.evaluation import Sequence, Tracker

BOX, FAR = [10.0, 10, 10, 10], [50.0, 50, 10, 10]


def test_curve_by_hand():
    overlaps = np.array([1.0, 0.5, 0.8, 0.3])
    present = np.array([True, True, False, True])
    curve = presence_curve(overlaps, np.array([0.9, 0.8, 0.7, 0.6]), present)
    np.testing.assert_allclose(curve.thresholds, [0.9, 0.8, 0.7, 0.6])
    np.testing.assert_allclose(curve.precision, [1, 0.75, 0.5, 0.45])  # the box on an absent target adds nothing
    np.testing.assert_allclose(curve.recall, [1 / 3, 0.5, 0.5, 0.6])
    np.testing.assert_allclose(curve.f1, [0.5, 0.6, 0.5, 0.54 / 1.05])
    assert curve.best == 1


def test_equal_scores_are_reported_together():
    curve = presence_curve(np.array([1.0, 0.0, 0.5]), np.array([0.5, 0.5, 0.5]), np.array([True, True, True]))
    assert curve.thresholds.tolist() == [0.5]
    assert curve.precision.tolist() == curve.recall.tolist() == curve.f1.tolist() == [0.5]


def test_nothing_found():
    curve = presence_curve(np.zeros(2), np.array([0.1, 0.2]), np.array([True, False]))
    assert curve.f1.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("overlaps", "scores", "present"),
    [([0.5], [1.0], [False]), ([0.5], [np.nan], [True]), ([np.nan], [1.0], [True]), ([], [], [])],
)
def test_no_curve(overlaps, scores, present):
    with pytest.raises(ValueError, match="expected"):
        presence_curve(np.array(overlaps), np.array(scores), np.array(present, dtype=bool))


frame = st.tuples(st.integers(0, 8).map(lambda v: v / 8), st.sampled_from([0.0, 0.25, 0.5, 1.0]), st.booleans())


@given(st.lists(frame, min_size=1, max_size=12).filter(lambda frames: any(f[2] for f in frames)))
def test_against_the_definition(frames):
    overlaps, scores, present = (np.array(column) for column in zip(*frames, strict=True))
    curve = presence_curve(overlaps, scores, present)
    assert curve.thresholds.tolist() == sorted(set(scores), reverse=True)
    for threshold, precision, recall in zip(curve.thresholds, curve.precision, curve.recall, strict=True):
        reported = scores >= threshold
        gained = overlaps[reported & present].sum()  # eighths: exact sums
        assert precision == gained / reported.sum()
        assert recall == gained / present.sum()


def test_stored_results(tmp_path):
    tracker = Tracker("t", "p", results_path=tmp_path)
    tracker.results_dir.mkdir(parents=True)
    truth = np.array([BOX, BOX, [np.nan] * 4])
    (tracker.results_dir / "a.txt").write_text("".join("\t".join(map(str, b)) + "\n" for b in (BOX, FAR, FAR)))
    sequence = Sequence("a", [], "tlp", truth)
    assert evaluate_presence(tracker, [sequence]).f1.tolist() == [pytest.approx(2 * 1 / 3 * 1 / 2 / (1 / 3 + 1 / 2))]
    (tracker.results_dir / "a_object_presence_scores.txt").write_text("1\n0.5\n0.1\n")
    curve = evaluate_presence(tracker, [sequence])
    assert curve.recall.tolist() == [0.5, 0.5, 0.5]
    assert curve.thresholds[curve.best] == 1
    unseen = Sequence("a", ["0.jpg", "1.jpg", "2.jpg"], "tlp", truth, target_visible=np.zeros(3, dtype=bool))
    with pytest.raises(InputError, match="at least one frame with a target"):
        evaluate_presence(tracker, [unseen])
    with pytest.raises(InputError, match="at least one sequence"):
        evaluate_presence(tracker, [])


SCORES = np.array([0.05, 0.1, 0.25, 0.3, 0.55, 0.6])
FLAGS = ["normal", "not_found", "normal", "uncertain", "normal", "normal"]


@pytest.mark.parametrize(
    ("parameters", "flags", "reported", "reason"),
    [
        ({}, None, [0, 0, 0, 0, 0, 1], "score > 0.55 (pytracking's, as none is recorded)"),
        ({}, FLAGS, [1, 0, 1, 1, 1, 1], "flag is not not_found (no threshold recorded)"),
        ({"target_not_found_threshold": 0.25}, None, [0, 0, 1, 1, 1, 1], "score ≥ 0.25 (target_not_found_threshold)"),
        ({"success_threshold": 0.25}, None, [0, 0, 0, 1, 1, 1], "score > 0.25 (success_threshold)"),
        (
            {"presence_threshold": 0.1, "presence_map": [-4, 2, 5], "target_not_found_threshold": 0.25},
            FLAGS,
            [0, 0, 1, 1, 1, 1],
            "score ≥ 0.1 (presence_threshold)",
        ),
        # -inf is no threshold, and that of scores says nothing of what they are mapped to.
        (
            {"presence_threshold": "-inf", "target_not_found_threshold": 0.25},
            None,
            [0, 0, 1, 1, 1, 1],
            "score ≥ 0.25 (target_not_found_threshold)",
        ),
        (
            {"presence_threshold": "-inf", "presence_map": [-4, 2, 5], "target_not_found_threshold": 0.25},
            FLAGS,
            [1, 0, 1, 1, 1, 1],
            "flag is not not_found (no threshold recorded)",
        ),
        (
            {"advanced_localization": False, "target_not_found_threshold": 0.25},
            ["normal"] * 6,
            [1] * 6,
            "flag is not not_found (no threshold recorded)",
        ),
    ],
)
def test_a_target_is_reported_where_the_tracker_says_so(parameters, flags, reported, reason):
    found, reported_by = reported_frames(SCORES, flags, parameters)
    assert found.tolist() == list(map(bool, reported))
    assert reported_by == reason


@pytest.mark.parametrize(
    ("tracker", "parameters", "reason"),
    [
        ("dimp", "dimp50", "score ≥ 0.25 (target_not_found_threshold)"),
        ("dimp", "rls_dimp_lite", "score ≥ 0.1 (target_not_found_threshold)"),
        ("dimp", "prdimp50", "score ≥ 0.04 (target_not_found_threshold)"),
        ("dimp", "rls_dimp_lite_lt", "score ≥ 0.19 (presence_threshold)"),
        ("rtmdnet", "rtmdnet_lite", "score > 0 (success_threshold)"),
    ],
)
def test_every_family_records_its_threshold(tracker, parameters, reason):
    recorded = Tracker(tracker, parameters).get_parameters().to_dict()
    assert reported_frames(SCORES, FLAGS, recorded)[1] == reason


def test_flags_must_be_as_many_as_boxes(tmp_path):
    tracker = Tracker("t", "p", results_path=tmp_path)
    tracker.results_dir.mkdir(parents=True)
    (tracker.results_dir / "a.txt").write_text("1\t2\t3\t4\n" * 2)
    (tracker.results_dir / "a_flags.txt").write_text("normal\n")
    with pytest.raises(InputError, match=r"a_flags\.txt: expected 2 flags, one for each box, found 1"):
        evaluate_presence(tracker, [Sequence("a", [], "tlp", np.array([BOX, BOX]))])
