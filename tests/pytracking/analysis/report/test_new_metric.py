"""A metric of one's own: a function of a tracker's scores and its entry; nothing else is touched."""

from pathlib import Path

import numpy as np
import pytest

from ltr.common.types import Array
from pytracking.analysis.evaluation import TrackerScores
from pytracking.analysis.report.scores import METRICS, Metric, sequence_table, summary_table
from tests.pytracking.analysis.report.synthetic import make_evaluation, make_full_report


def failures(scores: TrackerScores) -> Array:
    """Share of frames without any overlap, (R, S)."""
    return np.asarray(1 - scores.success[:, :, 0])


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    metric = Metric("failures", "lost", "share of frames without overlap", failures, "Lost is 1 − success at 0.")
    monkeypatch.setitem(METRICS, "failures", metric)


def test_it_is_in_the_tables() -> None:
    evaluation = make_evaluation()
    summary = summary_table(evaluation)
    (place,) = (number for number, column in enumerate(summary.columns) if column.key == "failures")
    for tracker, row in zip(evaluation.trackers, summary.rows, strict=True):
        assert row[place].mean == pytest.approx(1 - tracker.success[:, :, 0].mean())
    assert len(sequence_table(evaluation, "failures").rows) == len(evaluation.sequences) + 1


def test_it_is_in_the_report_with_its_definition(tmp_path: Path) -> None:
    report = make_full_report(tmp_path)
    assert "Lost is 1 − success at 0." in report.definitions
    assert any(column.header == "lost" for column in report.summary.columns)
