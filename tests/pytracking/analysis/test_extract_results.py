import numpy as np
import pytest

from ltr.common.errors import InputError
from pytracking.analysis.extract_results import extract_results
from pytracking.evaluation import Sequence, Tracker

TRUTH = np.array([[10.0, 10, 20, 20], [10, 10, 20, 20], [0, 10, 20, 20]])  # the last is invalid for pytracking


@pytest.fixture
def trackers(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTRACKING_RESULT_PLOT_PATH", str(tmp_path / "plots"))
    runs = [Tracker("dimp", "dimp50", run, results_path=tmp_path) for run in (1, 0)]
    other = Tracker("atom", "default", display_name="ATOM", results_path=tmp_path)
    for tracker, shift in ((runs[0], 0), (other, 5), (runs[1], 10)):
        tracker.results_dir.mkdir(parents=True)
        rows = "".join(f"{x + shift:g}\t{y:g}\t{w:g}\t{h:g}\n" for x, y, w, h in TRUTH)
        for name in ("a", "b"):
            (tracker.results_dir / f"{name}.txt").write_text(rows)
    return [runs[0], other, runs[1]]


@pytest.fixture
def dataset():
    return [Sequence(name, [], "nfs", TRUTH) for name in ("a", "b", "c")]


def test_columns_stand_in_the_order_of_the_trackers(trackers, dataset):
    data = extract_results(trackers, dataset[:2], "report")
    assert data["sequences"] == ["a", "b"]
    assert [tracker["disp_name"] for tracker in data["trackers"]] == ["dimp_dimp50_001", "ATOM", "dimp_dimp50_000"]
    assert data["trackers"][0] == {"name": "dimp", "param": "dimp50", "run_id": 1, "disp_name": "dimp_dimp50_001"}
    assert data["ave_success_rate_plot_overlap"].shape == (2, 3, 21)
    assert data["ave_success_rate_plot_center"].shape == data["ave_success_rate_plot_center_norm"].shape == (2, 3, 51)
    # Frame 2: overlaps 1, 0.6 and 1/3; averages over the two valid frames.
    np.testing.assert_allclose(data["avg_overlap_all"][0], [1, 0.8, 2 / 3])
    np.testing.assert_allclose(data["ave_success_rate_plot_overlap"][0, :, 10], [2 / 3, 2 / 3, 1 / 3])
    assert data["valid_sequence"].tolist() == [True, True]
    assert len(data["threshold_set_overlap"]) == 21


def test_excluded_frames_and_bins(trackers, dataset):
    data = extract_results(trackers, dataset[:2], "report", plot_bin_gap=0.1, exclude_invalid_frames=True)
    assert data["ave_success_rate_plot_overlap"].shape == (2, 3, 11)
    np.testing.assert_allclose(data["ave_success_rate_plot_overlap"][0, :, 5], [1, 1, 0.5])
    # Invalid frames are no hits of the center error, but are of the normalized one.
    np.testing.assert_allclose(data["ave_success_rate_plot_center"][0, 0, 20], 1)
    np.testing.assert_allclose(data["ave_success_rate_plot_center_norm"][0, 0, 20], 1.5)
    with pytest.raises(InputError, match="plot_bin_gap that divides 1"):
        extract_results(trackers, dataset, "report", plot_bin_gap=0.3)


def test_missing_sequences(trackers, dataset, tmp_path):
    with pytest.raises(InputError, match="no result of"):
        extract_results(trackers, dataset, "report")
    data = extract_results(trackers, dataset, "report", skip_missing_seq=True)
    assert data["sequences"] == ["a", "b", "c"]
    assert data["valid_sequence"].tolist() == [True, True, False]
    assert np.isnan(data["avg_overlap_all"][2]).all()
    assert list((tmp_path / "plots" / "report" / "scores").glob("*.npz"))
