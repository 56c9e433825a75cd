"""Both forms of RoIAlign against golden vectors and the definition written out point by point."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from ltr.models.layers.adaptive_roi_align import adaptive_roi_align, adaptive_roi_align_max, roi_align
from tests.shared_data import golden

TOLERANCE = 1e-4  # that of the golden README: features of order 1, four products in float32


def slow_roi_align(feat: Tensor, rois: Tensor, num: int, scale: float, adaptive: bool) -> Tensor:
    """The definition, in float64, one point at a time."""
    _, channels, height, width = feat.shape
    out = torch.zeros(len(rois), channels, num, num, dtype=torch.float64)
    for r, (image, x1, y1, x2, y2) in enumerate(rois.double().tolist()):
        size = [max(end * scale - start * scale + 1, 0) for start, end in ((y1, y2), (x1, x2))]
        spacing = [extent / (num if adaptive else num - 1) for extent in size]
        stride = [max(1, math.floor(b + 0.5)) if adaptive else 1 for b in spacing]
        for p in range(num):
            for q in range(num):
                point = (p * spacing[0] + y1 * scale, q * spacing[1] + x1 * scale)
                if not (0 <= point[0] < height and 0 <= point[1] < width):
                    continue
                first = [min(math.floor(v), n - 2) for v, n in zip(point, (height, width), strict=True)]
                for dy in (0, stride[0]):
                    for dx in (0, stride[1]):
                        y, x = first[0] + dy, first[1] + dx
                        if 0 <= y < height and 0 <= x < width:
                            weight_y, weight_x = (
                                (1 - abs(v - f - d) / s) if adaptive else ((v - f) if d else 1 - (v - f))
                                for v, f, d, s in zip(point, first, (dy, dx), stride, strict=True)
                            )
                            out[r, :, p, q] += weight_y * weight_x * feat[int(image), :, y, x].double()
    return out


def test_golden_vectors() -> None:
    case = golden("c10_rtmdnet.npz")
    feat, rois = case["roi_feat"], case["rois"]
    for name, found in (
        ("roi_ada7", adaptive_roi_align(feat, rois)),
        ("roi_ada_max3", adaptive_roi_align_max(feat, rois)),
        ("roi_plain7", roi_align(feat, rois)),
        ("roi_plain_max3", torch.nn.functional.max_pool2d(roi_align(feat, rois), 3, 2)),
    ):
        torch.testing.assert_close(found, case[name], rtol=TOLERANCE, atol=TOLERANCE)


corner = st.floats(-60, 200, width=32)
side = st.floats(-20, 300, width=32)


@given(
    boxes=st.lists(st.tuples(st.integers(0, 1), corner, corner, side, side), min_size=1, max_size=4),
    size=st.tuples(st.integers(1, 14), st.integers(1, 14)),
    num=st.integers(2, 7),
    adaptive=st.booleans(),
)
def test_equals_the_definition(boxes: list[tuple], size: tuple[int, int], num: int, adaptive: bool) -> None:
    feat = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    rois = torch.tensor([(b, x, y, x + w, y + h) for b, x, y, w, h in boxes], dtype=torch.float64)
    found = (adaptive_roi_align if adaptive else roi_align)(feat, rois, num, 1 / 8)
    torch.testing.assert_close(found, slow_roi_align(feat, rois, num, 1 / 8, adaptive), rtol=0, atol=1e-9)


def test_batches_are_the_single_images() -> None:
    feat = torch.randn(3, 4, 9, 11)
    rois = torch.tensor([[2, 3.0, 5.0, 60.0, 44.0], [0, 10.0, 0.0, 30.0, 70.0], [2, -9.0, 5.0, 20.0, 30.0]])
    together = adaptive_roi_align(feat, rois)
    for row, found in zip(rois, together, strict=True):
        alone = torch.cat((torch.zeros(1), row[1:]))[None]
        torch.testing.assert_close(adaptive_roi_align(feat[int(row[0])][None], alone)[0], found)


def test_memory_layout_does_not_matter() -> None:
    feat = torch.randn(2, 16, 9, 11)
    rois = torch.tensor([[1, 3.0, 5.0, 60.0, 44.0]])
    other = feat.to(memory_format=torch.channels_last)
    assert torch.equal(adaptive_roi_align(feat, rois), adaptive_roi_align(other, rois))


def test_no_boxes_give_no_features() -> None:
    assert adaptive_roi_align_max(torch.randn(1, 5, 8, 8), torch.zeros(0, 5)).shape == (0, 5, 3, 3)


def test_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"expected rois \(R, 5\), got \(3, 4\)"):
        adaptive_roi_align(torch.randn(1, 5, 8, 8), torch.zeros(3, 4))
