"""The paper's derivation and supplement, statement by statement, in float64; docs/rls_theory.md explains them."""

import copy
import itertools
import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from rls import RLSSGD, RecursiveLeastSquares, oracle
from rls.virtual_input import (
    conv_virtual_input,
    conv_virtual_inputs_and_adjoint,
    linear_virtual_input,
    random_signs,
)

EXACT = {"rtol": 0.0, "atol": 1e-10}  # float64 rounding of sums of a hundred numbers of order one, times 1000
seeds = st.integers(0, 2**31 - 1)


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def weighted_loss(W: Tensor, X: Tensor, Y: Tensor, delta: float, beta: float) -> Tensor:
    """Eq. 11, and Eq. 4 for X (n, b, p), Y (n, b, q) with its mean over the block."""
    age = beta ** torch.arange(len(X) - 1, -1, -1.0, dtype=torch.float64)
    errors = (Y - X @ W.mT).square().sum(-1)
    per_time = errors if errors.ndim == 1 else errors.mean(1)
    return (age * per_time).sum() + delta * beta ** len(X) * W.square().sum()


@pytest.mark.parametrize("beta", [1.0, 0.9])
def test_eq_5_11_to_13_normal_equations(beta: float) -> None:
    X, Y = draw(30, 6), draw(30, 2, seed=1)
    W = oracle.normal_equations(X, Y, 0.3, beta).requires_grad_()
    (gradient,) = torch.autograd.grad(weighted_loss(W, X, Y, 0.3, beta), W)
    torch.testing.assert_close(gradient, torch.zeros_like(gradient), **EXACT)


def test_eq_14_first_sample() -> None:
    x, y = draw(6), draw(2, seed=1)
    expected = torch.outer(y, x) @ torch.linalg.inv(torch.outer(x, x) + 0.3 * torch.eye(6, dtype=torch.float64))
    estimator = RecursiveLeastSquares(6, 2, 0.3)
    estimator.update(x, y)
    torch.testing.assert_close(estimator.weight, expected, **EXACT)


@given(seeds, st.sampled_from([1.0, 0.95, 0.7]))
def test_eq_15_to_21_recursions(seed: int, beta: float) -> None:
    X, Y, delta = draw(12, 5, seed=seed), draw(12, 3, seed=seed + 1), 0.3
    eye = torch.eye(5, dtype=torch.float64)
    Z, Phi, P, W = torch.zeros(3, 5, dtype=torch.float64), delta * eye, eye / delta, torch.zeros(3, 5).double()
    for n, (x, y) in enumerate(zip(X, Y, strict=True), start=1):
        Z, Phi = beta * Z + torch.outer(y, x), beta * Phi + torch.outer(x, x)  # Eq. 15, 16
        k, P = oracle.recursion_step(P, x, beta)  # Eq. 18, 19
        torch.testing.assert_close(x @ P, k, rtol=1e-9, atol=1e-9)  # Eq. 20
        W = W - torch.outer(W @ x - y, x) @ P  # Eq. 21
        scale = 1 / (delta * beta**n)  # of P where nothing has been seen: what rounding is relative to
        torch.testing.assert_close(P, torch.linalg.inv(Phi), rtol=0, atol=1e-12 * scale)  # Eq. 17
        torch.testing.assert_close(W, Z @ P, rtol=0, atol=1e-10 * scale)  # Eq. 5


@given(seeds, st.integers(1, 12))
def test_eq_25_the_virtual_sample_is_bounded_by_the_block(seed: int, b: int) -> None:
    """Also S17–S19."""
    W, X, Y = draw(3, 5, seed=seed), draw(b, 5, seed=seed + 1), draw(b, 3, seed=seed + 2)
    virtual = (Y.mean(0) - W @ linear_virtual_input(X)).square().sum()
    block = (Y - X @ W.mT).square().sum() / b
    assert virtual <= block * (1 + 1e-12)
    # What is lost is the scatter of the residuals within the block: nothing if they agree.
    residuals = Y - X @ W.mT
    scatter = (residuals - residuals.mean(0)).square().sum() / b
    torch.testing.assert_close(virtual + scatter, block)


@given(seeds, st.sampled_from([1.0, 0.9]))
def test_eq_s16_is_below_eq_4_for_every_weight(seed: int, beta: float) -> None:
    W, X, Y = draw(3, 5, seed=seed), draw(7, 4, 5, seed=seed + 1), draw(7, 4, 3, seed=seed + 2)
    assert weighted_loss(W, X.mean(1), Y.mean(1), 0.3, beta) <= weighted_loss(W, X, Y, 0.3, beta) * (1 + 1e-12)


