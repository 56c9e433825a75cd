import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ltr.common.types import Array
from pytracking.tracker.dimp.localization import (
    Localization,
    SearchArea,
    hann_window,
    localize,
    localize_advanced,
    localize_simple,
    preprocess_scores,
)
from pytracking.tracker.dimp.params import DiMPParams
from tests.shared_data import golden

CENTER = np.array([100.0, 120.0])
SIZE = np.array([32.0, 32.0])


def area(*scales: float) -> SearchArea:
    scale = np.array(scales or (1.0,))
    return SearchArea(np.tile(CENTER, (len(scale), 1)), scale, cell=16.0)


def score_map(*peaks: tuple[int, int, float]) -> Array:  # (1, 19, 19)
    scores = np.zeros((1, 19, 19), np.float32)
    for row, column, value in peaks:
        scores[0, row, column] = value
    return scores


def found_in(scores: Array, window: Array | None = None, **params: float) -> Localization:
    return localize_advanced(scores, area(), CENTER, SIZE, DiMPParams(**params), window)  # type: ignore[arg-type]


def flag_and_cell(scores: Array, **params: float) -> tuple[str, list[float]]:
    found = found_in(scores, **params)
    return found.flag, [at + 9 for at in found.displacement]


def test_one_clear_peak_is_normal() -> None:
    found = found_in(score_map((11, 8, 0.9)))
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
    found = localize_simple(scores, area(0.9, 1.0, 1.1))
    assert found.scale_index == 1
    assert found.translation.tolist() == [0, 16]


def test_window_holds_the_peak_back_but_not_the_search_for_distractors() -> None:
    scores, window = score_map((9, 9, 0.8), (1, 9, 1.0)), hann_window((19, 19)).astype(np.float32)
    found = found_in(scores, window, perform_hn_without_windowing=True)
    assert found.displacement.tolist() == [0, 0]
    assert found.flag == "hard_negative"
    assert found.score == 1.0  # what is reported, and what low scores are known by, is not windowed
    # with window_output alone it is not applied, as in pytracking, and never without advanced_localization
    alone = found_in(scores, window, window_output=True)
    assert (alone.score, alone.displacement.tolist()) == (1.0, [-8, 0])
    simple = DiMPParams(advanced_localization=False, window_output=True, perform_hn_without_windowing=True)
    assert localize(scores, area(), CENTER, SIZE, simple, window).displacement.tolist() == [-8, 0]


def test_thresholds_are_for_windowed_scores() -> None:
    scores, window = score_map((5, 9, 0.5)), hann_window((19, 19)).astype(np.float32)
    found = found_in(scores, window, perform_hn_without_windowing=True, target_not_found_threshold=0.4)
    assert (found.flag, found.score) == ("not_found", 0.5)


def test_hann_window() -> None:
    window = hann_window((19, 19))
    assert window.max() == window[9, 9] == 1
    assert window[0, 9] == pytest.approx(np.sin(np.pi / 20) ** 2)
    clipped = hann_window((19, 19), (10, 10))
    assert clipped[9, 9] == 1
    np.testing.assert_array_equal(clipped[0], clipped[4])


def test_equal_peaks_take_the_smallest_column() -> None:
    found = localize_simple(score_map((3, 12, 1.0), (8, 5, 1.0), (10, 5, 1.0)), area())
    assert found.displacement.tolist() == [8 - 9, 5 - 9]


def neighborhood_by_slices(score_map: Array, cell: tuple[int, int], extent: float) -> Array:
    """Slow twin of the search for a second peak: the map with Python's own rounding and slices."""
    rows, columns = (slice(*(max(round(at + shift), 0) for shift in (-extent / 2, extent / 2 + 1))) for at in cell)
    masked = score_map.copy()
    masked[rows, columns] = 0
    return masked


LEVELS = [0.0, 0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.8, 0.9, 1.0]


