import numpy as np
import pytest
import torch

from ltr.data.boxes import draw_by_density
from ltr.models.loss.kl_regression import kl_regression


def densities(num: int, sigma: float = 0.05) -> tuple[torch.Tensor, ...]:
    box = np.array([30.0, 40, 50, 20])
    drawn = draw_by_density(box, num, sigma, np.random.default_rng(0))
    return tuple(torch.from_numpy(values) for values in drawn)


def test_formula_and_gradient() -> None:
    _, q, p = (values[None] for values in densities(6))
    s = torch.randn(1, 6, dtype=torch.float64, requires_grad=True)
    loss = kl_regression(s, q, p)
    expected = torch.log((s.exp() / q).mean()) - (s * p / q).mean()
    torch.testing.assert_close(loss, expected)
    (gradient,) = torch.autograd.grad(loss, s)
    ratio = s.exp() / q
    torch.testing.assert_close(gradient, (ratio / ratio.sum() - p / q / 6).detach())


def test_the_wanted_density_is_the_minimum() -> None:
    """The divergence is the loss less the entropy of p, by the same samples: 0 for s = log p but for their number."""
    boxes, q, p = densities(20000, sigma=0.3)
    ratio, wanted = p / q, p.log()
    spread = float(ratio.std()) / 20000**0.5
    best = kl_regression(wanted, q, p)
    assert float(best + (ratio * wanted).mean()) == pytest.approx(0, abs=4 * spread)
    for changed in (0.5 * wanted, 1.5 * wanted, wanted + (boxes[:, 0] - 30) / 20):
        assert kl_regression(changed, q, p) > best + 4 * spread


def test_scores_of_any_size() -> None:
    _, q, p = (values.float()[None] for values in densities(128))
    assert kl_regression(torch.full((1, 128), 500.0), q, p).isfinite()
    assert kl_regression(torch.full((1, 128), -500.0), q, p).isfinite()


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match=r"\(2, 4\), \(2, 4\) and \(2, 5\)"):
        kl_regression(torch.zeros(2, 4), torch.ones(2, 4), torch.ones(2, 5))
