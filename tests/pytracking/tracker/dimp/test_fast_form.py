"""All that makes the network fast, in the whole tracker, against its plain form."""

import pytest
import torch

from pytracking.features.net_wrappers import NetWithBackbone
from pytracking.parameter.dimp._base import dimp_lite, rls
from pytracking.tracker.dimp.dimp import DiMP
from pytracking.tracker.dimp.params import DiMPParams
from tests.pytracking.tracker.dimp.test_dimp import SMALL, frame, path

SETTINGS = {
    "steepest descent": dimp_lite(),
    "RLS": rls(dimp_lite(), 0.01),
    # An IoU-Net of random weights moves the boxes at random, but both forms alike.
    "IoU-Net": dimp_lite().replace(
        net=NetWithBackbone(architecture="dimpnet_lite0", bb_regressor=True), use_iou_net=True, iounet_adaptation=None
    ),
}


@pytest.mark.parametrize("name", list(SETTINGS))
def test_boxes_of_a_sequence_are_those_of_the_plain_form(name: str) -> None:
    params: DiMPParams = SETTINGS[name].replace(train_skipping=4, **SMALL)
    boxes = []
    for form in ("fast", "plain"):
        tracker = DiMP(params.replace(network_form=form))
        torch.manual_seed(0)  # of random weights
        tracker.initialize_features()
        tracker.seed(0)
        tracker.initialize(frame(*path(0)), {"init_bbox": [*path(0), 40, 40]})
        boxes.append([tracker.track(frame(*path(t)))["target_bbox"] for t in range(1, 10)])
    for fast, plain in zip(*boxes, strict=True):
        assert fast == pytest.approx(plain, abs=0.1)
