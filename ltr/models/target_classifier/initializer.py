"""First guess of the target filter."""

import torch
from torch import Tensor, nn

from ltr.models.layers.prroi_pool import PrRoIPool2D, boxes_to_rois


class FilterPool(nn.Module):
    """Pools the target's region to the size of the filter."""

    def __init__(self, filter_size: int, feature_stride: int) -> None:
        super().__init__()
        self.prroi_pool = PrRoIPool2D(filter_size, filter_size, 1 / feature_stride)

    def forward(self, feat: Tensor, bb: Tensor) -> Tensor:  # (N, C, H, W), (N, 4) -> (N, C, k, k)
        return self.prroi_pool(feat, boxes_to_rois(bb))


class FilterInitializerLinear(nn.Module):
    """DiMP's initializer: a convolution, pooled over the target box and averaged over the samples."""

    def __init__(
        self,
        filter_size: int = 4,
        feature_dim: int = 256,
        feature_stride: int = 16,  # pixels per cell
        conv_ksz: int = 3,
    ) -> None:
        super().__init__()
        self.filter_conv = nn.Conv2d(feature_dim, feature_dim, conv_ksz, padding=conv_ksz // 2)
        self.filter_pool = FilterPool(filter_size, feature_stride)
        nn.init.kaiming_normal_(self.filter_conv.weight, mode="fan_out", nonlinearity="relu")
        nn.init.zeros_(self.filter_conv.bias)  # type: ignore[arg-type]

    def forward(
        self,
        feat: Tensor,  # (N, C, H, W)
        bb: Tensor,  # (N, 4) target boxes xywh in crop pixels
    ) -> Tensor:  # (1, C, k, k)
        return self.filter_pool(self.filter_conv(feat), bb).mean(dim=0, keepdim=True)


class FilterInitializerZero(nn.Module):
    """A filter of zeros: the optimizer alone makes the filter, and nothing has to be learnt offline."""

    def __init__(self, filter_size: int = 4) -> None:
        super().__init__()
        self.filter_size = filter_size

    def forward(self, feat: Tensor, bb: Tensor) -> Tensor:  # (N, C, H, W), (N, 4) -> (1, C, k, k)
        return torch.zeros(1, feat.shape[1], self.filter_size, self.filter_size, dtype=feat.dtype, device=feat.device)
