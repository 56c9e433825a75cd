import numpy as np
import pytest

from pytracking.tracker.dimp.localization import (
    SearchArea,
    hann_window,
    localize_advanced,
    localize_simple,
    peak,
    preprocess_scores,
)
from pytracking.tracker.dimp.params import DiMPParams
from pytracking.utils.types import Array
from tests.shared_data import golden

CENTER = np.array([100.0, 120.0])
SIZE = np.array([32.0, 32.0])


def area(scales: int = 1) -> SearchArea:
    return SearchArea(np.tile(CENTER, (scales, 1)), np.ones(scales), cell=16.0)


def score_map(*peaks: tuple[int, int, float]) -> Array:
    scores = np.zeros((1, 19, 19), np.float32)
    for row, column, value in peaks:
        scores[0, row, column] = value
    return scores


def flag_and_cell(scores: Array, **params: float) -> tuple[str, list[float]]:
    found = localize_advanced(scores, area(), CENTER, SIZE, DiMPParams(**params))  # type: ignore[arg-type]
    return found.flag, (found.displacement + 9).tolist()


def test_one_clear_peak_is_normal() -> None:
    found = localize_advanced(score_map((11, 8, 0.9)), area(), CENTER, SIZE, DiMPParams())
    assert found.flag == "normal"
    assert found.displacement.tolist() == [2, -1]
    assert found.translation.tolist() == [32, -16]


def test_weak_scores_are_not_found_at_the_threshold_they_are() -> None:
    assert flag_and_cell(score_map((9, 9, 0.2499)))[0] == "not_found"
    assert flag_and_cell(score_map((9, 9, 0.25)))[0] == "normal"


def test_optional_thresholds() -> None:
    assert flag_and_cell(score_map((9, 9, 0.4)), uncertain_threshold=0.5)[0] == "uncertain"
    assert flag_and_cell(score_map((9, 9, 0.4)), hard_sample_threshold=0.5)[0] == "hard_negative"


def test_distractor_far_away_is_a_hard_negative_and_left_alone() -> None:
    assert flag_and_cell(score_map((9, 9, 1.0), (1, 2, 0.9))) == ("hard_negative", [9, 9])


def test_target_near_the_previous_position_wins_over_a_higher_distractor() -> None:
    assert flag_and_cell(score_map((9, 9, 0.9), (1, 2, 1.0))) == ("hard_negative", [9, 9])


def test_two_near_peaks_are_uncertain() -> None:
    assert flag_and_cell(score_map((9, 9, 1.0), (9, 14, 0.9))) == ("uncertain", [9, 9])


def test_half_as_high_a_second_peak_is_a_hard_negative() -> None:
    assert flag_and_cell(score_map((9, 9, 1.0), (9, 14, 0.6)))[0] == "hard_negative"
    assert flag_and_cell(score_map((9, 9, 1.0), (9, 14, 0.5)))[0] == "normal"


def test_peaks_of_the_same_target_do_not_count() -> None:
    # 2.2 targets of two cells each: rows and columns 7 to 11 belong to the first peak
    assert flag_and_cell(score_map((9, 9, 1.0), (9, 11, 0.9)))[0] == "normal"


def test_scale_with_the_highest_score_is_chosen() -> None:
    scores = np.concatenate((score_map((9, 9, 0.5)), score_map((9, 10, 0.8)), score_map((9, 9, 0.6))))
    found = localize_simple(scores, SearchArea(np.tile(CENTER, (3, 1)), np.array([0.9, 1.0, 1.1]), 16.0), None)
    assert found.scale_index == 1
    assert found.translation.tolist() == [0, 16]


def test_window_holds_the_peak_back_but_not_the_search_for_distractors() -> None:
    scores, window = score_map((9, 9, 0.8), (1, 9, 1.0)), hann_window((19, 19))
    params = DiMPParams(window_output=True, perform_hn_without_windowing=True)
    found = localize_advanced(scores, area(), CENTER, SIZE, params, window)
    assert found.displacement.tolist() == [0, 0]
    assert found.flag == "hard_negative"
    # with window_output alone it is not applied, as in pytracking
    found = localize_advanced(scores, area(), CENTER, SIZE, DiMPParams(window_output=True), window)
    assert found.score == 1.0


def test_hann_window() -> None:
    window = hann_window((19, 19))
    assert window.max() == window[9, 9] == 1
    assert window[0, 9] == pytest.approx(np.sin(np.pi / 20) ** 2)
    clipped = hann_window((19, 19), (10, 10))
    assert clipped[9, 9] == 1
    np.testing.assert_array_equal(clipped[0], clipped[4])


def test_equal_peaks_take_the_smallest_column() -> None:
    assert peak(score_map((3, 12, 1.0), (8, 5, 1.0), (10, 5, 1.0))[0])[0].tolist() == [8, 5]


def test_score_preprocessing() -> None:
    scores = np.random.default_rng(0).normal(size=(2, 5, 5))
    np.testing.assert_allclose(preprocess_scores(scores, "softmax", 1).sum(axis=(1, 2)), 1)
    np.testing.assert_allclose(preprocess_scores(scores, "exp", 1), np.exp(scores))
    summed = preprocess_scores(scores, "none", 3)
    assert summed[0, 2, 2] == pytest.approx(scores[0, 1:4, 1:4].sum())
    assert summed[0, 0, 0] == pytest.approx(scores[0, :2, :2].sum())
    with pytest.raises(ValueError, match="odd"):
        preprocess_scores(scores, "none", 2)


@pytest.mark.parametrize("version", ["head", "fork"])
def test_golden_localization(version: str) -> None:
    case = golden("c09_localize.npz")
    arrays = {key: case.arrays[key] for key in case.arrays.files}
    for i, scores in enumerate(arrays["maps"]):
        params = DiMPParams()
        if version == "head":
            for name in ("uncertain_threshold", "hard_sample_threshold"):
                if np.isfinite(arrays[name][i]):
                    setattr(params, name, float(arrays[name][i]))
        # The authors' version measures distances from the crop's center, as if the target had been there.
        pos = arrays["prev_pos" if version == "head" else "sample_pos"][i]
        crop = SearchArea(arrays["sample_pos"][i : i + 1], arrays["sample_scale"][i : i + 1], 16.0)
        found = localize_advanced(scores[None], crop, pos, arrays["target_sz"][i], params)
        assert found.flag == str(arrays[f"{version}_flag"][i]), i
        np.testing.assert_allclose(found.displacement, arrays[f"{version}_disp"][i], rtol=0, atol=1e-4)
        np.testing.assert_allclose(found.translation, arrays[f"{version}_translation"][i], rtol=1e-5, atol=1e-4)
