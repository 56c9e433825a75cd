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
    out = InstanceL2Norm(size_average=size_average, eps=1e-5, scale=0.3)(x)
    for image, normalized in zip(x, out, strict=True):
        factor = 0.3 * ((60 if size_average else 1) / (float((image**2).sum()) + 1e-5)) ** 0.5
        torch.testing.assert_close(normalized, image * factor)


def test_zero_map_stays_zero() -> None:
    x = torch.zeros(1, 2, 3, 3, requires_grad=True)
    out = InstanceL2Norm()(x)
    out.sum().backward()
    assert torch.equal(out, torch.zeros_like(out))
    assert x.grad is not None
    assert x.grad.isfinite().all()
