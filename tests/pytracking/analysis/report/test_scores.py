import math
from dataclasses import replace

import numpy as np
import pytest

from ltr.common.errors import InputError
from pytracking.analysis.report.scores import (
    attribute_table,
    check,
    check_names,
    run_table,
    sequence_table,
    summary_table,
    tracker_table,
)  # fmt: skip
from pytracking.analysis.report.tables import Spread
from tests.pytracking.analysis.report.synthetic import (
    ATTRIBUTES,
    SEQUENCES,
    make_evaluation,
    make_scores,
    without_result,
)


def test_check_ranks_and_leaves_out():
    evaluation = make_evaluation()
    shuffled = replace(evaluation, trackers=evaluation.trackers[::-1])
    checked = check(without_result(shuffled, 0, 1, 2))
    assert [tracker.name for tracker in checked.trackers] == ["good", "fair", "poor"]
    assert checked.sequences == ("cat", "dog", "kite", "rabbit")


def test_check_names_what_is_missing():
    evaluation = make_evaluation().subset(["cat"])
    with pytest.raises(InputError, match=r"found none; missing are\n  poor, run 1: cat\n  run the trackers first"):
        check(without_result(evaluation, 2, 1, 0))
    with pytest.raises(InputError, match="several called 'twin'"):
        check_names(make_evaluation(("twin", "other", "twin")))


def test_summary_by_hand():
    quality = np.array([[0.4, 0.8], [0.6, 0.8]])
    evaluation = replace(
        make_evaluation(), sequences=("a", "b"), trackers=(make_scores("t", quality, 25.0, 3 * 2.0**20),)
    )
    (row,) = summary_table(evaluation).rows
    auc, op50, op75, precision, norm_precision, overlap = row[2:8]
    assert row[:2] == ("t", 2)
    assert auc.mean == pytest.approx(0.325)  # mean quality 0.65, a line from there to 0
    assert auc.std == pytest.approx(np.std([0.3, 0.35], ddof=1))
    assert (op50.mean, op75.mean) == pytest.approx((0.325, 0.1625))
    assert precision.mean == pytest.approx(0.65 * 21 / 40)
    assert norm_precision.mean == pytest.approx(precision.mean / 2)
    assert overlap.mean == pytest.approx(0.325)
    assert row[8:] == pytest.approx((25.0, 3 * 2.0**20))


def test_sequence_table():
    table = sequence_table(make_evaluation(), "precision")
    assert [column.key for column in table.columns] == ["sequence", "frames", "good", "fair", "poor"]
    assert [row[0] for row in table.rows] == [*SEQUENCES, "mean"]
    assert table.rows[-1][1] == 30
    assert all(math.isnan(row[3].std) for row in table.rows)  # one run
    mean = np.mean([row[2].mean for row in table.rows[:-1]])
    assert table.rows[-1][2].mean == pytest.approx(mean)
    assert all((r, 2) in table.best_cells() for r in range(6))
    assert table.last_is_mean


def test_tracker_table_without_known_frames():
    evaluation = make_evaluation()
    scores = replace(evaluation.trackers[0], frames=None)
    table = tracker_table(evaluation, scores, "title")
    assert table.title == "title"
    assert [row[1] for row in table.rows] == [None] * 6
    assert table.rows[0][-1] == 20


def test_attribute_table():
    table = attribute_table(make_evaluation(), ATTRIBUTES)
    assert [(row[0], row[1]) for row in table.rows] == [("OCC", 2), ("FM", 3), ("LR", 2), ("all", 5)]
    cells = sequence_table(make_evaluation()).rows
    assert table.rows[0][2].mean == pytest.approx((cells[0][2].mean + cells[3][2].mean) / 2)


def test_run_table_has_every_number():
    table = run_table(make_evaluation())
    assert len(table.rows) == 5 * (2 + 1 + 2)
    assert table.rows[5][:3] == ("good", 1, "cat")
    assert not any(isinstance(value, Spread) for row in table.rows for value in row)


def test_weights_count():
    scores = replace(make_scores("t", np.array([[0.2, 0.8]])), weights=np.array([3.0, 1.0]))
    evaluation = replace(make_evaluation(), sequences=("a", "b"), trackers=(scores,))
    assert summary_table(evaluation).rows[0][2].mean == pytest.approx(0.5 * (0.2 * 3 + 0.8) / 4)
