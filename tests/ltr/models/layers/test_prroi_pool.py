import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from ltr.models.layers.prroi_pool import PrRoIPool2D, boxes_to_rois, prroi_pool2d
from tests.shared_data import golden

DTYPES = (torch.float64, torch.float32)
# Boxes of (almost) no area, and boxes beyond the 9 x 7 map at scale 1/4.
EMPTY_BOXES = {
    "zero width": (8.0, 4.0, 8.0, 20.0),
    "zero height": (4.0, 10.0, 20.0, 10.0),
    "point": (12.0, 12.0, 12.0, 12.0),
    "inverted in x": (16.0, 4.0, 8.0, 20.0),
    "inverted in both": (16.0, 20.0, 8.0, 4.0),
    "left of the map": (-40.0, 0.0, -10.0, 20.0),
    "below the map": (0.0, 60.0, 20.0, 90.0),
}


def surface(feat: Tensor, y: float, x: float) -> Tensor:
    """Bilinear interpolation of one map (C, H, W) that is 0 outside, by its definition."""
    value = feat.new_zeros(feat.shape[0])
    for i in (math.floor(y), math.floor(y) + 1):
        for j in (math.floor(x), math.floor(x) + 1):
            if 0 <= i < feat.shape[1] and 0 <= j < feat.shape[2]:
                value += feat[:, i, j] * (1 - abs(y - i)) * (1 - abs(x - j))
    return value


def pieces(low: float, high: float) -> list[tuple[float, float]]:
    """The parts of an interval between integers."""
    cuts = [low, *range(math.ceil(low), math.floor(high) + 1), high]
    return [(a, b) for a, b in pairwise(cuts) if b > a]


def slow_pool(feat: Tensor, roi: Tensor, size: tuple[int, int], scale: float) -> Tensor:
    """Oracle: inside one cell the surface is bilinear, so its mean over a rectangle is its value in the middle."""
    image, (x1, y1, x2, y2) = int(roi[0]), [float(v) * scale for v in roi[1:]]
    height, width = (y2 - y1) / size[0], (x2 - x1) / size[1]
    out = feat.new_zeros(feat.shape[1], *size)
    for p in range(size[0]):
        for q in range(size[1]):
            for ya, yb in pieces(y1 + p * height, y1 + (p + 1) * height):
                for xa, xb in pieces(x1 + q * width, x1 + (q + 1) * width):
                    part = surface(feat[image], (ya + yb) / 2, (xa + xb) / 2) * (yb - ya) * (xb - xa)
                    out[:, p, q] += part / (height * width)
    return out


def some_rois() -> Tensor:
    """Boxes on three images of 9 x 7 cells of 4 px, in no order of images; image 1 has none."""
    return torch.tensor(
        [
            [2, 3.1, 5.3, 17.9, 22.2],  # inside
            [0, 4.0, 8.0, 20.0, 16.0],  # on the grid
            [2, -6.3, -3.0, 9.0, 40.7],  # partly outside
            [2, 10.1, 10.2, 10.3, 10.5],  # within one cell
            [0, -10.0, -10.0, 60.0, 60.0],  # all of the map
        ],
        dtype=torch.float64,
    )