@given(
    scores=arrays(np.float32, (7, 9), elements=st.sampled_from(np.float32(LEVELS))),
    extent=st.sampled_from([0.5, 1.0, 2.0, 2.2, 3.0, 4.4, 5.0]),  # of which half lies on the border of two cells
    pos=st.tuples(*[st.sampled_from([-40.0, -16.0, 0.0, 5.3, 48.0])] * 2),
)
def test_flag_follows_from_the_two_peaks(scores: Array, extent: float, pos: tuple[float, float]) -> None:
    """The rule in the words of its definition, on maps with many equal scores and products at the thresholds."""
    params = DiMPParams(target_neighborhood_scale=extent)
    found = localize_advanced(scores[None], area(), CENTER + np.array(pos), np.array([16.0, 16.0]), params)

    def peak(score_map: Array) -> tuple[tuple[int, int], np.floating]:
        column, row = divmod(int(np.argmax(score_map.T)), len(score_map))
        return (row, column), score_map[row, column]

    def is_far(cell: tuple[int, int]) -> bool:
        distance = np.linalg.norm(np.array(cell) - [3, 4] - np.array(pos) / 16)
        return bool(distance > 0.8 * np.sqrt(7 * 9) / 2)

    first, score = peak(scores)
    second, second_score = peak(neighborhood_by_slices(scores, first, extent))
    expected, cell = "normal", first
    if score < 0.25:
        expected = "not_found"
    elif second_score > 0.8 * score:
        expected = "uncertain" if is_far(first) == is_far(second) else "hard_negative"
        cell = second if is_far(first) and not is_far(second) else first
    elif second_score > 0.5 * score and second_score > 0.25:
        expected = "hard_negative"
    assert (found.flag, found.score) == (expected, score)
    assert found.displacement.tolist() == [cell[0] - 3, cell[1] - 4]


def test_score_preprocessing() -> None:
    scores = torch.randn(2, 5, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    np.testing.assert_allclose(preprocess_scores(scores, "softmax", 1).sum(dim=(1, 2)), 1)
    np.testing.assert_allclose(preprocess_scores(scores, "exp", 1), np.exp(scores.numpy()))
    summed = preprocess_scores(scores, "none", 3)
    assert summed[0, 2, 2] == pytest.approx(scores[0, 1:4, 1:4].sum())
    assert summed[0, 0, 0] == pytest.approx(scores[0, :2, :2].sum())
    with pytest.raises(ValueError, match="odd"):
        preprocess_scores(scores, "none", 2)


@pytest.mark.parametrize("version", ["head", "fork"])
def test_golden_localization(version: str) -> None:
    case = golden("c09_localize.npz")
    entries = {key: case.arrays[key] for key in case.arrays.files if not key.endswith("_flag")}
    for i, scores in enumerate(entries["maps"]):
        params = DiMPParams()
        if version == "head":
            for name in ("uncertain_threshold", "hard_sample_threshold"):
                if np.isfinite(entries[name][i]):
                    setattr(params, name, float(entries[name][i]))
        # The authors' version measures distances from the crop's center, as if the target had been there.
        pos = entries["prev_pos" if version == "head" else "sample_pos"][i]
        crop = SearchArea(entries["sample_pos"][i : i + 1], entries["sample_scale"][i : i + 1], 16.0)
        found = localize_advanced(scores[None], crop, pos, entries["target_sz"][i], params)
        assert found.flag == str(case.arrays[f"{version}_flag"][i]), i
        np.testing.assert_allclose(found.displacement, entries[f"{version}_disp"][i], rtol=0, atol=1e-4)
        np.testing.assert_allclose(found.translation, entries[f"{version}_translation"][i], rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("reg", [None, 2.0])
def test_softmax_is_over_each_map_and_the_cell_of_the_networks_loss(reg: float | None) -> None:
    scores = 3 * torch.randn(2, 5, 6)
    found = preprocess_scores(scores, "softmax", 1, reg)
    cells = scores.flatten(1) if reg is None else torch.cat((scores.flatten(1), torch.full((2, 1), reg)), dim=1)
    torch.testing.assert_close(found.flatten(1), cells.softmax(dim=1)[:, :30])
    summed = preprocess_scores(scores, "softmax", 3, reg)
    torch.testing.assert_close(summed[:, 2, 2], found[:, 1:4, 1:4].sum(dim=(1, 2)))


def test_thresholds_after_a_softmax_are_on_probabilities() -> None:
    """A peak of two in a flat map of 361 cells, then the same map with all scores raised: e^2 / (360 + e^2) = .0201."""
    for offset in (0.0, 50.0):
        scores = np.full((1, 19, 19), offset, np.float32)
        scores[0, 9, 9] += 2
        probability = preprocess_scores(torch.from_numpy(scores), "softmax", 1).numpy()
        assert flag_and_cell(probability, target_not_found_threshold=0.0200)[0] == "normal"
        assert flag_and_cell(probability, target_not_found_threshold=0.0202)[0] == "not_found"
        assert found_in(probability, target_not_found_threshold=0.02).score == pytest.approx(0.0201, abs=1e-4)
    scores[0, 2, 2] += 1.9  # half of the peak's probability is ln 2 less in the score, .8 of it .22 less
    probability = preprocess_scores(torch.from_numpy(scores), "softmax", 1).numpy()
    assert flag_and_cell(probability, target_not_found_threshold=0.01)[0] == "hard_negative"
