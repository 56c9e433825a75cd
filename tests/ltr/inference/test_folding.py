import copy

import pytest
import torch
from torch import nn

from ltr.inference.folding import fold_batch_norms
from ltr.models.layers.blocks import LinearBlock, conv_block
from tests.ltr.models.networks import random_statistics


def test_folded_copy_computes_the_same() -> None:
    network = nn.Sequential(
        conv_block(3, 8),
        nn.Sequential(nn.Conv2d(8, 8, 3, groups=8, bias=False), nn.BatchNorm2d(8, eps=1e-3)),
        LinearBlock(8, 4, 4),
    )
    x = torch.randn(2, 3, 6, 6)
    random_statistics(network)
    before = copy.deepcopy(network.state_dict())
    folded = fold_batch_norms(network)
    torch.testing.assert_close(folded(x), network(x), rtol=1e-4, atol=1e-5)  # some roundings of float32
    assert not any(isinstance(m, nn.BatchNorm2d | nn.BatchNorm1d) for m in folded.modules())
    assert not any(p.requires_grad for p in folded.parameters())
    assert all(p.requires_grad for p in network.parameters())
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())


def test_batch_norm_behind_something_else_stays() -> None:
    network = random_statistics(nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.BatchNorm2d(4)))
    folded = fold_batch_norms(network)
    x = torch.randn(2, 3, 5, 5)
    assert isinstance(folded[2], nn.BatchNorm2d)
    assert torch.equal(folded(x), network(x))


def test_training_mode_is_refused() -> None:
    with pytest.raises(ValueError, match=r"call \.eval\(\) first"):
        fold_batch_norms(conv_block(3, 4).train())