@given(seeds, st.integers(1, 3), st.integers(1, 6))
def test_eq_s21_s22_virtual_input_of_a_sum_over_positions(seed: int, samples: int, size: int) -> None:
    feat, weight = draw(samples, 2, size, size, seed=seed), draw(2, 3, 3, seed=seed + 1)
    root_gamma, labels = draw(samples, size, size, seed=seed + 2).abs() + 0.1, draw(samples, size, size, seed=seed + 3)
    x = conv_virtual_input(feat, root_gamma, 3)
    residual = root_gamma * (labels - F.conv2d(feat, weight[None], padding=1)[:, 0])
    count = samples * size * size
    virtual_label = (root_gamma * labels).sum() / math.sqrt(count)
    virtual_residual = virtual_label - (weight.flatten() * x).sum()
    torch.testing.assert_close(virtual_residual, residual.sum() / math.sqrt(count))
    assert virtual_residual.square() <= residual.square().sum() * (1 + 1e-12)


def test_eq_28_gradient_of_the_block_is_that_of_the_virtual_sample_and_a_covariance() -> None:
    """A block's gradient is what the trackers multiply by P; with the virtual gradient alone Eq. 28 would be exact."""
    W, X, Y = draw(3, 5), draw(8, 5, seed=1), draw(8, 3, seed=2)
    block = (X @ W.mT - Y).mT @ X / 8
    virtual = torch.outer(W @ X.mean(0) - Y.mean(0), X.mean(0))
    residuals = X @ W.mT - Y
    covariance = (residuals - residuals.mean(0)).mT @ (X - X.mean(0)) / 8
    torch.testing.assert_close(block, virtual + covariance, **EXACT)


class ReLULayers(nn.Module):
    """A multi-layer perceptron without biases, whose activations are kept."""

    def __init__(self, widths: list[int], slope: float) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.weights = nn.ParameterList(torch.randn(q, p).double() / p**0.5 for p, q in pairwise(widths))
        self.slope = slope
        self.inputs: list[Tensor] = []
        self.slopes: list[Tensor] = []  # f' of each layer's outputs

    def forward(self, x: Tensor) -> Tensor:
        self.inputs, self.slopes = [], []
        for index, W in enumerate(self.weights):
            self.inputs.append(x)
            x = W @ x
            last = index == len(self.weights) - 1
            self.slopes.append(torch.where(x > 0, 1.0, 1.0 if last else self.slope).to(x.dtype))
            x = x * self.slopes[-1]
        return x


@pytest.mark.parametrize("slope", [0.0, 0.1])
def test_supplement_a_gradients_and_linear_form(slope: float) -> None:
    """S2, S3, S5–S9: backpropagation through ReLU, and the output as W_r W_l u for a fixed pattern of active units."""
    net, x, y = ReLULayers([6, 7, 5, 4], slope), draw(6), draw(4, seed=1)
    z = net(x)
    gradients = torch.autograd.grad((z - y).square().sum() / 2, list(net.weights))
    backward = (z - y).detach()  # ∇_z L, S3
    for index in reversed(range(3)):
        through = net.slopes[index] * backward
        torch.testing.assert_close(gradients[index], torch.outer(through, net.inputs[index].detach()), **EXACT)  # S6
        backward = (net.weights[index].mT @ through).detach()  # S5
        right = torch.diag(net.slopes[index])  # W_r, S9
        for later in range(index + 1, 3):
            right = torch.diag(net.slopes[later]) @ net.weights[later].detach() @ right
        torch.testing.assert_close(right @ net.weights[index] @ net.inputs[index], z, **EXACT)  # S8


def test_supplement_a_normal_equation_of_a_layer() -> None:
    """S14, S15 hold with a pseudo-inverse of u uᵀ, which has rank one, if no unit is off and the output is wide enough.

    W_rᵀ W_r has an inverse only then. In RT-MDNet, 512 units before 2 scores, half of them off, it has none.
    """
    net, x, y = ReLULayers([6, 4, 5], slope=0.1), draw(6), draw(5, seed=1)
    z = net(x)
    u, right = net.inputs[0], net.weights[1].detach() @ torch.diag(net.slopes[0])
    assert torch.linalg.matrix_rank(right) == 4
    backward = net.weights[1].detach().mT @ (z - y).detach()
    hidden = net.weights[0].detach() @ u
    target = hidden - torch.linalg.solve(right.mT @ right, net.slopes[0] * backward)  # y^{l+1}, S14
    W = torch.outer(target, u) @ torch.linalg.pinv(torch.outer(u, u))  # S15
    gradient = torch.outer(right.mT @ (right @ W @ u - y), u)  # S10, with the pattern of active units kept
    torch.testing.assert_close(gradient, torch.zeros_like(gradient), **EXACT)
    narrow = ReLULayers([6, 4, 2], slope=0.0)
    narrow(x)
    right = narrow.weights[1].detach() @ torch.diag(narrow.slopes[0])
    assert torch.linalg.matrix_rank(right.mT @ right) < 4


