"""PrDiMP's loss: its derivatives by autograd, golden numbers, and every online optimizer on it."""

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor

from ltr.models.layers.filter import apply_filter
from ltr.models.target_classifier.kl_loss import KLLoss, LabelDensity
from ltr.models.target_classifier.optimizer import (
    BatchGradientDescent,
    PrDiMPSteepestDescentNewton,
    RLSBatchGradientDescent,
    RLSSteepestDescent,
)
from tests.ltr.models.target_classifier.test_optimizer import relative_to_max
from tests.shared_data import Golden, golden

PRDIMP: dict[str, Any] = {
    "init_step_length": 1.0,
    "init_filter_reg": 0.05,
    "min_filter_reg": 0.05,
    "gauss_sigma": 22 / 24,
    "alpha_eps": 0.05,
    "normalize_label": True,
}
SETTINGS = {
    "prdimp": PRDIMP,
    "reg": PRDIMP | {"softmax_reg": -2.0, "label_threshold": 0.01, "label_shrink": 0.05, "init_uni_weight": 0.02},
}
SAMPLES = 5


def problem(setting: str = "prdimp") -> tuple[PrDiMPSteepestDescentNewton, Tensor, Tensor, Tensor]:
    optimizer = PrDiMPSteepestDescentNewton(**SETTINGS[setting]).double()
    feat = torch.randn(SAMPLES, 4, 9, 9, dtype=torch.float64) / 8
    boxes = torch.tensor([[40.0, 50.0, 40.0, 30.0]], dtype=torch.float64)
    boxes = boxes + 10 * torch.rand(SAMPLES, 4, dtype=torch.float64)
    return optimizer, torch.randn(1, 4, 4, 4, dtype=torch.float64), feat, boxes


def loss_of(setting: str) -> tuple[KLLoss, Tensor]:
    """A loss, and the scores (5, 10, 10) of a filter that tells cells apart."""
    optimizer, filter, feat, boxes = problem(setting)
    loss = optimizer.loss(feat, boxes, 4, torch.rand(SAMPLES, dtype=torch.float64))
    return loss, 3 * loss.scores(filter)


def hessian(loss: KLLoss, scores: Tensor) -> Tensor:  # (N, M, M): the samples do not see each other
    whole = torch.func.hessian(lambda flat: loss.data_term(flat.view_as(scores)))(scores.flatten())
    blocks = whole.unflatten(0, (len(scores), -1)).unflatten(2, (len(scores), -1))
    return torch.stack([blocks[n, :, n] for n in range(len(scores))])


@pytest.mark.parametrize("setting", SETTINGS)
def test_gradient_is_the_derivative_of_the_divergence_and_half_the_decay(setting: str) -> None:
    optimizer, filter, feat, boxes = problem(setting)
    loss = optimizer.loss(feat, boxes, 4, torch.rand(SAMPLES, dtype=torch.float64))
    filter.requires_grad_(True)
    objective = loss.data_term(loss.scores(filter)) + loss.reg / 2 * filter.square().sum()
    (expected,) = torch.autograd.grad(objective, filter)
    gradient = loss.gradient(filter, loss.scores(filter))
    torch.testing.assert_close(gradient, expected)
    torch.testing.assert_close(loss.gradient_and_virtual_inputs(filter, loss.scores(filter))[0], expected)


@pytest.mark.parametrize("setting", SETTINGS)
def test_curvature_is_the_second_derivative(setting: str) -> None:
    loss, scores = loss_of(setting)
    change = torch.randn_like(scores)
    flat = change.flatten(1)
    expected = torch.einsum("ni,nij,nj->", flat, hessian(loss, scores), flat)
    torch.testing.assert_close(loss.curvature(scores, change), expected)


@pytest.mark.parametrize("setting", SETTINGS)
def test_effective_weight_is_the_diagonal_and_half_a_bound_of_the_second_derivative(setting: str) -> None:
    loss, scores = loss_of(setting)
    second = hessian(loss, scores)
    diagonal = loss.slope(scores).square().flatten(1)
    torch.testing.assert_close(diagonal, second.diagonal(dim1=1, dim2=2))
    assert float(torch.linalg.eigvalsh(second).min()) > -1e-12
    assert float(torch.linalg.eigvalsh(2 * torch.diag_embed(diagonal) - second).min()) > -1e-12
    assert float(torch.linalg.eigvalsh(torch.diag_embed(diagonal) - second).min()) < 0  # the 2 is needed


