import pytest
import torch
import torch.nn.functional as F

from ltr.models.layers.filter import apply_feat_transpose, apply_filter


@pytest.mark.parametrize(("filter_size", "height", "width"), [(4, 18, 18), (4, 7, 11), (3, 9, 9), (1, 5, 4), (5, 6, 6)])
def test_apply_filter_is_zero_padded_correlation(filter_size: int, height: int, width: int) -> None:
    feat = torch.randn(3, 6, height, width, dtype=torch.float64)
    filter = torch.randn(1, 6, filter_size, filter_size, dtype=torch.float64)
    expected = F.conv2d(feat, filter, padding=filter_size // 2)[:, 0]
    torch.testing.assert_close(apply_filter(feat, filter), expected)


@pytest.mark.parametrize("filter_size", [1, 3, 4, 5])
def test_feat_transpose_is_the_adjoint(filter_size: int) -> None:
    feat = torch.randn(3, 6, 9, 8, dtype=torch.float64)
    filter = torch.randn(1, 6, filter_size, filter_size, dtype=torch.float64)
    scores = apply_filter(feat, filter)
    residual = torch.randn_like(scores)
    adjoint = apply_feat_transpose(feat, residual, filter_size)
    assert adjoint.shape == filter.shape
    torch.testing.assert_close((scores * residual).sum(), (adjoint * filter).sum())


def test_gradients_flow_to_features_and_filter() -> None:
    feat = torch.randn(2, 2, 5, 5, dtype=torch.float64, requires_grad=True)
    filter = torch.randn(1, 2, 4, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(apply_filter, (feat, filter))


def test_channels_last_features_give_the_same_scores() -> None:
    feat, filter = torch.randn(2, 8, 6, 6), torch.randn(1, 8, 4, 4)
    last = feat.to(memory_format=torch.channels_last)
    torch.testing.assert_close(apply_filter(last, filter), apply_filter(feat, filter))
