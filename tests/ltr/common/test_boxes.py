"""Arithmetic of boxes: overlaps by hand, their properties, and those of RT-MDNet."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ltr.common.boxes import area_ratio, overlap, within
from tests.shared_data import golden

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
    assert ((result >= 0) & (result <= 1)).all()
    np.testing.assert_array_equal(result, overlap(other, one))
    shift = np.array([3.5, -7.25, 0, 0])
    # Coordinates of up to 400 carry rounding of 6e-14; areas as small as 1e-4 turn that into 1e-7 of overlap.
    np.testing.assert_allclose(overlap(one + shift, other + shift), result, atol=1e-6)


@given(boxes, boxes)
def test_added_pixel_cancels(one, other):
    """[x, x + w - 1] with a pixel more in every extent is [x, x + w] but for rounding, as large as above."""
    np.testing.assert_allclose(overlap(one, other, added_pixel=1), overlap(one, other), atol=1e-6)


def test_golden_overlaps():
    case = golden("c10_rtmdnet.npz")
    samples, others = case["samples"].numpy(), case["overlap_b"].numpy()
    np.testing.assert_allclose(overlap(samples, others), case["overlap_pair"], rtol=0, atol=1e-9)
    np.testing.assert_allclose(overlap(samples, others[5]), case["overlap_one"], rtol=0, atol=1e-9)


@pytest.mark.parametrize("dtype", [np.int64, np.float32, np.float64])
def test_any_leading_axes_and_types_of_numbers(dtype):
    one = np.array([[[0, 0, 10, 10], [5, 0, 10, 10], [20, 20, 5, 5]]], dtype)
    found = overlap(one, one[:, :1])
    assert found.dtype == (np.float32 if dtype == np.float32 else np.float64)
    np.testing.assert_allclose(found, [[1, 1 / 3, 0]], rtol=1e-6)


def test_areas_and_ranges():
    assert area_ratio(box(1, 2, 3, 4), box(0, 0, 2, 3)).tolist() == [2]
    assert within(np.array([0.5, 0.6, 1.0, 1.1]), (0.6, 1.0)).tolist() == [False, True, True, False]