def test_a_change_that_all_cells_share_has_no_curvature() -> None:
    """The softmax does not see it; a cell of its own does, and rounding makes no curvature negative."""
    loss, scores = loss_of("prdimp")
    assert 0 <= float(loss.curvature(scores, torch.ones_like(scores))) < 1e-12
    loss, scores = loss_of("reg")
    assert float(loss.curvature(scores, torch.ones_like(scores))) > 1e-6


@pytest.mark.parametrize("score", [-1e4, 0.0, 1e4])
def test_scores_of_any_size(score: float) -> None:
    """float32 scores whose exponentials do not exist."""
    loss = KLLoss(
        torch.zeros(1, 1, 3, 3),
        torch.tensor(0.1),
        None,
        density=torch.full((1, 3, 3), 1 / 9),
        weight=torch.ones(1, 1, 1),
        softmax_reg=-2.0,
    )
    scores = torch.zeros(1, 3, 3)
    scores[0, 1, 1] = score
    for value in (loss.data_term(scores), loss.slope(scores), loss.curvature(scores, scores)):
        assert value.isfinite().all()
    assert float(loss.probability(scores).sum()) <= 1 + 1e-6


def test_density_sums_to_what_is_asked_for() -> None:
    center, size = torch.tensor([[4.2, 5.1], [0.0, 9.0], [40.0, 40.0]]), (10, 11)
    total = LabelDensity(sigma=0.9, normalize=True)(center, size).sum(dim=(1, 2))
    torch.testing.assert_close(total, torch.tensor([1.0, 1.0, 0.0]), atol=1e-6, rtol=0)  # the last is off the map
    total = LabelDensity(sigma=0.9, normalize=True, uniform=0.1, shrink=0.2)(center[:2], size).sum(dim=(1, 2))
    torch.testing.assert_close(total, torch.full((2,), 0.8))
    inside = LabelDensity(sigma=0.9)(center[:1], size)
    assert float(inside.sum()) == pytest.approx(1, abs=1e-2)  # a sum of cells in place of the Gaussian's integral
    cut = LabelDensity(sigma=0.9, threshold=0.05)(center[:1], size)
    assert torch.equal(cut, torch.where(inside > 0.05, inside, 0))


@pytest.mark.parametrize("setting", SETTINGS)
def test_losses_fall_and_belong_to_the_iterates(setting: str) -> None:
    optimizer, filter, feat, boxes = problem(setting)
    final, iterates, losses = optimizer(filter, feat=feat, bb=boxes, num_iter=6)
    assert len(iterates) == len(losses) == 7
    assert final is iterates[-1]
    assert all(later < earlier for earlier, later in itertools.pairwise(losses))
    loss = optimizer.loss(feat, boxes, 4)
    for iterate, value in zip(iterates, losses, strict=True):
        torch.testing.assert_close(loss.value(iterate, loss.scores(iterate)), value)


def test_step_is_newtons_along_the_gradient() -> None:
    """Without alpha_eps, the quotient of the first and second derivative of the objective on the line."""
    optimizer, filter, feat, boxes = problem()
    optimizer.alpha_eps = 0.0
    _, iterates, _ = optimizer(filter, feat=feat, bb=boxes, num_iter=1)
    loss = optimizer.loss(feat, boxes, 4)
    gradient = loss.gradient(filter, loss.scores(filter)).detach()

    def objective(step: Tensor) -> Tensor:
        moved = filter - step * gradient
        return loss.data_term(loss.scores(moved)) + loss.reg.detach() / 2 * moved.square().sum()

    zero = torch.zeros((), dtype=torch.float64)
    newton = -torch.func.grad(objective)(zero) / torch.func.hessian(objective)(zero)
    torch.testing.assert_close(iterates[1].detach(), filter - newton * gradient)


