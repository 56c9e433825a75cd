import math

import numpy as np
import pytest
import torch

from pytracking.libs import TensorList, complex, dcf, fourier


def numbers(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def native(a: torch.Tensor) -> np.ndarray:
    return a[..., 0].numpy() + 1j * a[..., 1].numpy()


def test_complex_arithmetic() -> None:
    a, b, r = numbers(1, 2, 3, 4, 2), numbers(1, 2, 3, 4, 2, seed=1), numbers(1, 2, 3, 4, seed=2)
    x, y, s = native(a), native(b), r.numpy()
    for found, expected in [
        (complex.mult(a, b), x * y),
        (complex.mult(r, b), s * y),
        (complex.mult(a, r), x * s),
        (complex.mult_conj(a, b), x * y.conj()),
        (complex.mult_conj(r, b), s * y.conj()),
        (complex.div(a, b), x / y),
        (complex.div(a, r), x / s),
        (complex.conj(a), x.conj()),
        (complex.complex(r), s + 0j),
        (complex.complex(None, r), 1j * s),
        (complex.complex(r, r), s + 1j * s),
        (complex.exp_imag(r), np.exp(1j * s)),
    ]:
        np.testing.assert_allclose(native(found), expected, rtol=1e-12)
    for found, expected in [
        (complex.abs(a), np.abs(x)),
        (complex.abs_sqr(a), np.abs(x) ** 2),
        (complex.real(a), x.real),
        (complex.imag(a), x.imag),
    ]:
        np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert complex.is_complex(a)
    assert complex.is_real(r)
    np.testing.assert_allclose(native(complex.mult(TensorList([a]), TensorList([b]))[0]), x * y)


@pytest.mark.parametrize("conj_a", [False, True])
@pytest.mark.parametrize("conj_b", [False, True])
def test_complex_matrix_products(conj_a: bool, conj_b: bool) -> None:
    a, b = numbers(2, 3, 4, 2), numbers(2, 4, 5, 2, seed=1)
    x, y = native(a), native(b)
    left, right = (x.conj() if conj_a else x), (y.conj() if conj_b else y)
    np.testing.assert_allclose(native(complex.mtimes(a, b, conj_a, conj_b)), left @ right, rtol=1e-10, atol=1e-12)
    real = numbers(2, 3, 4, seed=2)[..., :4]
    np.testing.assert_allclose(native(complex.mtimes(real, b, conj_b=conj_b)), real.numpy() @ right, atol=1e-12)


def test_what_is_no_complex_tensor_is_refused() -> None:
    with pytest.raises(ValueError, match="last of 2"):
        complex.abs(torch.ones(1, 1, 3, 3))
    with pytest.raises(ValueError, match="among the operands"):
        complex.mult(torch.ones(1, 1, 3, 3), torch.ones(1, 1, 3, 3))
    with pytest.raises(ValueError, match="fewer dimensions"):
        complex.mult(torch.ones(1, 1, 3, 3, 3), torch.ones(1, 1, 3, 2))


@pytest.mark.parametrize("shape", [(5, 7), (4, 7), (6, 5)])
def test_coefficients_are_those_of_the_definition(shape: tuple[int, int]) -> None:
    image = numbers(1, 2, *shape)
    found = native(fourier.cfft2(image))
    ky, kx = (k.flatten() for k in fourier.get_frequency_coord(shape))
    y, x = np.arange(shape[0]), np.arange(shape[1])
    waves = np.exp(-2j * math.pi * np.multiply.outer(ky.numpy(), y) / shape[0])
    across = np.exp(-2j * math.pi * np.multiply.outer(kx.numpy(), x) / shape[1])
    expected = np.einsum("ky,ncyx,lx->nckl", waves, image.numpy(), across)
    rows = found.shape[2]  # odd: an even image has its highest frequency at both ends
    assert rows == shape[0] + (shape[0] + 1) % 2
    np.testing.assert_allclose(found[:, :, rows - len(ky) :], expected, atol=1e-10)
    assert fourier.get_frequency_coord(shape, add_complex_dim=True)[0].shape == (1, 1, len(ky), 1, 1)
    if shape[0] % 2:
        torch.testing.assert_close(fourier.cifft2(fourier.cfft2(image)), image)


def series(values: torch.Tensor, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Real part of the sum over all frequencies at points (y, x) of a period 2 pi; stored: columns from 0 on."""
    c = native(values)[0, 0]
    ky = np.arange(c.shape[0]) - (c.shape[0] - 1) // 2
    total = np.zeros((len(y), len(x)))
    for k, row in zip(ky, c, strict=True):
        for m, value in enumerate(row):
            wave = value * np.exp(1j * (k * y[:, None] + m * x[None, :]))
            total += wave.real * (1 if m == 0 else 2)
    return total


@pytest.mark.parametrize("grid", [None, (5, 7), (8, 8), (9, 12)])
def test_series_are_sampled(grid: tuple[int, int] | None) -> None:
    coefficients = fourier.cfft2(numbers(1, 1, 5, 7)) / 35
    height, width = grid or (5, 7)
    expected = series(coefficients, 2 * math.pi * np.arange(height) / height, 2 * math.pi * np.arange(width) / width)
    size = None if grid is None else torch.tensor(grid)
    found = fourier.sample_fs(coefficients, size)
    np.testing.assert_allclose(found[0, 0], expected, atol=1e-10)
    torch.testing.assert_close(fourier.sample_fs(coefficients, size, rescale=False) * height * width, found)


def test_series_are_shifted_and_small_grids_refused() -> None:
    coefficients = fourier.cfft2(numbers(1, 1, 5, 7)) / 35
    shifted = fourier.shift_fs(coefficients, torch.tensor([0.3, -0.7], dtype=torch.float64))
    points = np.linspace(0, 6, 4)
    np.testing.assert_allclose(
        series(shifted, points, points), series(coefficients, points + 0.3, points - 0.7), atol=1e-6
    )
    with pytest.raises(ValueError, match="at least"):
        fourier.sample_fs(coefficients, torch.tensor([4, 9]))
    with pytest.raises(ValueError, match="coefficients"):
        fourier.shift_fs(numbers(1, 5, 4, 2), torch.zeros(2))


def test_sums_and_inner_products_of_series() -> None:
    a, b = (fourier.cfft2(numbers(1, 1, *shape, seed=seed)) for seed, shape in enumerate([(5, 7), (3, 3)]))
    points = np.linspace(0, 6, 4)
    total = fourier.sum_fs(TensorList([b, a]))
    np.testing.assert_allclose(series(total, points, points), series(a, points, points) + series(b, points, points))
    x, y = numbers(1, 1, 5, 7), numbers(1, 1, 5, 7, seed=3)
    # Parseval's theorem
    torch.testing.assert_close(fourier.inner_prod_fs(fourier.cfft2(x), fourier.cfft2(y)), 35 * (x * y).sum())
    with pytest.raises(ValueError, match="two complex or two real"):
        fourier.inner_prod_fs(a, x)


@pytest.mark.parametrize("size", [6, 7])
def test_cosine_windows(size: int) -> None:
    k = np.arange(1, size + 1)
    window = np.sin(math.pi * k / (size + 1)) ** 2
    np.testing.assert_allclose(dcf.hann1d(size), window, rtol=1e-5)
    np.testing.assert_allclose(
        dcf.hann2d(torch.tensor([size, 5]))[0, 0, :, 1], window * dcf.hann1d(5)[1].item(), rtol=1e-5
    )
    first = dcf.hann1d(size, centered=False)
    assert first[0] == 1
    assert len(first) == size
    np.testing.assert_allclose(first[1:], first[1:].flip(0), rtol=1e-6)
    distance = np.minimum(np.arange(size), size - np.arange(size))
    np.testing.assert_allclose(first, np.cos(math.pi * distance / (size + 2)) ** 2, rtol=1e-5)


def test_clipped_windows() -> None:
    size, effective = torch.tensor([10, 8]), torch.tensor([5, 8])
    window = dcf.hann2d_clipped(size, effective)[0, 0]
    rows, columns = dcf.hann1d(6), dcf.hann1d(8)
    np.testing.assert_allclose(window, np.outer(np.pad(rows, 2, mode="edge"), columns), rtol=1e-6)
    assert effective.tolist() == [5, 8]
    rolled = dcf.hann2d_clipped(size, effective, centered=False)[0, 0]
    torch.testing.assert_close(rolled[0, 0], window[5, 4])


def test_labels() -> None:
    label = dcf.label_function_spatial(torch.tensor([5, 7]), torch.tensor([1.0, 2.0]), torch.tensor([1.0, 0.0]), (0, 1))
    expected = np.exp(-0.5 * ((np.arange(5)[:, None] - 3) ** 2 + ((np.arange(8)[None] - 3) / 2) ** 2))
    np.testing.assert_allclose(label[0, 0], expected, rtol=1e-5)
    # The series of `label_function` is a periodic Gaussian around the first pixel; the frequencies that are left out
    # have coefficients below exp(-2 (pi / 9 * 1.5 * 5)^2) = 1e-6 of the first.
    coefficients = dcf.label_function(torch.tensor([9, 11]), torch.tensor([1.5, 1.5])).double()
    sampled = fourier.sample_fs(complex.complex(coefficients))[0, 0]
    y, x = (sum(np.exp(-0.5 * ((np.arange(n) + turn * n) / 1.5) ** 2) for turn in (-2, -1, 0, 1)) for n in (9, 11))
    np.testing.assert_allclose(sampled, np.outer(y, x), atol=2e-5)


def test_maxima() -> None:
    a = torch.zeros(2, 3, 4, 5)
    a[0, 1, 2, 3] = 7
    value, place = dcf.max2d(a)
    assert value[0, 1] == 7
    assert place[0, 1].tolist() == [2, 3]
    assert value.shape == (2, 3)
    assert place.shape == (2, 3, 2)
