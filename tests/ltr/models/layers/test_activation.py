import torch

from ltr.models.layers.activation import leaky_relu_par, leaky_relu_par_derivative


def test_identity_and_rectifier_at_the_ends() -> None:
    scores = torch.tensor([-2.0, 0.0, 3.0])
    torch.testing.assert_close(leaky_relu_par(scores, torch.ones(3)), scores)
    torch.testing.assert_close(leaky_relu_par(scores, torch.zeros(3)), scores.clamp(min=0))


def test_derivative_matches_autograd_away_from_zero_and_is_half_slope_at_zero() -> None:
    scores = torch.randn(50, dtype=torch.float64, requires_grad=True)
    mask = torch.rand(50, dtype=torch.float64)
    (expected,) = torch.autograd.grad(leaky_relu_par(scores, mask).sum(), scores)
    torch.testing.assert_close(leaky_relu_par_derivative(scores, mask), expected)
    torch.testing.assert_close(leaky_relu_par_derivative(torch.zeros(1), torch.tensor([0.4])), torch.tensor([0.7]))
