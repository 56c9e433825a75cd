import pytest
import torch

from ltr.models.loss.target_classification import lb_hinge


def test_hand_computed_value() -> None:
    label = torch.tensor([[1.0, 0.5, 0.05], [0.04, 0.0, 0.0]])
    scores = torch.tensor([[0.8, 0.75, 0.25], [0.5, -3.0, 0.0]])
    # residuals: -0.2, 0.25 and 0.2 on the target; 0.5 - the label does not count -, 0 for the negative score, 0
    assert lb_hinge(scores, label, 0.05).item() == pytest.approx((0.04 + 0.0625 + 0.04 + 0.25) / 6)


def test_scores_below_zero_are_free_in_the_background_only() -> None:
    label = torch.tensor([0.0, 1.0])
    scores = torch.tensor([-1.0, -1.0], requires_grad=True)
    lb_hinge(scores, label, 0.05).backward()
    assert scores.grad is not None
    assert scores.grad.tolist() == [0.0, -2.0]  # 2 (s - y) / 2 of the target


def test_gradient() -> None:
    label = torch.rand(4, 5, dtype=torch.float64)
    scores = torch.randn(4, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda s: lb_hinge(s, label, 0.3), scores)


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match=r"19, 19.*18, 18"):
        lb_hinge(torch.zeros(1, 19, 19), torch.zeros(1, 18, 18), 0.05)