@given(seeds, st.integers(2, 6))
def test_supplement_b_both_losses_send_back_output_minus_label(seed: int, classes: int) -> None:
    z = draw(classes, seed=seed).requires_grad_()
    y = F.one_hot(torch.tensor(seed % classes), classes).double()
    (gradient,) = torch.autograd.grad(-(y * z.log_softmax(0)).sum(), z)
    torch.testing.assert_close(gradient, (z.softmax(0) - y).detach(), **EXACT)
    (gradient,) = torch.autograd.grad((z - y).square().sum() / 2, z)
    torch.testing.assert_close(gradient, (z - y).detach(), **EXACT)


@given(seeds, st.integers(2, 6))
def test_supplement_b_curvature_of_cross_entropy_is_below_that_of_squared_error(seed: int, classes: int) -> None:
    """Why the transplant is safe: P is the inverse of at least twice the curvature that cross-entropy has (Böhning)."""
    z = 3 * draw(classes, seed=seed)
    hessian = torch.autograd.functional.hessian(lambda scores: F.cross_entropy(scores[None], torch.tensor([0])), z)
    assert torch.linalg.eigvalsh(hessian)[-1] <= 0.5 + 1e-12


def test_supplement_b_p_knows_inputs_alone() -> None:
    """The last layer's P is the same with either loss and any labels; only the gradient that it multiplies differs."""
    inputs, matrices = draw(20, 8, 5), []
    for loss in (F.cross_entropy, lambda z, y: (z - F.one_hot(y, 3)).square().sum(1).mean() / 2):
        layer = nn.Linear(5, 3).double()
        optimizer = RLSSGD(layer, 0.1, 1.0)
        for index, x in enumerate(inputs):
            optimizer.zero_grad()
            loss(layer(x), torch.arange(8).add(index).remainder(3)).backward()
            optimizer.step()
        matrices.append(optimizer.layers[0].inverse_correlation.to_dense())
    torch.testing.assert_close(matrices[0], matrices[1], rtol=0, atol=0)


def test_a_step_is_eq_33() -> None:
    """W ← W − η ∇L P with P updated by the virtual input of the mini-batch (Eq. 33, 35; S20)."""
    layer = nn.Linear(5, 3, bias=False).double()
    W, P = layer.weight.detach().clone(), torch.eye(5, dtype=torch.float64) / 0.4
    optimizer = RLSSGD(layer, lr=0.2, delta=0.4)
    for seed in range(6):
        x, y = draw(9, 5, seed=seed), draw(9, 3, seed=seed + 50)
        optimizer.zero_grad()
        ((layer(x) - y).square().sum(1).mean() / 2).backward()
        optimizer.step()
        _, P = oracle.recursion_step(P, x.mean(0))
        W = W - 0.2 * ((x @ W.mT - y).mT @ x / 9) @ P
    torch.testing.assert_close(layer.weight.detach(), W, **EXACT)


def virtual_and_exact(X: Tensor, Y: Tensor, delta: float) -> tuple[Tensor, Tensor]:
    """Solutions of the virtual samples of blocks X (n, b, p), Y (n, b, q), and of all samples with weight 1/b."""
    b = X.shape[1]
    exact = oracle.normal_equations(X.flatten(0, 1) / b**0.5, Y.flatten(0, 1) / b**0.5, delta)
    return oracle.normal_equations(X.mean(1), Y.mean(1), delta), exact


def test_cost_of_the_virtual_input_grows_with_the_block() -> None:
    """Nothing for one sample a block; more with every doubling where inputs differ within a block."""
    X, W = draw(512, 8) + 0.5, draw(2, 8, seed=1)
    Y = X @ W.mT + 0.3 * draw(512, 2, seed=2)
    errors = []
    for b in (1, 4, 16, 64):
        virtual, exact = virtual_and_exact(X.reshape(-1, b, 8), Y.reshape(-1, b, 2), delta=0.5)
        errors.append(float((virtual - exact).norm() / exact.norm()))
    assert errors[0] <= 1e-12
    assert errors == sorted(errors)
    assert errors[-1] > 0.1


def test_virtual_input_is_exact_for_blocks_of_equal_inputs() -> None:
    x, Y = draw(20, 1, 8).expand(20, 6, 8), draw(20, 6, 2, seed=1)
    virtual, exact = virtual_and_exact(x, Y, delta=0.5)
    torch.testing.assert_close(virtual, exact, **EXACT)


