import io

import cv2
import numpy as np
import pytest
from rich.console import Console

from pytracking.analysis.plot_results import plot_success, score_results, score_table
from pytracking.evaluation.running import run_dataset
from pytracking.utils.errors import InputError
from tests.pytracking.dummy import DummyTracker, make_sequence


@pytest.fixture
def stored(tmp_path):
    tracker = DummyTracker("silent", "default", results_path=tmp_path / "results")
    sequences = [make_sequence(tmp_path, name) for name in ("a", "b")]
    run_dataset(sequences, [tracker], console=Console(file=io.StringIO()))
    return tracker, sequences


def test_scores_of_stored_results(stored):
    scores, table = score_results(*stored)
    assert table["sequence"].tolist() == ["a", "b", "mean"]
    assert table["frames"].tolist() == [6, 6, 12]
    # The box stays while the target of 10 pixels moves 0, 1 ... 5 pixels.
    overlaps = np.array([(10 - d) / (10 + d) for d in range(6)])
    assert table["auc"][0] == pytest.approx(np.mean(overlaps[:, None] > np.linspace(0, 1, 21)))
    assert (table["precision"] == 1).all()
    assert (table["fps"] > 0).all()
    assert len(scores) == 2


def test_table_for_the_terminal(stored):
    console = Console(file=io.StringIO(), width=100)
    console.print(score_table(score_results(*stored)[1], "title"))
    text = console.file.getvalue()
    for word in ("title", "AUC", "precision (20 px)", "fps", "mean", "1.000"):
        assert word in text


def test_missing_result(stored, tmp_path):
    tracker, sequences = stored
    with pytest.raises(InputError, match="no result of sequence 'c'"):
        score_results(tracker, [*sequences, make_sequence(tmp_path, "c")])


def test_plot(tmp_path):
    path = tmp_path / "plots" / "success.png"
    plot_success({"good": np.linspace(1, 0.5, 21), "poor": np.linspace(0.6, 0, 21)}, path)
    image = cv2.imread(str(path))
    assert min(image.shape[:2]) > 400
    assert [p.name for p in path.parent.iterdir()] == ["success.png"]
