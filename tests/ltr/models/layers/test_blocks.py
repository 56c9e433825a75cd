import torch
import torch.nn.functional as F

from ltr.models.layers.blocks import LinearBlock, conv_block


def test_linear_block_normalizes_the_linear_output() -> None:
    block = LinearBlock(3, 5, 2).eval()
    block.bn.running_mean.uniform_()
    block.bn.running_var.uniform_(0.5, 1.5)
    x = torch.randn(4, 3, 2, 2)
    linear = x.reshape(4, 12) @ block.linear.weight.T + block.linear.bias
    expected = F.relu((linear - block.bn.running_mean) / (block.bn.running_var + 1e-5).sqrt())
    torch.testing.assert_close(block(x), expected)
    assert {key.split(".")[0] for key in block.state_dict()} == {"linear", "bn"}


def test_conv_block_layers_and_sizes() -> None:
    x = torch.randn(2, 3, 5, 5)
    assert conv_block(3, 7)(x).shape == (2, 7, 5, 5)
    assert conv_block(3, 7, padding=0)(x).shape == (2, 7, 3, 3)
    assert conv_block(3, 7, kernel_size=1, padding=0)(x).shape == (2, 7, 5, 5)
    assert "0.bias" in conv_block(3, 7).state_dict()