@pytest.mark.parametrize("num_iter", [1, 3])
def test_derivatives_of_the_unrolled_iterations(num_iter: int) -> None:
    """Offline training differentiates through them: features, first filter, step and regularization."""
    optimizer = PrDiMPSteepestDescentNewton(**PRDIMP | {"min_filter_reg": 0.01}).double()
    feat = torch.randn(2, 2, 4, 4, dtype=torch.float64, requires_grad=True)
    start = (0.1 * torch.randn(1, 2, 2, 2, dtype=torch.float64)).requires_grad_(True)
    boxes = torch.tensor([[20.0, 24, 20, 14], [22, 18, 26, 30]], dtype=torch.float64)
    names = [name for name, _ in optimizer.named_parameters()]

    def scores(start: Tensor, feat: Tensor, *values: Tensor) -> Tensor:
        learnt = dict(zip(names, values, strict=True))
        filter, _, _ = torch.func.functional_call(
            optimizer, learnt, (start,), {"feat": feat, "bb": boxes, "num_iter": num_iter, "compute_losses": False}
        )
        return apply_filter(feat, filter)

    assert names == ["log_step_length", "filter_reg"]
    assert torch.autograd.gradcheck(scores, (start, feat, *optimizer.parameters()))


@pytest.mark.parametrize("setting", SETTINGS)
def test_empty_memory_slots_change_nothing(setting: str) -> None:
    optimizer, filter, feat, boxes = problem(setting)
    weights = torch.rand(SAMPLES, dtype=torch.float64)
    padded = {
        "feat": torch.cat((feat, torch.zeros_like(feat))),
        "bb": torch.cat((boxes, torch.zeros_like(boxes))),
        "sample_weight": torch.cat((weights, torch.zeros_like(weights))),
    }
    for learner in (optimizer, RLSBatchGradientDescent(optimizer, 0.1, dtype=torch.float64)):
        expected, _, _ = learner(filter, feat=feat, bb=boxes, sample_weight=weights, num_iter=3)
        if isinstance(learner, RLSBatchGradientDescent):
            learner.reset()
        found, _, _ = learner(filter, num_iter=3, **padded)
        torch.testing.assert_close(found, expected)


def test_bgd_is_plain_gradient_descent() -> None:
    optimizer, filter, feat, boxes = problem("reg")
    found, _, _ = BatchGradientDescent(optimizer, 0.5, num_iter=3)(filter, feat=feat, bb=boxes)
    loss, expected = optimizer.loss(feat, boxes, 4), filter
    for _ in range(3):
        expected = expected - 0.5 * loss.gradient(expected, loss.scores(expected))
    torch.testing.assert_close(found, expected)


class DenseRLS:
    """What one update call does, written out from the patches and with the matrices of the formulas."""

    def __init__(self, setting: str, stride: int, feat: Tensor, weight: Tensor, density: Tensor) -> None:
        self.reg = 0.0 if setting == "prdimp" else torch.tensor(-2.0).double().exp()
        self.stride, self.density, self.weight = stride, density, weight[:, None, None]
        self.patches = torch.nn.functional.unfold(feat, 4, padding=2).unflatten(2, (10, 10))  # (5, 64, 10, 10)
        self.correlation = 0.1 * torch.eye(64, dtype=torch.float64)  # delta I + sum x xᵀ

    def update(self, filter: Tensor, num_iter: int, step_length: float | None) -> Tensor:
        f = filter.flatten()
        for iteration in range(num_iter):
            z = torch.einsum("ncij,c->nij", self.patches, f).exp()
            z = z / (z.sum(dim=(1, 2), keepdim=True) + self.reg)
            if iteration == 0:
                root = (self.weight * z * (1 - z)).sqrt()[:, :: self.stride, :: self.stride]
                x = torch.einsum("ncij,nij->c", self.patches[..., :: self.stride, :: self.stride], root)
                self.correlation += torch.outer(x, x) / root.numel()
            gradient = torch.einsum("ncij,nij->c", self.patches, self.weight * (z - self.density)) + 0.05**2 * f
            direction = torch.linalg.solve(self.correlation, gradient)
            step = self._newton(z, gradient, direction) if step_length is None else step_length
            f = f - step * direction
        return f.view_as(filter)

    def _newton(self, z: Tensor, gradient: Tensor, direction: Tensor) -> Tensor:
        second = torch.diag_embed(z.flatten(1)) - z.flatten(1)[:, :, None] * z.flatten(1)[:, None]
        change = torch.einsum("ncm,c->nm", self.patches.flatten(2), direction)
        curvature = torch.einsum("n,ni,nij,nj->", self.weight.flatten(), change, second, change)
        return gradient @ direction / (curvature + 0.05**2 * direction @ direction)


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("step_length", [0.05, None])
def test_rls_against_a_dense_matrix(setting: str, stride: int, step_length: float | None) -> None:
    """With a step length, and with the Gauss-Newton step; x is the mean of patches weighted by √(w z (1 - z))."""
    optimizer, start, feat, boxes = problem(setting)
    weight = torch.rand(SAMPLES, dtype=torch.float64)
    settings: dict[str, Any] = {"num_iter": 2, "dtype": torch.float64, "virtual_input_stride": stride}
    online: RLSBatchGradientDescent | RLSSteepestDescent = (
        RLSSteepestDescent(optimizer, **settings)
        if step_length is None
        else RLSBatchGradientDescent(optimizer, step_length, **settings)
    )
    dense = DenseRLS(setting, stride, feat, weight, optimizer.loss(feat, boxes, 4).density)
    expected = found = start
    for _ in range(3):
        expected = dense.update(expected, 2, step_length)
        found, _, _ = online(found, feat=feat, bb=boxes, sample_weight=weight)
        torch.testing.assert_close(found.detach(), expected.detach())


