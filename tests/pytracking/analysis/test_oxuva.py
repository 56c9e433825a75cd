import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ltr.common.errors import InputError
from pytracking.analysis.oxuva import (
    OxuvaCounts,
    count_frames,
    count_results,
    max_geometric_mean,
    oxuva_scores,
    read_assessment,
)
from pytracking.evaluation import Sequence, Tracker

FRAMES = [f"{number}.jpg" for number in range(5)]
BOX, HALF, FAR = [0.0, 0, 10, 10], [0.0, 0, 5, 10], [50.0, 50, 10, 10]


def test_counts_by_hand():
    truth = np.array([BOX, BOX, BOX, BOX, [np.nan] * 4, [np.nan] * 4])
    boxes = np.array([BOX, HALF, FAR, BOX, BOX, BOX])
    present = np.array([True, True, True, True, False, False])
    reported = np.array([True, True, True, False, True, False])
    assert count_frames(boxes, reported, truth, present) == OxuvaCounts(2, 1, 4, 2)  # an overlap of 0.5 is enough
    assert count_frames(boxes, reported, truth, present, 0.51) == OxuvaCounts(1, 1, 4, 2)


def test_scores_by_hand():
    scores = oxuva_scores(OxuvaCounts(2, 1, 4, 2) + OxuvaCounts(1, 2, 4, 2))
    assert (scores.tpr, scores.tnr) == (3 / 8, 3 / 4)
    assert scores.gm == scores.max_gm == pytest.approx(math.sqrt(9 / 32))
    # A tracker that always reports: half of its boxes withheld give sqrt(TPR / 2 * 1 / 2).
    assert oxuva_scores(OxuvaCounts(3, 0, 4, 2)).max_gm == pytest.approx(math.sqrt(0.75) / 2)


def test_nothing_to_divide_by():
    scores = oxuva_scores(OxuvaCounts(1, 0, 2, 0))
    assert scores.tpr == 0.5
    assert all(math.isnan(value) for value in (scores.tnr, scores.gm, scores.max_gm))


@given(st.floats(0, 1), st.floats(0, 1))
def test_best_mixture_against_a_search(tpr, tnr):
    p = np.linspace(0, 1, 10_001)
    searched = np.sqrt((1 - p) * tpr * ((1 - p) * tnr + p)).max()
    # Beside the maximum the square falls by less than tpr * step**2; its root by sqrt of that near 0.
    assert searched - 1e-12 <= max_geometric_mean(tpr, tnr) <= searched + 1e-4


def test_stored_results(tmp_path):
    tracker = Tracker("t", "p", results_path=tmp_path)
    tracker.results_dir.mkdir(parents=True)
    truth = np.array([BOX, [np.nan] * 4, BOX, [np.nan] * 4, BOX])
    sequence = Sequence(
        "a", FRAMES, "oxuva_dev", truth,
        target_visible=np.array([True, False, True, False, True]), annotated=np.array([True, False, True, True, True]),
    )  # fmt: skip
    rows = "".join("\t".join(map(str, box)) + "\n" for box in (FAR, FAR, BOX, BOX, FAR))
    (tracker.results_dir / "a.txt").write_text(rows)
    assert count_results(tracker, [sequence]) == OxuvaCounts(1, 0, 2, 1)  # without scores the target is always there
    (tracker.results_dir / "a_object_presence_scores.txt").write_text("1\n0.9\n0.55\n0.2\n0.9\n")
    assert count_results(tracker, [sequence]) == OxuvaCounts(0, 1, 2, 1)  # 0.55 does not exceed the threshold
    assert count_results(tracker, [sequence], threshold=0.5) == OxuvaCounts(1, 1, 2, 1)
    (tracker.results_dir / "a_object_presence_scores.txt").write_text("1\n")
    with pytest.raises(InputError, match="expected 5 scores, one for each box, found 1"):
        count_results(tracker, [sequence])
    with pytest.raises(InputError, match="no result of sequence 'b'"):
        count_results(tracker, [Sequence("b", [], "oxuva_dev", truth)])


def test_files_of_the_toolkit(tmp_path):
    path = tmp_path / "iou_0d5.json"
    bins = [[[0, 900], {"TP": 3, "TN": 1, "FP": 0, "FN": 1, "num_present": 4, "num_absent": 1, "num_frames": 5}]]
    path.write_text(json.dumps({"quantized_totals": [[["vid0", "obj0"], bins], [["vid1", "obj0"], bins * 2]]}))
    assert read_assessment(path) == OxuvaCounts(9, 3, 12, 3)
    for text in ("", "[]", '{"quantized_totals": [1]}', '{"quantized_totals": [[["a"], [[[0, 1], {"TP": 1}]]]]}'):
        path.write_text(text)
        with pytest.raises(InputError, match="expected counts of the OxUvA toolkit"):
            read_assessment(path)
