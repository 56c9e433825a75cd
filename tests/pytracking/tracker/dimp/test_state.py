import math

import numpy as np
import pytest

from pytracking.tracker.dimp.state import TargetState, box_from_crop, box_in_crop

IMAGE, CROP = (240, 320), (288, 288)


def state(box: list[float]) -> TargetState:
    return TargetState.from_box(box, IMAGE, CROP, 5.0)


def test_box_survives_the_round_trip() -> None:
    target = state([10.5, 20.25, 31.0, 40.0])
    assert target.box() == pytest.approx([10.5, 20.25, 31.0, 40.0])
    assert target.scale == pytest.approx(5 * math.sqrt(31 * 40) / 288)
    assert target.base_size * target.scale == pytest.approx(target.size)


def test_part_of_the_target_stays_inside_the_image() -> None:
    target = state([100, 100, 40, 20])
    assert target.inside_image(np.array([-500.0, 5000.0]), 0.2).tolist() == [-0.3 * 20, 320 + 0.3 * 40]


def test_scale_is_bounded_by_image_and_smallest_target() -> None:
    target = state([100, 100, 40, 20])
    target.take_scale(1e9)
    assert target.size.tolist() == pytest.approx([160, 320])
    target.take_scale(1e-9)
    assert target.size.tolist() == pytest.approx([10, 20])


def test_targets_below_the_bound_may_grow_but_are_not_blown_up() -> None:
    target = state([100, 100, 4, 2])
    target.take_scale(target.scale * 0.97)
    assert target.size.tolist() == pytest.approx([2, 4])
    target.take_scale(target.scale * 1.03)
    assert target.size.tolist() == pytest.approx([2.06, 4.12])


def test_refined_boxes_do_not_vanish() -> None:
    target = state([100, 100, 40, 20])
    for _ in range(2000):
        target.size = target.size * 0.5
        target.follow_size()
    assert target.size.tolist() == [1, 1]
    assert target.scale == pytest.approx(1 / math.sqrt(target.base_size.prod()))


def test_crop_boxes_are_half_a_crop_pixel_apart() -> None:
    pos, size, crop_pos = np.array([50.0, 60.0]), np.array([20.0, 30.0]), np.array([48.0, 61.0])
    box = box_in_crop(pos, size, crop_pos, 0.5, CROP)
    assert box.tolist() == pytest.approx([143.5 - 2 - 59 / 2, 143.5 + 4 - 39 / 2, 60, 40])
    back, same_size = box_from_crop(box, crop_pos, 0.5, CROP)
    assert (back - pos).tolist() == pytest.approx([0.25, 0.25])
    assert same_size.tolist() == pytest.approx([20, 30])
