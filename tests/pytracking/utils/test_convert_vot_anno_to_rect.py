import numpy as np
import pytest

from ltr.common.errors import InputError
from pytracking.utils.convert_vot_anno_to_rect import convert_vot_anno_to_rect

# A rectangle of 6 x 4 pixels turned by 30 degrees about (20, 10).
TURN = np.array([[np.cos(np.pi / 6), -np.sin(np.pi / 6)], [np.sin(np.pi / 6), np.cos(np.pi / 6)]])
CORNERS = (np.array([[-3, -2], [3, -2], [3, 2], [-3, 2]]) @ TURN.T + [20, 10]).ravel()
EXTENT = np.array([6 * np.cos(np.pi / 6) + 4 * np.sin(np.pi / 6), 6 * np.sin(np.pi / 6) + 4 * np.cos(np.pi / 6)])


def test_union_is_the_box_around_the_corners() -> None:
    expected = [20 - EXTENT[0] / 2, 10 - EXTENT[1] / 2, *EXTENT]
    np.testing.assert_allclose(convert_vot_anno_to_rect(CORNERS, "union"), expected)


def test_preserve_area_shrinks_it_to_the_area_of_the_rectangle() -> None:
    x, y, w, h = convert_vot_anno_to_rect(CORNERS.tolist(), "preserve_area")
    size = EXTENT * np.sqrt(6 * 4 / EXTENT.prod()) + 1
    np.testing.assert_allclose([w, h], size)
    np.testing.assert_allclose([x, y], np.array([20, 10]) - size / 2)


def test_boxes_stay_and_other_forms_are_refused() -> None:
    assert convert_vot_anno_to_rect((1, 2, 3, 4), "union") == [1.0, 2.0, 3.0, 4.0]
    with pytest.raises(InputError, match="found 6"):
        convert_vot_anno_to_rect([1.0] * 6, "union")
    with pytest.raises(InputError, match="'mean'"):
        convert_vot_anno_to_rect(CORNERS, "mean")
