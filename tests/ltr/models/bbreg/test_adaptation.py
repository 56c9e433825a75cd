"""The last layer of the IoU-Net, fitted to one target."""

import pytest
import torch
from torch import Tensor

from ltr.inference.iou_gradient import IoUGradient
from ltr.models.bbreg.atom_iou_net import AtomIoUNet, ridge_towards
from tests.ltr.models.networks import random_statistics


@pytest.fixture
def network() -> AtomIoUNet:
    torch.manual_seed(0)
    network = AtomIoUNet((6, 8), (16, 16), (12, 12), hidden_dim=16).requires_grad_(False)
    random_statistics(network)
    return network


def scene(images: int) -> tuple[list[Tensor], Tensor]:
    feat = [torch.randn(images, 6, 36, 36), torch.randn(images, 8, 18, 18)]
    corner, size = 40 + 100 * torch.rand(images, 5, 2), 30 + 80 * torch.rand(images, 5, 2)
    return feat, torch.cat((corner, size), dim=2)


def test_small_widths_have_their_shapes(network: AtomIoUNet) -> None:
    feat, boxes = scene(1)
    modulation = network.get_modulation(feat, boxes[:, 0])
    assert [tuple(vector.shape) for vector in modulation] == [(1, 16), (1, 16)]
    assert network.predict_iou(modulation, network.get_iou_feat(feat), boxes).shape == (1, 5)


def test_ridge_fits_exactly_without_stiffness_and_stays_where_it_is_stiff() -> None:
    torch.manual_seed(0)
    inputs, truth, start = torch.randn(40, 6), torch.randn(7), torch.randn(7)
    wanted = inputs @ truth[:-1] + truth[-1]
    torch.testing.assert_close(ridge_towards(start, inputs, wanted, 1e-10), truth, rtol=0, atol=1e-4)
    torch.testing.assert_close(ridge_towards(start, inputs, wanted, 1e8), start, rtol=0, atol=1e-4)


def test_ridge_is_the_minimum_of_its_loss() -> None:
    torch.manual_seed(1)
    inputs, wanted = torch.randn(30, 4).double(), torch.randn(30).double()
    start, stiffness = torch.randn(5).double(), 0.3
    x = torch.cat((inputs, torch.ones(30, 1).double()), dim=1)
    solution = ridge_towards(start, inputs, wanted, stiffness).requires_grad_(True)
    loss = (x @ solution - wanted).square().mean() + stiffness * x.square().mean() * (solution - start).square().sum()
    (gradient,) = torch.autograd.grad(loss, solution)
    torch.testing.assert_close(gradient, torch.zeros(5).double(), rtol=0, atol=1e-12)


def test_fit_lowers_the_error_on_its_boxes(network: AtomIoUNet) -> None:
    feat, boxes = scene(3)
    modulation = network.get_modulation([f[:1] for f in feat], boxes[0, :1])
    iou_feat, wanted = network.get_iou_feat(feat), 2 * torch.rand(3, 5) - 1
    own = network.adapt(modulation, iou_feat, boxes, wanted, 1e-4)
    before = (network.predict_iou(modulation, iou_feat, boxes) - wanted).square().mean()
    after = (network.predict_iou((*modulation, own), iou_feat, boxes) - wanted).square().mean()
    assert after < before / 4


def test_offline_weights_in_the_third_place_change_nothing(network: AtomIoUNet) -> None:
    feat, boxes = scene(2)
    modulation, iou_feat = network.get_modulation(feat, boxes[:, 0]), network.get_iou_feat(feat)
    learnt = torch.cat((network.iou_predictor.weight[0], network.iou_predictor.bias))[None]
    torch.testing.assert_close(
        network.predict_iou((*modulation, learnt), iou_feat, boxes), network.predict_iou(modulation, iou_feat, boxes)
    )


@pytest.mark.parametrize("targets", [1, 2])
def test_closed_gradient_is_that_of_autograd(network: AtomIoUNet, targets: int) -> None:
    network.double()
    feat, boxes = scene(2)
    feat, boxes = [f.double() for f in feat], boxes.double()
    modulation = [v[:targets] for v in network.get_modulation(feat, boxes[:, 0])]
    own, iou_feat = torch.randn(targets, 25).double(), network.get_iou_feat(feat)
    variable = boxes.clone().requires_grad_(True)
    iou = network.predict_iou((*modulation, own), iou_feat, variable)
    (expected,) = torch.autograd.grad(iou.sum(), variable)
    found_iou, found = IoUGradient(network)((*modulation, own), iou_feat, boxes)
    torch.testing.assert_close(found_iou, iou.detach(), rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-10)
