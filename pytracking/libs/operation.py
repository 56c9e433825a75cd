"""Convolutions of tensors or TensorLists."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from pytracking.libs.tensorlist import tensor_operation


@tensor_operation
def conv2d(
    input: Tensor,  # (N, C, H, W)
    weight: Tensor,  # (K, C, h, w)
    bias: Tensor | None = None,
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] = 0,
    dilation: int | tuple[int, int] = 1,
    groups: int = 1,
    mode: str | None = None,
) -> Tensor:
    """Convolution; modes 'valid', 'same' and 'full' give the padding of these names, in place of `padding`.

    'same' pads half of the kernel before the image, so that the output of an even kernel leaves out what lies behind.
    Raises ValueError for another mode, and for a mode and a padding together.
    """
    if mode is None:
        return F.conv2d(input, weight, bias, stride, padding, dilation, groups)
    h, w = weight.shape[2:]
    margins = {"valid": (0, 0), "same": (h // 2, w // 2), "full": (h - 1, w - 1)}
    if mode not in margins:
        raise ValueError(f"expected mode 'valid', 'same' or 'full', found {mode!r}")
    if padding != 0:
        raise ValueError(f"expected either a mode or a padding, found mode {mode!r} and padding {padding}")
    output = F.conv2d(input, weight, bias, stride, margins[mode], dilation, groups)
    if mode == "same":
        output = output[:, :, : output.shape[2] - (h + 1) % 2, : output.shape[3] - (w + 1) % 2]
    return output


@tensor_operation
def conv1x1(input: Tensor, weight: Tensor | None) -> Tensor:  # (N, C, H, W), (K, C, 1, 1) -> (N, K, H, W)
    """Convolution with a kernel of one pixel; without a weight, the input."""
    return input if weight is None else F.conv2d(input, weight)
