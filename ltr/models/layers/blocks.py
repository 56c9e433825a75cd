"""Small blocks of layers: convolution or linear map, batch norm, ReLU."""

from torch import Tensor, nn


def conv_block(in_planes: int, out_planes: int, kernel_size: int = 3, padding: int = 1) -> nn.Sequential:
    """Convolution with bias, batch norm, ReLU."""
    return nn.Sequential(
        nn.Conv2d(in_planes, out_planes, kernel_size, padding=padding),
        nn.BatchNorm2d(out_planes),
        nn.ReLU(inplace=True),
    )


class LinearBlock(nn.Module):
    """Flattened features (N, in_planes, k, k) -> linear map, batch norm, ReLU -> (N, out_planes)."""

    def __init__(self, in_planes: int, out_planes: int, input_size: int) -> None:
        super().__init__()
        self.linear = nn.Linear(in_planes * input_size**2, out_planes)
        self.bn = nn.BatchNorm1d(out_planes)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.bn(self.linear(x.flatten(1))))
