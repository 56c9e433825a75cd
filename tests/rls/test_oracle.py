"""The oracle's two roads to the same matrices and weights meet."""

import pytest
import torch

from rls import oracle


@pytest.mark.parametrize("beta", [1.0, 0.9])
def test_recursion_and_inverse_agree(beta: float) -> None:
    inputs = torch.randn(12, 5, dtype=torch.float64)
    P = torch.eye(5, dtype=torch.float64) / 0.3
    for count, x in enumerate(inputs, start=1):
        k, P = oracle.recursion_step(P, x, beta)
        torch.testing.assert_close(P, oracle.inverse_correlation(inputs[:count], 0.3, beta), rtol=0, atol=1e-11)
        torch.testing.assert_close(x @ P, k)  # Eq. 20


@pytest.mark.parametrize("beta", [1.0, 0.9])
def test_normal_equations_minimize_the_cost(beta: float) -> None:
    inputs, targets = torch.randn(9, 4, dtype=torch.float64), torch.randn(9, 2, dtype=torch.float64)
    prior = torch.randn(2, 4, dtype=torch.float64)
    weight = oracle.normal_equations(inputs, targets, 0.5, beta, prior).requires_grad_()
    weights = beta ** torch.arange(8, -1, -1.0, dtype=torch.float64)
    misfit = (weights * (inputs @ weight.mT - targets).square().sum(dim=1)).sum()
    (gradient,) = torch.autograd.grad(misfit + 0.5 * beta**9 * (weight - prior).square().sum(), weight)
    assert gradient.abs().max() <= 1e-12


def test_regularizer_alone_decides_without_data() -> None:
    nothing = torch.zeros(0, 3)
    torch.testing.assert_close(oracle.inverse_correlation(nothing, 0.5), 2 * torch.eye(3, dtype=torch.float64))
    weight = torch.randn(2, 3, dtype=torch.float64)
    torch.testing.assert_close(oracle.normal_equations(nothing, torch.zeros(0, 2), 0.5, weight=weight), weight)
