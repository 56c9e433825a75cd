import pytest
import torch
from torch import nn

from ltr.models.layers.normalization import InstanceL2Norm
from ltr.models.target_classifier.features import residual_basic_block, residual_bottleneck


def test_dimp50_head_is_one_convolution_and_the_norm() -> None:
    head = residual_bottleneck(256, num_blocks=0, final_conv=True, out_dim=512, norm_scale=0.01)
    assert {key: tuple(value.shape) for key, value in head.state_dict().items()} == {"0.weight": (512, 1024, 3, 3)}
    x = torch.randn(2, 1024, 4, 4)
    torch.testing.assert_close(head(x), InstanceL2Norm(scale=0.01)(head[0](x)))


def test_dimp18_head_has_a_basic_block_first() -> None:
    head = residual_basic_block(256, num_blocks=1, final_conv=True).eval()
    assert type(head[0]).__name__ == "BasicBlock"
    assert isinstance(head[1], nn.Conv2d)
    assert head[1].bias is None
    assert head(torch.randn(1, 256, 4, 4)).shape == (1, 256, 4, 4)


def test_bottleneck_blocks_keep_the_channels() -> None:
    head = residual_bottleneck(8, num_blocks=2, l2norm=False).eval()
    assert head(torch.randn(1, 32, 4, 4)).shape == (1, 32, 4, 4)


def test_channels_cannot_change_without_a_convolution() -> None:
    with pytest.raises(ValueError, match="keep 112 channels, got out_dim=256"):
        residual_basic_block(112, num_blocks=0, out_dim=256)
