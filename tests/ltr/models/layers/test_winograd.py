import pytest
import torch
import torch.nn.functional as F

from ltr.models.layers.winograd import POINTS, best_tile, transform_kernel, winograd_conv3x3


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
