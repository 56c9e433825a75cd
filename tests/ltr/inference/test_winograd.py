from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from ltr.inference.winograd import (
    POINTS,
    WinogradConv2d,
    best_tile,
    transform_kernel,
    use_winograd,
    winograd_conv3x3,
)


@pytest.mark.parametrize("tile", list(POINTS))
@pytest.mark.parametrize("size", [(18, 18), (7, 5), (1, 2)])
def test_equals_a_convolution(tile: int, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    x, weight = torch.randn(2, 6, *size, dtype=torch.float64), torch.randn(4, 6, 3, 3, dtype=torch.float64)
    bias = torch.randn(4, dtype=torch.float64)
    expected = F.conv2d(x, weight, bias, padding=1)
    kernel = transform_kernel(weight, tile)
    torch.testing.assert_close(winograd_conv3x3(x, kernel, bias, tile), expected, rtol=0, atol=1e-12)
    without = winograd_conv3x3(x, kernel, None, tile)
    torch.testing.assert_close(without, expected - bias[:, None, None], rtol=0, atol=1e-12)


@pytest.mark.parametrize("tile", list(POINTS))
def test_error_in_float32_is_that_of_a_direct_convolution(tile: int) -> None:
    torch.manual_seed(0)
    x, weight = torch.randn(1, 256, 18, 18).relu(), torch.randn(64, 256, 3, 3)
    expected = F.conv2d(x.double(), weight.double(), padding=1)
    found = winograd_conv3x3(x, transform_kernel(weight, tile), None, tile)
    # Both sum some thousand products; the transforms multiply the error by the norms of a few small matrices.
    assert float((found - expected).abs().max()) < 1e-5 * float(expected.abs().max())


def test_tile_that_fits_the_map() -> None:
    assert best_tile(18, 18) == 3
    assert best_tile(36, 36) == 4
    assert best_tile(2, 2) == 2


@torch.no_grad()
@pytest.mark.parametrize("bias", [True, False])
def test_layer_for_maps_of_any_size(bias: bool) -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(128, 130, 3, padding=1, bias=bias)
    layer = use_winograd(nn.Sequential(conv, nn.ReLU()))
    assert isinstance(layer[0], WinogradConv2d)  # type: ignore[index]
    for size in ((18, 18), (9, 14), (1, 3)):
        x = torch.randn(2, 128, *size)
        given = x.clone()
        torch.testing.assert_close(layer(x), conv(x).relu(), rtol=1e-5, atol=2e-5)
        assert torch.equal(x, given)
    assert len(layer[0].kernels) <= 3  # type: ignore[index, arg-type]


@pytest.mark.parametrize(
    "options", [{"stride": 2}, {"padding": 0}, {"groups": 2}, {"dilation": 2}, {"padding_mode": "reflect"}, {"out": 64}]
)
def test_other_convolutions_stay(options: dict[str, Any]) -> None:
    conv = nn.Conv2d(128, options.pop("out", 128), 3, **{"padding": 1, **options})
    assert use_winograd(conv) is conv
