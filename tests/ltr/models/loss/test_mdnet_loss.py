import math

import pytest
import torch

from ltr.models.loss.mdnet_loss import binary_classification_loss, instance_embedding_loss
from tests.shared_data import golden


def test_golden_value() -> None:
    case = golden("c10_rtmdnet.npz")
    loss = binary_classification_loss(case["loss_pos"], case["loss_neg"])
    torch.testing.assert_close(loss, case["loss"], rtol=1e-6, atol=0)  # float32, a mean of 128 terms of one sign


def test_sets_of_one_kind_are_allowed() -> None:
    logits, none = torch.tensor([[0.0, 2.0], [1.0, 1.0]]), torch.zeros(0, 2)
    positive, negative = binary_classification_loss(logits, none), binary_classification_loss(none, logits)
    torch.testing.assert_close(positive, (torch.tensor(-2.0).exp().log1p() + torch.tensor(2.0).log()) / 2)
    torch.testing.assert_close(negative, (torch.tensor(2.0).exp().log1p() + torch.tensor(2.0).log()) / 2)


def test_no_samples_are_an_error() -> None:
    with pytest.raises(ValueError, match="at least one sample"):
        binary_classification_loss(torch.zeros(0, 2), torch.zeros(0, 2))


def test_embedding_loss_is_the_log_share_of_the_own_domain() -> None:
    scores = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 2.0]])
    # -log(e / (e + 2)) and -log(1 / (e^2 + 2))
    expected = (math.log(math.e + 2) - 1 + math.log(math.e**2 + 2)) / 2
    assert instance_embedding_loss(scores, torch.tensor([0, 1])).item() == pytest.approx(expected)


def test_embedding_loss_without_targets_is_zero() -> None:
    assert instance_embedding_loss(torch.zeros(0, 5), torch.zeros(0, dtype=torch.long)).item() == 0


def test_gradients() -> None:
    positive, negative, scores = (torch.randn(3, n, dtype=torch.float64, requires_grad=True) for n in (2, 2, 5))
    domain = torch.tensor([4, 0, 2])
    assert torch.autograd.gradcheck(binary_classification_loss, (positive, negative))
    assert torch.autograd.gradcheck(lambda s: instance_embedding_loss(s, domain), scores)
