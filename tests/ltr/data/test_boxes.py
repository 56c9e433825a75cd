import numpy as np
import pytest

from ltr.common.boxes import overlap
from ltr.data.boxes import draw_by_density, jittered_box, propose_boxes

BOX = np.array([100.0, 60.0, 40.0, 90.0])


@pytest.mark.parametrize("min_iou", [0.1, 0.5, 0.7])
def test_proposals_have_the_overlap_that_is_reported(min_iou):
    boxes, iou = propose_boxes(BOX, 400, min_iou, np.random.default_rng(0))
    assert boxes.shape == (400, 4)
    assert iou.min() >= min_iou
    np.testing.assert_array_equal(iou, overlap(boxes, BOX))
    assert iou.max() > 0.97  # a fifth of the boxes has a deviation of a hundredth


def test_proposals_spread_as_their_deviation_says():
    boxes, _ = propose_boxes(BOX, 20000, 0.0, np.random.default_rng(0), sigmas=(0.1,))
    centers = boxes[:, :2] + boxes[:, 2:] / 2
    # 60 = sqrt(40 * 90); the standard error of a deviation over 20000 draws is 0.5 %.
    np.testing.assert_allclose(centers.std(axis=0), 6, rtol=0.02)
    np.testing.assert_allclose(boxes[:, 2:].std(axis=0), 6, rtol=0.02)
    np.testing.assert_allclose(boxes.mean(axis=0), BOX, atol=0.3)


def test_proposals_of_a_tiny_target():
    boxes, iou = propose_boxes(np.array([3.0, 3.0, 0.6, 0.4]), 100, 0.1, np.random.default_rng(0))
    assert (boxes[:, 2:] > 0).all()
    assert iou.min() >= 0.1


def test_jitter_stays_within_half_its_reach():
    rng = np.random.default_rng(0)
    boxes = np.stack([jittered_box(BOX, 3, 0, rng) for _ in range(2000)])
    np.testing.assert_allclose(boxes[:, 2:], np.tile(BOX[2:], (2000, 1)), rtol=1e-12)  # sides are kept
    moves = boxes[:, :2] - BOX[:2]
    assert np.abs(moves).max() <= 90  # 3 / 2 of sqrt(40 * 90)
    assert np.abs(moves).max() > 85
    grown = np.log(np.stack([jittered_box(BOX, 0, 0.25, rng)[2:] for _ in range(4000)]) / BOX[2:])
    np.testing.assert_allclose(grown.std(axis=0), 0.25, rtol=0.05)


def test_boxes_are_drawn_with_the_density_that_is_reported():
    boxes, drawn_with, wanted = draw_by_density(BOX, 40000, 0.05, np.random.default_rng(0))
    relative = (boxes[:, :2] + boxes[:, 2:] / 2 - BOX[:2] - BOX[2:] / 2) / BOX[2:], np.log(boxes[:, 2:] / BOX[2:])
    noise = np.concatenate(relative, axis=1)
    # Half of the numbers have a deviation of .05, half of .5.
    np.testing.assert_allclose(noise.std(axis=0), ((0.05**2 + 0.5**2) / 2) ** 0.5, rtol=0.03)
    gauss = [np.exp(-0.5 * (noise / s) ** 2) / (2 * np.pi * s**2) ** 0.5 for s in (0.05, 0.5)]
    np.testing.assert_allclose(drawn_with, (gauss[0].prod(axis=1) + gauss[1].prod(axis=1)) / 2)
    np.testing.assert_allclose(wanted, gauss[0].prod(axis=1), atol=1e-300)
    # The mean of p / q is the integral of p; p / q is below 2, so that its error is below 2 / sqrt(40000).
    assert (wanted / drawn_with).mean() == pytest.approx(1, abs=0.02)
