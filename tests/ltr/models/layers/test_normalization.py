import pytest
import torch

from ltr.models.layers.normalization import InstanceL2Norm


def test_norm_does_not_depend_on_the_input() -> None:
    channels, scale = 512, (1 / (512 * 16)) ** 0.5
    x = torch.randn(3, channels, 18, 18) * torch.tensor([1e-2, 1.0, 1e3])[:, None, None, None]
    norms = InstanceL2Norm(scale=scale)(x).flatten(1).norm(dim=1)
    # scale * sqrt(512 * 18 * 18) = 4.5; the relative effect of eps is at most 1e-5 / (1e-4 * 512 * 18 * 18)
    torch.testing.assert_close(norms, torch.full((3,), 4.5), rtol=1e-5, atol=0)


@pytest.mark.parametrize("size_average", [True, False])
def test_formula(size_average: bool) -> None:
    x = 1e-3 * torch.randn(2, 3, 4, 5, dtype=torch.float64)
    layer = InstanceL2Norm(size_average=size_average, eps=1e-5, scale=0.3)
    out = layer(x)
    for image, normalized in zip(x, out, strict=True):
        factor = 0.3 * ((60 if size_average else 1) / (float((image**2).sum()) + 1e-5)) ** 0.5
        torch.testing.assert_close(normalized, image * factor)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_short_numbers_do_not_overflow(dtype: torch.dtype) -> None:
    x = 300 * torch.randn(1, 8, 6, 6)  # squares beyond the largest float16, 65504
    out = InstanceL2Norm()(x.to(dtype))
    assert out.dtype == dtype
    # One rounding of the input and one of the output, each of half a unit in the last place.
    torch.testing.assert_close(out.float(), InstanceL2Norm()(x), rtol=2 * torch.finfo(dtype).eps, atol=1e-3)


def test_zero_map_stays_zero() -> None:
    x = torch.zeros(1, 2, 3, 3, requires_grad=True)
    out = InstanceL2Norm()(x)
    out.sum().backward()
    assert torch.equal(out, torch.zeros_like(out))
    assert x.grad is not None
    assert x.grad.isfinite().all()
