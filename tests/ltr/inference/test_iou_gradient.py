"""The predicted IoU in closed form, of whole maps and of the parts around the boxes, against autograd."""

import pytest
import torch

from ltr.inference.folding import fold_batch_norms
from ltr.inference.iou_gradient import IoUGradient
from ltr.inference.local_iou import LocalIoU
from ltr.models.bbreg.atom_iou_net import AtomIoUNet
from tests.ltr.models.networks import IOU_BOXES as BOXES
from tests.ltr.models.networks import iou_features as features
from tests.ltr.models.networks import narrow_iou_net


@pytest.fixture
def network() -> AtomIoUNet:
    return narrow_iou_net()


@pytest.mark.parametrize("folded", [False, True])
@pytest.mark.parametrize("own_layer", [False, True])
@pytest.mark.parametrize("images", [1, 2])
def test_closed_gradient_equals_autograd(network: AtomIoUNet, images: int, own_layer: bool, folded: bool) -> None:
    torch.manual_seed(0)
    network = network.double()
    if folded:
        network = fold_batch_norms(network)
    reference, feat = ([f.double() for f in features(images)] for _ in range(2))
    modulation, iou_feat = network.get_modulation(reference, BOXES[:images, 0].double()), network.get_iou_feat(feat)
    if own_layer:
        modulation = (*modulation, torch.randn(images, 513, dtype=torch.float64))
    # On the grid, off it, partly and wholly outside of the map, and of no extent.
    odd = torch.tensor(
        [[-30.0, -20, 60, 50], [250, 270, 90, 33.3], [400, 10, 20, 20], [-90, -90, 30, 30], [9, 9, 0, 5]]
    )
    boxes = torch.cat((BOXES[:images], BOXES[:images] + 0.37, odd.expand(images, -1, -1)), dim=1).double()
    variable = boxes.clone().requires_grad_()
    expected = network.predict_iou(modulation, iou_feat, variable)
    (expected_gradient,) = torch.autograd.grad(expected.sum(), variable)
    iou, gradient = IoUGradient(network)(modulation, iou_feat, boxes)
    torch.testing.assert_close(iou, expected, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(gradient, expected_gradient, rtol=1e-9, atol=1e-9)


@torch.no_grad()
@pytest.mark.parametrize("images", [1, 2])
def test_features_around_the_boxes_give_what_whole_maps_give(network: AtomIoUNet, images: int) -> None:
    torch.manual_seed(0)
    network = network.double()
    reference, feat = ([f.double() for f in features(images)] for _ in range(2))
    modulation, iou_feat = network.get_modulation(reference, BOXES[:images, 0].double()), network.get_iou_feat(feat)
    closed = IoUGradient(network)
    corners = torch.tensor([[100.0, 110], [3, 140], [240, 230], [-40, 280]])  # within the map, at its edges, outside
    for corner in corners:
        predict = LocalIoU(network, closed, modulation, feat)
        start = torch.cat((corner.repeat(3, 1), torch.tensor([[60.0, 40], [55, 45], [30, 70]])), dim=1)
        # One step within the margin, one far away, one without a number.
        for shift in (0.0, 6.0, -150.0, torch.nan):
            boxes = (start + torch.tensor([shift, 0, 0, 0])).expand(images, -1, -1).double()
            found, expected = predict(boxes), closed(modulation, iou_feat, boxes)
            torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9, equal_nan=True)
    inner = LocalIoU(network, closed, modulation, feat)
    inner(torch.tensor([[120.0, 120, 60, 50]]).expand(images, -1, -1).double())
    assert all(max(part.values.shape[1:3]) < layer.shape[-1] for part, layer in zip(inner.parts, feat, strict=True))


def test_closed_gradient_in_float32(network: AtomIoUNet) -> None:
    torch.manual_seed(0)
    modulation, iou_feat = network.get_modulation(features(1), BOXES[:1, 0]), network.get_iou_feat(features(1))
    variable = (BOXES[:1] + 0.3).requires_grad_()
    (expected,) = torch.autograd.grad(network.predict_iou(modulation, iou_feat, variable).sum(), variable)
    _, gradient = IoUGradient(network)(modulation, iou_feat, variable.detach())
    # Sums of some thousand products in float32, in another order.
    torch.testing.assert_close(gradient, expected, rtol=1e-3, atol=1e-4 * float(expected.abs().max()))
