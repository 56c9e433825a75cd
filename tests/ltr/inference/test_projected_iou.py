from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from ltr.inference.iou_gradient import IoUGradient, Part, Reach, modulated
from ltr.inference.local_iou import LocalIoU
from ltr.inference.projected_iou import ProjectedIoU, Windows
from ltr.models.bbreg.atom_iou_net import AtomIoUNet
from tests.ltr.models.networks import random_statistics

SHAPES = ((36, 36), (18, 18))
SPREAD = torch.tensor([[0.0, 0, 60, 40], [4, -3, 66, 44], [-5, 2, 57, 38], [1, 1, 52, 47], [0, 0, 60, 40]]).double()


@pytest.fixture
def network() -> AtomIoUNet:
    torch.manual_seed(0)
    network = AtomIoUNet((6, 8), (10, 12), (16, 14), 16).requires_grad_(False)
    random_statistics(network)
    return network.double()


def inputs(network: AtomIoUNet, images: int) -> tuple[tuple[Tensor, ...], list[Tensor]]:
    """Modulation with a last layer of each target, and features of the test branch."""
    modulation = [torch.randn(images, channels).double() for channels in (10, 12)]
    last = torch.randn(images, 31).double()
    return (*modulation, last), [
        torch.randn(images, channels, *shape).double() for channels, shape in zip((10, 12), SHAPES, strict=True)
    ]


def around(x: float, y: float, images: int = 1) -> Tensor:
    return (SPREAD + torch.tensor([x, y, 0, 0])).expand(images, -1, -1)


def projected(
    gradient: IoUGradient, modulation: Sequence[Tensor], feat: Sequence[Tensor], boxes: Tensor
) -> ProjectedIoU | None:
    reach = Reach.of(gradient.edges(boxes))
    assert reach is not None
    windows = Windows.around(gradient, reach, SHAPES, boxes.shape[1])
    parts = [modulated(layer, vector) for layer, vector in zip(feat, modulation[:2], strict=True)]
    return windows and ProjectedIoU(gradient, modulation, parts, windows)


@pytest.mark.parametrize("images", [1, 2])
@pytest.mark.parametrize("corner", [(100.0, 110.0), (0.0, 3.0), (240.0, 230.0), (-40.0, 280.0), (104.0, 112.0)])
def test_equals_pooling_every_box(network: AtomIoUNet, images: int, corner: tuple[float, float]) -> None:
    """Within the map, at its edges, partly and wholly outside of it, on the grid."""
    modulation, feat = inputs(network, images)
    boxes = around(*corner, images).repeat(1, 2, 1)
    boxes[:, 4, 2] = 0  # without extent
    gradient = IoUGradient(network)
    found = projected(gradient, modulation, feat, boxes)
    assert found is not None
    # The sums have another order, in float64.
    torch.testing.assert_close(found(gradient.edges(boxes)), gradient(modulation, feat, boxes), rtol=1e-9, atol=1e-9)


def test_boxes_that_move_within_the_windows(network: AtomIoUNet) -> None:
    modulation, feat = inputs(network, 1)
    gradient = IoUGradient(network)
    found = projected(gradient, modulation, feat, around(100, 110))
    assert found is not None
    for shift in (3.0, -3.0):  # less than half a cell of stride 8
        moved = around(100 + shift, 110 - shift)
        reach = Reach.of(gradient.edges(moved))
        assert reach is not None
        assert found.windows.hold(gradient, reach, SHAPES)
        torch.testing.assert_close(
            found(gradient.edges(moved)), gradient(modulation, feat, moved), rtol=1e-9, atol=1e-9
        )


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("shift", [-40.0, 40.0])
def test_windows_know_when_boxes_leave_them(network: AtomIoUNet, axis: int, shift: float) -> None:
    gradient = IoUGradient(network)
    start, moved = around(100, 110), around(100, 110).clone()
    moved[..., axis] += shift
    reach, left = (Reach.of(gradient.edges(boxes)) for boxes in (start, moved))
    assert reach is not None
    assert left is not None
    windows = Windows.around(gradient, reach, SHAPES, 5)
    assert windows is not None
    assert windows.hold(gradient, reach, SHAPES)
    assert not windows.hold(gradient, left, SHAPES)


def test_cells_that_no_box_touches_may_be_missing(network: AtomIoUNet) -> None:
    """Parts end where the boxes' cells do; windows are longer, and have the same length for both layers."""
    modulation, feat = inputs(network, 1)
    gradient, boxes = IoUGradient(network), around(100, 110)
    reach = Reach.of(gradient.edges(boxes))
    assert reach is not None
    windows = Windows.around(gradient, reach, SHAPES, 5)
    assert windows is not None
    parts = []
    for layer, vector, (rows, columns) in zip(feat, modulation[:2], gradient.touched(reach, SHAPES), strict=True):
        whole = modulated(layer, vector).values
        parts.append(Part(whole[:, slice(*rows), slice(*columns)], (rows.start, columns.start)))
    assert any(windows.length > min(part.values.shape[1:3]) for part in parts)
    found = ProjectedIoU(gradient, modulation, parts, windows)
    torch.testing.assert_close(found(gradient.edges(boxes)), gradient(modulation, feat, boxes), rtol=1e-9, atol=1e-9)


def test_boxes_far_apart_are_pooled_one_by_one(network: AtomIoUNet) -> None:
    modulation, feat = inputs(network, 1)
    boxes = torch.cat((around(20, 30), around(200, 190)), dim=1)
    assert projected(IoUGradient(network), modulation, feat, boxes) is None
    layers = [torch.randn(1, channels, *shape).double() for channels, shape in zip((6, 8), SHAPES, strict=True)]
    predict = LocalIoU(network, IoUGradient(network), modulation, layers)
    expected = IoUGradient(network)(modulation, network.get_iou_feat(layers), boxes)
    torch.testing.assert_close(predict(boxes), expected, rtol=1e-9, atol=1e-9)
    assert predict.projected is None


def test_reach_needs_numbers() -> None:
    edges = torch.zeros(1, 2, 2, 10).double()
    assert Reach.of(edges) is not None
    edges[0, 1, 0, 3] = torch.nan
    assert Reach.of(edges) is None
    assert Reach.of(torch.zeros(1, 2, 2, 10, device="meta")) is None


def test_refinement_projects_anew_only_where_boxes_leave(network: AtomIoUNet) -> None:
    modulation, _ = inputs(network, 1)
    layers = [torch.randn(1, channels, *shape).double() for channels, shape in zip((6, 8), SHAPES, strict=True)]
    iou_feat = network.get_iou_feat(layers)
    predict = LocalIoU(network, IoUGradient(network), modulation, layers)
    used = []
    for x in (100.0, 102.0, 112.0):  # the last within the part of the maps, not within the windows
        boxes = around(x, 110)
        expected = IoUGradient(network)(modulation, iou_feat, boxes)
        torch.testing.assert_close(predict(boxes), expected, rtol=1e-9, atol=1e-9)
        used.append(predict.projected)
    assert used[0] is not None
    assert used[0] is used[1]
    assert used[2] is not None
    assert used[2] is not used[1]
    assert not np.array_equal(used[2].windows.first, used[0].windows.first)
