"""Virtual inputs against im2col, autograd and their definitions."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from rls import oracle
from rls.virtual_input import (
    conv_layer_virtual_input,
    conv_virtual_input,
    conv_virtual_inputs_and_adjoint,
    linear_virtual_input,
    random_signs,
    score_adjoint,
)


def test_linear_virtual_input_is_the_mean() -> None:
    inputs = torch.tensor([[1.0, 2.0], [3.0, 6.0]])
    assert linear_virtual_input(inputs).tolist() == [2, 4]
    assert linear_virtual_input(inputs, bias=True).tolist() == [2, 4, 1]
    assert linear_virtual_input(inputs[:, None], bias=True).tolist() == [2, 4, 1]
    for empty in (torch.zeros(0, 3), torch.zeros(3)):
        with pytest.raises(ValueError, match="expected inputs as"):
            linear_virtual_input(empty)


shapes = st.tuples(
    st.integers(1, 4),  # samples
    st.integers(1, 3),  # channels
    st.integers(1, 9),  # height
    st.integers(1, 9),  # width
    st.integers(1, 5),  # kernel size
    st.integers(1, 4),  # stride
    st.integers(0, 2**31 - 1),
)


def draw(
    samples: int, channels: int, height: int, width: int, kernel_size: int, seed: int
) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    grow = 2 * (kernel_size // 2) - kernel_size + 1
    feat = torch.randn(samples, channels, height, width, generator=generator)
    weight_map = torch.randn(samples, height + grow, width + grow, generator=generator)
    weight_map[torch.rand(samples, generator=generator) < 0.3] = 0
    return feat, weight_map


@given(shapes)
def test_conv_virtual_input_is_the_sum_over_patches(case: tuple[int, int, int, int, int, int, int]) -> None:
    *sizes, kernel_size, stride, seed = case
    feat, weight_map = draw(*sizes, kernel_size, seed)
    x = conv_virtual_input(feat, weight_map, kernel_size, stride)
    expected = oracle.conv_virtual_input(feat, weight_map, kernel_size, stride)
    torch.testing.assert_close(x.double(), expected, rtol=0, atol=1e-5)  # sums of up to 400 float32 products


@given(shapes)
def test_stride_is_the_same_as_zeroing_the_other_positions(case: tuple[int, int, int, int, int, int, int]) -> None:
    *sizes, kernel_size, stride, seed = case
    feat, weight_map = (tensor.double() for tensor in draw(*sizes, kernel_size, seed))
    sampled = torch.zeros_like(weight_map)
    sampled[:, ::stride, ::stride] = weight_map[:, ::stride, ::stride]
    every = weight_map[0].numel()
    positions = weight_map[0, ::stride, ::stride].numel()
    strided = conv_virtual_input(feat, weight_map, kernel_size, stride, num_samples=2)
    zeroed = conv_virtual_input(feat, sampled, kernel_size, num_samples=2)
    torch.testing.assert_close(strided, zeroed * (every / positions) ** 0.5)


def test_number_of_samples_is_that_of_nonzero_maps() -> None:
    feat, weight_map = draw(4, 2, 6, 5, 4, seed=0)
    weight_map = weight_map.abs() + 0.1
    weight_map[1] = 0
    default = conv_virtual_input(feat, weight_map, 4)
    torch.testing.assert_close(default, conv_virtual_input(feat, weight_map, 4, num_samples=3))
    torch.testing.assert_close(default, conv_virtual_input(feat, weight_map, 4, num_samples=torch.tensor(3)))
    torch.testing.assert_close(default, 2 * conv_virtual_input(feat, weight_map, 4, num_samples=12))
    assert torch.equal(conv_virtual_input(feat, 0 * weight_map, 4), torch.zeros(2 * 16))


@pytest.mark.parametrize("kernel_size", [1, 3, 4])
def test_score_adjoint_is_the_adjoint_of_the_scores(kernel_size: int) -> None:
    feat, score_map = (tensor.double() for tensor in draw(3, 2, 7, 6, kernel_size, seed=0))
    target = torch.randn(1, 2, kernel_size, kernel_size, dtype=torch.float64)
    scores = F.conv2d(feat, target, padding=kernel_size // 2)[:, 0]
    adjoint = score_adjoint(feat, score_map, kernel_size)
    torch.testing.assert_close((adjoint * target[0]).sum(), (scores * score_map).sum())


@pytest.mark.parametrize(
    ("feat", "weight_map", "kernel_size", "stride", "message"),
    [
        ((2, 3, 8, 8), (2, 8, 8), 4, 1, r"weight_map as \(N, H \+ 1, W \+ 1\), got \(2, 3, 8, 8\) and \(2, 8, 8\)"),
        ((2, 3, 8, 8), (1, 9, 9), 4, 1, "Shape mismatch"),
        ((3, 8, 8), (3, 9, 9), 4, 1, "Shape mismatch"),
        ((2, 3, 8, 8), (2, 9, 9), 4, 0, "stride to be an integer of at least 1"),
        ((2, 3, 8, 8), (2, 9, 9), 0, 1, "kernel_size to be an integer of at least 1"),
    ],
)
def test_conv_virtual_input_refuses_what_does_not_fit(
    feat: tuple[int, ...], weight_map: tuple[int, ...], kernel_size: int, stride: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        conv_virtual_input(torch.zeros(feat), torch.zeros(weight_map), kernel_size, stride)


@pytest.mark.parametrize(
    ("kernel_size", "stride", "padding", "dilation"),
    [((1, 1), (1, 1), (0, 0), (1, 1)), ((3, 2), (2, 1), (1, 0), (1, 2)), ((4, 4), (3, 2), (2, 1), (2, 1))],
)
def test_layer_virtual_input_is_the_gradient_of_the_mean_output_sum(
    kernel_size: tuple[int, int], stride: tuple[int, int], padding: tuple[int, int], dilation: tuple[int, int]
) -> None:
    inputs = torch.randn(3, 2, 13, 11, dtype=torch.float64)
    weight = torch.zeros(1, 2, *kernel_size, dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    output = F.conv2d(inputs, weight, bias, stride, padding, dilation)
    gradients = torch.autograd.grad(output.mean(dim=0).sum() / output[0].numel() ** 0.5, (weight, bias))
    x = conv_layer_virtual_input(inputs, kernel_size, stride, padding, dilation, bias=True)
    torch.testing.assert_close(x, torch.cat([gradient.flatten() for gradient in gradients]))
    torch.testing.assert_close(conv_layer_virtual_input(inputs, kernel_size, stride, padding, dilation), x[:-1])


def test_layer_virtual_input_needs_samples_and_positions() -> None:
    for shape in [(0, 2, 5, 5), (1, 2, 2, 5), (2, 5, 5)]:
        with pytest.raises(ValueError, match="expected inputs as"):
            conv_layer_virtual_input(torch.zeros(shape), (3, 3))


@pytest.mark.parametrize(("kernel_size", "stride"), [(4, 1), (4, 2), (3, 1)])
def test_one_pass_gives_both_the_virtual_input_and_the_adjoint(kernel_size: int, stride: int) -> None:
    torch.manual_seed(0)
    feat = torch.randn(5, 7, 6, 8, dtype=torch.float64)
    size = [extent + 2 * (kernel_size // 2) - kernel_size + 1 for extent in feat.shape[-2:]]
    weight_map, score_map = torch.randn(2, 5, *size, dtype=torch.float64)
    for count in (None, 3, torch.tensor(3)):
        args = (feat, weight_map, score_map, kernel_size, stride, count)
        virtual_inputs, adjoint = conv_virtual_inputs_and_adjoint(*args)
        expected = conv_virtual_input(feat, weight_map, kernel_size, stride, count)
        torch.testing.assert_close(virtual_inputs, expected[None])
        torch.testing.assert_close(adjoint, score_adjoint(feat, score_map, kernel_size))
    with pytest.raises(ValueError, match="Shape mismatch"):
        conv_virtual_inputs_and_adjoint(feat, weight_map[:4], score_map, kernel_size)


@pytest.mark.parametrize(("kernel_size", "stride"), [(4, 1), (4, 2), (3, 1)])
def test_signs_add_rows_of_the_weight_map_times_each(kernel_size: int, stride: int) -> None:
    feat = torch.randn(3, 4, 6, 8, dtype=torch.float64)
    size = [extent + 2 * (kernel_size // 2) - kernel_size + 1 for extent in feat.shape[-2:]]
    weight_map, score_map = torch.randn(2, 3, *size, dtype=torch.float64)
    weight_map[1] = 0  # does not count
    signs = random_signs(3, weight_map.shape, torch.Generator().manual_seed(1))
    assert set(signs.unique().tolist()) == {-1, 1}
    rows, adjoint = conv_virtual_inputs_and_adjoint(feat, weight_map, score_map, kernel_size, stride, signs=signs)
    plain, same_adjoint = conv_virtual_inputs_and_adjoint(feat, weight_map, score_map, kernel_size, stride)
    assert rows.shape == (4, 4 * kernel_size**2)
    torch.testing.assert_close(rows[:1], plain)
    torch.testing.assert_close(adjoint, same_adjoint)
    for row, omega in zip(rows[1:], signs, strict=True):
        torch.testing.assert_close(row, oracle.conv_virtual_input(feat, weight_map * omega, kernel_size, stride))
    with pytest.raises(ValueError, match=r"signs as \(k - 1, 3, "):
        conv_virtual_inputs_and_adjoint(feat, weight_map, score_map, kernel_size, stride, signs=signs[0])
