"""The matrix functions against what their formulas say, computed the plain way."""

import math

import pytest
import torch

from rls.matrices import (
    add_ridge_,
    discounted,
    downdate_,
    orthonormal_rows,
    polished,
)


def symmetric(dim: int) -> torch.Tensor:
    """A well-conditioned positive definite matrix, symmetric to the last bit, as the product alone need not be."""
    factor = torch.randn(dim, dim, dtype=torch.float64)
    square = factor @ factor.mT / dim
    return (square + square.mT) / 2 + torch.eye(dim, dtype=torch.float64)


@pytest.mark.parametrize("count", [1, 2, 7])
@pytest.mark.parametrize("beta", [1.0, 0.9])
def test_downdate_is_the_inverse_of_the_sum(count: int, beta: float) -> None:
    P, rows = symmetric(5), torch.randn(count, 5, dtype=torch.float64)
    weights = beta ** torch.arange(count - 1, -1, -1.0, dtype=torch.float64)
    expected = torch.linalg.inv(beta**count * torch.linalg.inv(P) + (rows.mT * weights) @ rows)
    pivot = downdate_(P, rows, beta)
    torch.testing.assert_close(P, expected, rtol=0, atol=1e-12)
    assert torch.equal(P, P.mT)
    assert pivot >= 1


def test_downdate_returns_the_denominator_of_the_gain() -> None:
    P, x = symmetric(4), torch.randn(1, 4, dtype=torch.float64)
    denominator = 1 + float(x @ P @ x.mT) / 0.8
    assert downdate_(P, x, 0.8) == pytest.approx(denominator)


@pytest.mark.parametrize("count", [1, 3])
def test_downdate_leaves_an_indefinite_matrix_alone(count: int) -> None:
    P = torch.diag(torch.tensor([1.0, -2.0, 1.0, -0.5]))
    before = P.clone()
    assert not downdate_(P, torch.eye(4)[1 : 1 + count]) >= 1
    assert torch.equal(P, before)
    P[1, 1] = math.nan
    assert not downdate_(P, torch.eye(4)[1 : 1 + count]) >= 1


def test_downdate_leaves_a_matrix_alone_where_it_overflows() -> None:
    P = torch.eye(2, dtype=torch.float16) * 2000
    assert math.isinf(downdate_(P, torch.full((1, 2), 100.0, dtype=torch.float16)))
    assert torch.equal(P, torch.eye(2, dtype=torch.float16) * 2000)


def test_discounted_rows_age() -> None:
    rows = torch.ones(3, 2, dtype=torch.float64)
    assert torch.equal(discounted(rows, 1.0), rows)
    assert torch.equal(discounted(rows[:1], 0.5), rows[:1])
    torch.testing.assert_close(discounted(rows, 0.25)[:, 0], torch.tensor([1 / 4, 1 / 2, 1], dtype=torch.float64))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16])
def test_ridge_adds_to_the_inverse(dtype: torch.dtype) -> None:
    P = symmetric(6).to(dtype)
    expected = torch.linalg.inv(torch.linalg.inv(P.double()) + 0.3 * torch.eye(6, dtype=torch.float64))
    add_ridge_(P, 0.3)
    tolerance = 20 * torch.finfo(dtype).eps  # of eigenvalues up to about 5
    torch.testing.assert_close(P.double(), expected, rtol=0, atol=tolerance)


def test_orthonormal_rows_span_the_strong_directions() -> None:
    basis = torch.linalg.qr(torch.randn(20, 4, dtype=torch.float64)).Q.mT
    weights = torch.tensor([3.0, 1e-2, 1e-9, 1.0], dtype=torch.float64)
    mixed = torch.linalg.qr(torch.randn(4, 4, dtype=torch.float64)).Q @ (weights[:, None] * basis)
    rows = orthonormal_rows(mixed, 1e-6)
    assert rows.shape == (3, 20)
    torch.testing.assert_close(rows @ rows.mT, torch.eye(3, dtype=torch.float64))
    torch.testing.assert_close((rows @ basis[[0, 3, 1]].mT).abs(), torch.eye(3, dtype=torch.float64), atol=1e-9, rtol=0)
    assert orthonormal_rows(mixed[:1], 1e-6).shape == (1, 20)
    assert len(orthonormal_rows(torch.zeros(1, 5), 1e-6)) == len(orthonormal_rows(torch.zeros(3, 5), 1e-6)) == 0


def test_polishing_squares_the_defect() -> None:
    basis = torch.linalg.qr(torch.randn(50, 8, dtype=torch.float64)).Q.mT + 1e-5 * torch.randn(8, 50).double()
    eye = torch.eye(8, dtype=torch.float64)
    for _ in range(2):
        defect = torch.linalg.matrix_norm(basis @ basis.mT - eye, 2)
        basis = polished(basis)
        assert torch.linalg.matrix_norm(basis @ basis.mT - eye, 2) <= defect**2 + 1e-15