def test_weights_of_the_loss_and_delta_scale_together() -> None:
    """Γ times c with delta times c: P is P / c, the gradient c times its own, and the step of RLS the same."""
    optimizer, filter, feat, boxes = problem()
    with torch.no_grad():
        optimizer.filter_reg.zero_()
    optimizer.min_filter_reg = 0.0
    weight, found = torch.rand(SAMPLES, dtype=torch.float64), []
    for c in (1.0, 1 / 30):
        online = RLSBatchGradientDescent(optimizer, 0.05, delta=0.1 * c, dtype=torch.float64)
        updated, _, _ = online(filter, feat=feat, bb=boxes, sample_weight=c * weight)
        found.append(updated)
    torch.testing.assert_close(found[1], found[0])


class Case11:
    """Inputs of golden case 11, which are drawn in the precision that they are used in."""

    def __init__(self, dtype: torch.dtype) -> None:
        case = golden("c11_prdimp.npz")
        self.case: Golden = case
        self.suffix = "" if dtype == torch.float32 else "_f64"
        self.boxes, self.memory_boxes = (
            case.boxes(name, n, crop=352, dtype=dtype) for name, n in (("c11.boxes", 15), ("c11.membox", 20))
        )
        self.feat = case.features("c11", self.boxes, 64, crop=352)
        self.memory = case.features("c11.mem", self.memory_boxes, 64, crop=352)
        self.start = 0.05 * case.normal("c11.w0", (1, 64, 4, 4), dtype)
        weights = 0.02 + case.uniform("c11.sw", (20,), dtype)
        self.weights = weights / weights.sum()


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-4), (torch.float64, 1e-6)])
def test_golden_prdimp(setting: str, dtype: torch.dtype, tolerance: float) -> None:
    inputs = Case11(dtype)
    optimizer = PrDiMPSteepestDescentNewton(**SETTINGS[setting]).to(dtype)

    def error(found: Tensor, name: str) -> float:
        return relative_to_max(found, inputs.case[f"{setting}_{name}{inputs.suffix}"])

    filter, iterates, losses = optimizer(inputs.start, feat=inputs.feat, bb=inputs.boxes, num_iter=10)
    assert error(iterates[1], "iter1") < tolerance
    assert error(filter, "filter") < tolerance
    assert error(torch.stack(losses), "losses") < tolerance
    filter, _, losses = optimizer(
        inputs.start, feat=inputs.memory, bb=inputs.memory_boxes, sample_weight=inputs.weights, num_iter=2
    )
    assert error(filter, "online") < tolerance
    assert error(torch.stack(losses), "online_losses") < tolerance


@pytest.mark.parametrize("setting", SETTINGS)
def test_golden_density(setting: str) -> None:
    inputs = Case11(torch.float32)
    torch.testing.assert_close(inputs.boxes, inputs.case["boxes"], rtol=0, atol=1e-4)
    loss = PrDiMPSteepestDescentNewton(**SETTINGS[setting]).loss(inputs.feat[:3], inputs.boxes[:3], 4)
    assert relative_to_max(loss.density, inputs.case[f"{setting}_density"][:, 0]) < 1e-5