def test_copies_of_a_model_learn_apart() -> None:
    net = nn.Linear(4, 2).double()
    optimizer = RLSSGD(net, 0.1, 1.0)
    twin, other = copy.deepcopy((net, optimizer))
    twin(draw(3, 4)).sum().backward()
    other.step()
    assert optimizer.layers[0].inverse_correlation.num_updates == 0
    assert other.layers[0].inverse_correlation.num_updates == 1


# Sketches of the scatter. n samples and positions with √γ x = v (n, p); their weighted Gram matrix is G = Vᵀ V / n.


def gram(V: Tensor) -> Tensor:
    return V.mT @ V / len(V)


def sketch_variance(V: Tensor) -> Tensor:
    """Of each entry of x xᵀ for x = Σ ω v / √n with random signs: G_aa G_bb + G_ab² − 2 Σ v_a² v_b² / n²."""
    G, n = gram(V), len(V)
    return torch.outer(G.diagonal(), G.diagonal()) + G.square() - 2 * V.square().mT @ V.square() / n**2


@given(seeds, st.integers(1, 8), st.integers(1, 4))
def test_signs_give_the_gram_matrix_and_its_variance(seed: int, n: int, p: int) -> None:
    """Over all 2ⁿ patterns of signs: not a sample of them."""
    V = draw(n, p, seed=seed)
    signs = torch.tensor(list(itertools.product([-1.0, 1.0], repeat=n)), dtype=torch.float64)
    x = signs @ V / n**0.5
    products = torch.einsum("sa,sb->sab", x, x)
    torch.testing.assert_close(products.mean(0), gram(V), **EXACT)
    torch.testing.assert_close(products.var(0, correction=0), sketch_variance(V), **EXACT)


@given(seeds)
def test_no_random_weights_have_less_variance_than_signs(seed: int) -> None:
    """Of mean 0 and variance 1: their fourth moment is at least that of signs, 1; three-valued ones for example."""
    V = draw(5, 3, seed=seed)
    values = (-(2**0.5), 0.0, 0.0, 2**0.5)  # variance 1, fourth moment 2
    weights = torch.tensor(list(itertools.product(values, repeat=5)), dtype=torch.float64)
    x = weights @ V / 5**0.5
    products = torch.einsum("sa,sb->sab", x, x)
    torch.testing.assert_close(products.mean(0), gram(V), **EXACT)
    assert (products.var(0, correction=0) >= sketch_variance(V) - 1e-12).all()


def test_rows_of_a_block_sketch_the_features_of_a_convolution() -> None:
    """As the trackers draw them: the mean over T blocks is within five standard errors, and its error is that large."""
    feat, root_gamma = draw(3, 2, 4, 4), draw(3, 4, 4, seed=1).abs()
    patches = F.unfold(feat, 3, padding=1).mT.reshape(-1, 18)  # (48, 18)
    V = root_gamma.reshape(-1, 1) * patches
    generator, blocks, k = torch.Generator().manual_seed(2), 500, 9
    G, variance, total = gram(V), sketch_variance(V), torch.zeros(18, 18, dtype=torch.float64)
    for _ in range(blocks):
        signs = random_signs(k - 1, root_gamma.shape, generator)
        rows, _ = conv_virtual_inputs_and_adjoint(feat, root_gamma, root_gamma, 3, signs=signs)
        torch.testing.assert_close(rows[0], V.sum(0) / len(V) ** 0.5)  # the paper's virtual input
        total += rows[1:].mT @ rows[1:]
    error = total / (blocks * (k - 1)) - G
    standard = (variance / (blocks * (k - 1))).sqrt()
    assert (error.abs() < 5 * standard).all()  # 171 entries: one chance in 10⁴
    # Σ (error / standard)² over the entries has mean 171 and, were they independent, the spread √(2 · 171) = 18.
    upper = torch.triu_indices(18, 18).unbind()
    assert 0.5 < ((error / standard)[upper].square().mean()) < 1.5


@given(seeds, st.integers(1, 12))
def test_the_virtual_input_is_never_more_than_the_block(seed: int, n: int) -> None:
    """x xᵀ ⪯ Σ v vᵀ (Cauchy–Schwarz), with equality for equal v: it is to n G what one sketch is to G."""
    V = draw(n, 4, seed=seed)
    x = V.sum(0) / n**0.5
    assert torch.linalg.eigvalsh(n * gram(V) - torch.outer(x, x))[0] > -1e-12 * n
    equal = V[:1].expand(n, 4)
    x = equal.sum(0) / n**0.5
    torch.testing.assert_close(torch.outer(x, x), n * gram(equal), **EXACT)
