from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from ltr.inference.iou_gradient import IoUGradient
from ltr.models.tracking.dimpnet import dimpnet50
from pytracking.tracker.dimp.box_refinement import draw_jitter, propose_boxes, refine_boxes, select_box
from pytracking.tracker.dimp.state import trusted_share
from tests.shared_data import fill_by_recipe, golden

TARGET = torch.tensor([100.0, 80.0, 60.0, 40.0])


def closeness(boxes: Tensor) -> Tensor:
    """Stands in for a predicted IoU: highest, 1, at TARGET."""
    scale = torch.tensor([60.0, 40.0, 60.0, 40.0])
    return 1 - ((boxes - TARGET) / scale).square().sum(dim=1)


def autograd_gradient(predict_iou: Callable[[Tensor], Tensor]) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
    def predict(boxes: Tensor) -> tuple[Tensor, Tensor]:
        variable = boxes.detach().requires_grad_(True)
        iou = predict_iou(variable)
        (gradient,) = torch.autograd.grad(iou.sum(), variable)
        return iou.detach(), gradient

    return predict


@pytest.mark.parametrize(("space", "step"), [("default", 10.0), ("relative", 0.1)])
def test_ascent_reaches_the_best_box(space: str, step: float) -> None:
    start = TARGET + torch.tensor([[6.0, -4.0, -5.0, 3.0], [-3.0, 3.0, 4.0, 4.0]])
    boxes, iou = refine_boxes(autograd_gradient(closeness), start, space, 60, step, 1.0)
    torch.testing.assert_close(boxes, TARGET.expand(2, 4), rtol=0, atol=0.5)
    assert (iou > closeness(start)).all()


def test_iou_is_the_one_before_the_last_step() -> None:
    start = (TARGET + 5)[None]
    boxes, iou = refine_boxes(autograd_gradient(closeness), start, "default", 1, 1.0, 1.0)
    torch.testing.assert_close(iou, closeness(start))
    assert not torch.equal(boxes, start)


def test_no_iterations_rank_the_proposals() -> None:
    start = torch.stack((TARGET, TARGET + 3))
    boxes, iou = refine_boxes(autograd_gradient(closeness), start, "default", 0, 1.0, 1.0)
    assert boxes is start
    torch.testing.assert_close(iou, closeness(start))


def test_proposals_begin_with_the_box_and_stay_in_range() -> None:
    jitter = draw_jitter(500, torch.Generator().manual_seed(1))
    boxes = propose_boxes(TARGET, jitter, 0.1, 0.5)
    assert torch.equal(boxes[0], TARGET)
    side = (60 * 40) ** 0.5
    center = boxes[:, :2] + boxes[:, 2:] / 2 - torch.tensor([130.0, 100.0])
    assert center.abs().max() <= 0.05 * side + 1e-4
    assert (boxes[:, 2:] - TARGET[2:]).abs().max() <= 0.25 * side + 1e-4
    assert boxes[:, 2:].min() >= 40 / 3
    assert torch.equal(jitter, draw_jitter(500, torch.Generator().manual_seed(1)))
    assert propose_boxes(TARGET, draw_jitter(0, torch.Generator()), 0.1, 0.5).tolist() == [TARGET.tolist()]


def test_proposals_of_several_targets_are_those_of_each() -> None:
    targets = torch.stack((TARGET, TARGET + 5))
    jitter = draw_jitter(8, torch.Generator().manual_seed(1)).view(2, 4, 4)
    together = propose_boxes(targets, jitter, 0.1, 0.5)
    for target, own, boxes in zip(targets, jitter, together, strict=True):
        assert torch.equal(boxes, propose_boxes(target, own, 0.1, 0.5))


def test_selection_averages_the_best_of_sound_shape() -> None:
    boxes = torch.tensor([[0.0, 0, 10, 10], [2, 2, 12, 12], [9, 9, 99, 9], [50, 50, 10, 10], [0, 0, float("nan"), 9]])
    iou = torch.tensor([0.8, 0.6, 0.95, 0.1, 0.9])
    box, is_sound = select_box(boxes, iou, k=2, maximal_aspect_ratio=6)
    assert is_sound
    assert box.tolist() == [1, 1, 11, 11]
    # Of fewer than k sound boxes the mean is that of those.
    assert select_box(boxes[[2, 0, 4, 1]], iou[[2, 0, 4, 1]], 3, 6)[0].tolist() == [1, 1, 11, 11]
    assert not select_box(boxes[2:3], torch.ones(1), 3, 6)[1]
    tiny, is_sound = select_box(torch.tensor([[5.0, 5, 0.2, -3]]), torch.ones(1), 3, 6)
    assert is_sound
    assert tiny.tolist() == [5, 5, 1, 1]