@pytest.mark.parametrize("size", [(1, 1), (3, 3), (4, 2)])
def test_equals_the_cell_by_cell_integral(size: tuple[int, int]) -> None:
    feat, rois = torch.randn(3, 2, 9, 7, dtype=torch.float64), some_rois()
    expected = torch.stack([slow_pool(feat, roi, size, 0.25) for roi in rois])
    torch.testing.assert_close(prroi_pool2d(feat, rois, size, 0.25), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("images", [1, 3])
def test_gradients_of_features_and_boxes(images: int) -> None:
    feat = torch.randn(images, 2, 9, 7, dtype=torch.float64, requires_grad=True)
    rois = some_rois()
    index, boxes = rois[:, :1] % images, rois[:, 1:].clone().requires_grad_()

    def pool(feat: Tensor, boxes: Tensor) -> Tensor:
        return prroi_pool2d(feat, torch.cat((index, boxes), dim=1), (2, 3), 0.25)

    assert torch.autograd.gradcheck(pool, (feat, boxes))


def test_second_derivatives() -> None:
    feat = torch.randn(3, 1, 9, 7, dtype=torch.float64, requires_grad=True)
    rois = some_rois()[[0, 2, 3]]  # on the grid the second derivative jumps
    index, boxes = rois[:, :1], rois[:, 1:].clone().requires_grad_()

    def pool(feat: Tensor, boxes: Tensor) -> Tensor:
        return prroi_pool2d(feat, torch.cat((index, boxes), dim=1), 2, 0.25)

    assert torch.autograd.gradgradcheck(pool, (feat, boxes))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("box", EMPTY_BOXES.values(), ids=EMPTY_BOXES.keys())
def test_no_area_or_no_overlap_gives_exact_zeros(box: tuple[float, ...], dtype: torch.dtype) -> None:
    feat = torch.randn(1, 2, 9, 7, dtype=dtype, requires_grad=True)
    rois = torch.tensor([[0, *box]], dtype=dtype, requires_grad=True)
    out = prroi_pool2d(feat, rois, 3, 0.25)
    first = torch.autograd.grad(out.sum(), (feat, rois), create_graph=True)
    second = torch.autograd.grad(sum(g.sum() for g in first), (feat, rois), allow_unused=True)
    for value in (out, *first, *second):
        assert value is None or torch.equal(value, torch.zeros_like(value))


def test_float32_keeps_its_digits_in_a_tiny_box() -> None:
    feat, roi = torch.randn(1, 3, 9, 7), torch.tensor([[0, 10.0, 10.0, 10.001, 10.001]], requires_grad=True)
    double = roi.detach().double().requires_grad_()
    out, expected = prroi_pool2d(feat, roi, 5, 0.25), prroi_pool2d(feat.double(), double, 5, 0.25)
    torch.testing.assert_close(out.double(), expected, rtol=1e-5, atol=1e-6)  # some roundings of float32
    (grad,), (expected_grad,) = torch.autograd.grad(out.sum(), roi), torch.autograd.grad(expected.sum(), double)
    torch.testing.assert_close(grad.double(), expected_grad, rtol=1e-4, atol=1e-4)


@given(
    x=st.floats(0, 20), y=st.floats(0, 28), width=st.floats(0.01, 4), height=st.floats(0.01, 4), bins=st.integers(1, 5)
)
def test_constant_map_pools_to_its_constant_inside(x: float, y: float, width: float, height: float, bins: int) -> None:
    feat = torch.full((1, 1, 9, 7), 3.0, dtype=torch.float64)
    rois = torch.tensor([[0, x, y, x + width, y + height]], dtype=torch.float64)
    out = prroi_pool2d(feat, rois, bins, 0.25)
    torch.testing.assert_close(out, torch.full_like(out, 3.0), rtol=1e-9, atol=0)


@given(dx=st.integers(-3, 3), dy=st.integers(-3, 3), x=st.floats(10, 14), y=st.floats(10, 14), side=st.floats(0.1, 6))
def test_moves_with_the_map_by_whole_cells(dx: int, dy: int, x: float, y: float, side: float) -> None:
    feat = torch.zeros(1, 1, 16, 16, dtype=torch.float64)
    feat[..., 4:12, 4:12] = torch.randn(8, 8, dtype=torch.float64)
    moved = feat.roll((dy, dx), dims=(2, 3))
    rois = torch.tensor([[0, x, y, x + side, y + side]], dtype=torch.float64)
    shift = 2 * torch.tensor([0, dx, dy, dx, dy])
    torch.testing.assert_close(
        prroi_pool2d(moved, rois + shift, 3, 0.5), prroi_pool2d(feat, rois, 3, 0.5), rtol=1e-9, atol=1e-9
    )


@given(x=st.floats(-20, 30), y=st.floats(-20, 30), width=st.floats(0.1, 50), height=st.floats(0.1, 50))
def test_large_bins_are_means_of_their_small_ones(x: float, y: float, width: float, height: float) -> None:
    feat = torch.randn(1, 2, 9, 7, dtype=torch.float64)
    rois = torch.tensor([[0, x, y, x + width, y + height]], dtype=torch.float64)
    fine = prroi_pool2d(feat, rois, (4, 6), 0.25)
    coarse = prroi_pool2d(feat, rois, (2, 2), 0.25)
    torch.testing.assert_close(torch.nn.functional.avg_pool2d(fine, (2, 3)), coarse, rtol=1e-9, atol=1e-9)


def test_boxes_of_several_images_and_module() -> None:
    feat, boxes = torch.randn(3, 2, 9, 7), torch.rand(3, 4, 4) * 10 + 1
    rois = boxes_to_rois(boxes)
    assert rois[:, 0].tolist() == [0] * 4 + [1] * 4 + [2] * 4
    torch.testing.assert_close(rois[5, 1:], torch.cat((boxes[1, 1, :2], boxes[1, 1, :2] + boxes[1, 1, 2:])))
    assert torch.equal(boxes_to_rois(boxes[:, 0]), rois[::4])
    assert torch.equal(PrRoIPool2D(2, 3, 0.25)(feat, rois), prroi_pool2d(feat, rois, (2, 3), 0.25))


@pytest.mark.parametrize("images", [1, 2])
def test_no_boxes(images: int) -> None:
    assert prroi_pool2d(torch.randn(images, 2, 9, 7), torch.zeros(0, 5), (2, 3), 0.25).shape == (0, 2, 2, 3)


@pytest.mark.parametrize(("feat", "rois"), [((2, 9, 7), (1, 5)), ((1, 2, 9, 7), (1, 4)), ((1, 2, 9, 7), (5,))])
def test_wrong_shapes_are_named(feat: tuple[int, ...], rois: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"expected feat \(B, C, H, W\) and rois \(R, 5\)"):
        prroi_pool2d(torch.zeros(feat), torch.zeros(rois), 1, 1.0)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [1, 3, 4, 5])
@pytest.mark.parametrize("stride", [8, 16])
def test_golden_outputs_and_gradients(stride: int, size: int, dtype: torch.dtype) -> None:
    case = golden("c02_prroipool.npz")
    feat, rois = (case[key].to(dtype).requires_grad_() for key in (f"feat{stride}", "rois"))
    out = prroi_pool2d(feat, rois, size, 1 / stride)
    out.backward(case[f"up{stride}_{size}"].to(dtype))
    atol = 1e-9 if dtype == torch.float64 else 5e-5
    torch.testing.assert_close(out.double(), case[f"out{stride}_{size}"], rtol=0, atol=atol)
    torch.testing.assert_close(rois.grad.double(), case[f"grois{stride}_{size}"], rtol=0, atol=atol)
    # The stored gradients of the features are rounded to float32.
    torch.testing.assert_close(feat.grad.float(), case[f"gfeat{stride}_{size}"], rtol=0, atol=max(atol, 1e-6))
