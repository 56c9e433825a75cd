import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pytracking.utils.drawing import GROUND_TRUTH, TRACKED, draw_box, draw_text, fitted


def test_draw_box():
    image = np.zeros((40, 60, 3), np.uint8)
    draw_box(image, [10, 5, 20, 12], TRACKED, thickness=1)
    assert tuple(image[5, 10]) == tuple(image[17, 30]) == TRACKED
    assert image[10, 20].sum() == 0
    before = image.copy()
    draw_box(image, [np.nan] * 4, GROUND_TRUTH)
    draw_box(image, [1e12, -1e12, 5, 5], GROUND_TRUTH)
    np.testing.assert_array_equal(image, before)


def test_draw_text_is_readable_on_white_and_black():
    for shade in (0, 255):
        image = np.full((60, 200, 3), shade, np.uint8)
        draw_text(image, ["frame 1"])
        assert np.ptp(image) == 255


@given(st.integers(1, 400), st.integers(1, 400))
def test_fitted_keeps_the_whole_image(width: int, height: int) -> None:
    image = fitted(np.zeros((height, width, 3), np.uint8), (100, 80), (250, 250, 250))
    assert image.shape == (80, 100, 3)
    inside = (image != 250).any(axis=2)
    assert inside.any(axis=0).all() or inside.any(axis=1).all()