def test_boxes_of_several_targets_are_selected_apart() -> None:
    generator = torch.Generator().manual_seed(0)
    boxes, iou = 100 * torch.rand(5, 9, 4, generator=generator), torch.rand(5, 9, generator=generator)
    boxes[3, :, 2] = 1e4
    together, are_sound = select_box(boxes, iou, 3, 3.0)
    assert are_sound.tolist() == [True, True, True, False, True]
    for run in (0, 1, 2, 4):
        sides = boxes[run, :, 2:].clamp(min=1)
        aspect = sides[:, 0] / sides[:, 1]
        keep = (aspect < 3) & (aspect > 1 / 3)
        best = iou[run, keep].topk(min(3, int(keep.sum()))).indices
        expected = torch.cat((boxes[run, :, :2], sides), dim=1)[keep][best].mean(dim=0)
        torch.testing.assert_close(together[run], expected)


def test_golden_refinement() -> None:
    case = golden("c06_iounet.npz")
    net = dimpnet50().eval().requires_grad_(False)
    net.load_state_dict(fill_by_recipe(net.state_dict(), case))

    def features(which: str) -> list[Tensor]:
        shapes = (("2", (1, 512, 36, 36)), ("3", (1, 1024, 18, 18)))
        return [0.2 * case.normal(f"c06.{which}{i}", shape) for i, shape in shapes]

    regressor = net.bb_regressor
    modulation = regressor.get_modulation(features("ref"), case["target_box"].float())
    iou_features = regressor.get_iou_feat(features("test"))

    def predict(boxes: Tensor) -> Tensor:
        iou: Tensor = regressor.predict_iou(modulation, iou_features, boxes[None])[0]
        return iou

    closed = IoUGradient(regressor)

    def closed_form(boxes: Tensor) -> tuple[Tensor, Tensor]:
        iou, gradient = closed(modulation, iou_features, boxes[None])
        return iou[0], gradient[0]

    proposals = case["proposals"].float()
    for key, space, count in (
        ("ref_a", "default", 10),
        ("ref_b", "default", 10),
        ("rel_a", "relative", 9),
        ("rel_b", "relative", 9),
    ):
        step, decay = case[f"{key}_param"].tolist()
        for form in (closed_form, autograd_gradient(predict)):
            boxes, iou = refine_boxes(form, proposals[:count], space, 5, step, decay)
            expected_boxes = case[f"{key}_boxes_f64"] if f"{key}_boxes_f64" in case else case[f"{key}_boxes"]
            torch.testing.assert_close(boxes.double(), expected_boxes.double(), rtol=0, atol=2e-3)
            expected_iou = case[f"{key}_iou"].double()
            assert (iou - expected_iou).abs().max() <= 1e-4 * expected_iou.abs().max()


def test_share_of_a_refined_box_grows_with_the_score() -> None:
    assert trusted_share(0.1, None) == 1.0
    assert trusted_share(1.2, 1.0) == 1.0
    assert trusted_share(-0.1, 1.0) == 0.0
    assert trusted_share(0.4, 0.8) == pytest.approx(0.25)


def log_density(boxes: Tensor) -> Tensor:
    """Unnormalized, as SuperDiMP's regressor: normal in center over size and log size, of PrDiMP's deviation .05."""
    size = TARGET[2:]
    center = (boxes[:, :2] + boxes[:, 2:] / 2 - TARGET[:2] - size / 2) / size
    return 370 - torch.cat((center, (boxes[:, 2:] / size).log()), dim=1).square().sum(dim=1) / (2 * 0.05**2)


def test_a_log_density_is_climbed_in_its_own_parameters() -> None:
    """The published step, 2.5e-3, is the square of the deviation: one step goes to the top, whatever the values are."""
    start = torch.cat((TARGET[None], TARGET + torch.tensor([[6.0, -4.0, -5.0, 3.0], [-9.0, 7.0, 14.0, 9.0]])))
    boxes, density = refine_boxes(autograd_gradient(log_density), start, "relative", 1, 2.5e-3, 1.0)
    torch.testing.assert_close(boxes, TARGET.expand(3, 4), rtol=0, atol=1e-2)
    assert float(density[0]) == pytest.approx(370)  # of the boxes before the step
    assert float(density[2]) < 350


@pytest.mark.parametrize("offset", [-1000.0, 0.0, 1000.0])
def test_the_best_boxes_do_not_depend_on_the_range_of_the_prediction(offset: float) -> None:
    boxes = TARGET + torch.tensor([[0.0, 0, 0, 0], [2.0, 0, 0, 0], [0.0, 4, 0, 0], [0.0, 0, 500, 0]])
    prediction = offset + torch.tensor([-30.0, 12.0, 8.0, 400.0])  # the last one is too elongated
    best, is_sound = select_box(boxes, prediction, 2, 6.0)
    assert bool(is_sound)
    torch.testing.assert_close(best, TARGET + torch.tensor([1.0, 2, 0, 0]))
