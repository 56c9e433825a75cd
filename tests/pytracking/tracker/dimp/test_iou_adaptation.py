import numpy as np
import torch

from ltr.common.boxes import overlap
from pytracking.parameter.dimp._base import dimp_lite_iounet
from pytracking.tracker.dimp.dimp import DiMP
from pytracking.tracker.dimp.iou_adaptation import VIEW_SCALES, scaled_views, spread_boxes
from pytracking.tracker.dimp.state import TargetState

TARGET = torch.tensor([[100.0, 90.0, 70.0, 50.0], [60.0, 120.0, 40.0, 90.0]])


def test_overlaps_of_spread_boxes_are_those_of_the_training_code() -> None:
    boxes, iou = spread_boxes(TARGET, 50, torch.Generator().manual_seed(0))
    assert boxes.shape == (2, 50, 4)
    expected = overlap(boxes.double().numpy(), TARGET[:, None].double().numpy())
    np.testing.assert_allclose(iou.numpy(), expected, atol=1e-5)
    assert iou.min() < 0.4
    assert iou.max() > 0.9


def test_spread_boxes_repeat_with_their_seed() -> None:
    first, again, other = (spread_boxes(TARGET, 5, torch.Generator().manual_seed(seed))[0] for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_tracker_learns_its_own_last_layer_from_crops_that_are_not_rotated() -> None:
    image = np.random.default_rng(0).integers(0, 255, (120, 160, 3), dtype=np.uint8)
    tracker = DiMP(dimp_lite_iounet())
    tracker.initialize(image, {"init_bbox": [60, 40, 30, 30]})
    assert len(tracker.boxes.modulation) == 3
    assert tracker.boxes.modulation[2].shape == (1, tracker.net.bb_regressor.iou_predictor.in_features + 1)
    without = DiMP(dimp_lite_iounet().replace(iounet_adaptation=None))
    without.initialize(image, {"init_bbox": [60, 40, 30, 30]})
    assert len(without.boxes.modulation) == 2


def test_views_show_the_whole_target_larger_and_smaller() -> None:
    image = np.zeros((200, 300, 3), dtype=np.uint8)
    image[60:100, 120:180] = 255
    state = TargetState.from_box([120, 60, 60, 40], image.shape[:2], (144, 144), 4.0)
    views = scaled_views(image, state, (144, 144), torch.Generator().manual_seed(0), torch.device("cpu"))
    assert views.crops.shape == (len(VIEW_SCALES), 3, 144, 144)
    np.testing.assert_allclose(
        views.boxes[:, 2].numpy() * VIEW_SCALES, float(views.boxes[0, 2]) * VIEW_SCALES[0], rtol=0.03
    )
    for crop, (x, y, w, h) in zip(views.crops, views.boxes.tolist(), strict=True):
        rows, columns = torch.nonzero(crop[0] > 127, as_tuple=True)
        found = [columns.min(), rows.min(), columns.max() + 1 - columns.min(), rows.max() + 1 - rows.min()]
        # Rounded corners of the crop and its interpolation move an edge by a pixel and a half.
        np.testing.assert_allclose([float(v) for v in found], [x, y, w, h], atol=2.5)
