"""Winograd's minimal filtering (Lavin & Gray, CVPR 2016) for 3x3 convolutions of many channels on a CPU.

For the heads of DiMP-50: PyTorch and OpenVINO, whose library has this method for AVX512 alone, take twice as long on
the classifier's convolution and a quarter longer on those of the IoU-Net.

An m x m tile of the output needs (m + 2)² products per pair of channels in place of 9 m². The rest is small matrix
products: the transforms of tiles and outputs, and one large product per point of the transformed tile.
"""

from fractions import Fraction

import torch
from torch import Tensor, nn

KERNEL = 3
# Points at which the polynomials of each tile size are evaluated, infinity beside them. These keep the rounding errors
# of float32 at a few units in 10⁶ of the largest output, as those of a direct convolution of hundreds of channels.
POINTS = {
    2: (Fraction(0), Fraction(1), Fraction(-1)),
    3: (Fraction(0), Fraction(1), Fraction(-1), Fraction(2)),
    4: (Fraction(0), Fraction(1), Fraction(-1), Fraction(2), Fraction(-1, 2)),
}


# Reading a point of the kernel from memory takes as long as its product with so many tiles.
_TILES_PER_READ = 32


def cost(tile: int, height: int, width: int) -> int:
    """Products that a map takes with a tile size, in units of a pair of channels; the reading of the kernel as well."""
    return (-(-height // tile) * -(-width // tile) + _TILES_PER_READ) * (tile + KERNEL - 1) ** 2


def best_tile(height: int, width: int) -> int:
    """Tile size of the lowest cost for a map, the smaller one of equals."""
    return min(POINTS, key=lambda tile: (cost(tile, height, width), tile))


def transforms(tile: int) -> tuple[Tensor, Tensor, Tensor]:
    """One-dimensional transforms of the output (m, n), kernel (n, 3) and input (n, n) for n = m + 2, in float64."""
    points = [float(point) for point in POINTS[tile]]

    def values(count: int) -> Tensor:  # (n, count): powers of the points, and the leading coefficient for infinity
        rows = [[point**power for power in range(count)] for point in points]
        return torch.tensor([*rows, [0.0] * (count - 1) + [1.0]], dtype=torch.float64)

    size = tile + KERNEL - 1
    return values(tile).mT.contiguous(), values(KERNEL), torch.linalg.inv(values(size)).mT.contiguous()


def transform_kernel(weight: Tensor, tile: int) -> Tensor:  # (K, C, 3, 3) -> (n², C, K)
    """Kernel at the points of a tile."""
    _, kernel, _ = transforms(tile)
    points = torch.einsum("ai,kcij,bj->abck", kernel, weight.double(), kernel)
    return points.flatten(0, 1).to(weight.dtype).contiguous()


def winograd_conv3x3(
    x: Tensor,  # (N, C, H, W), fastest with the channels last in memory
    kernel: Tensor,  # (n², C, K) from `transform_kernel`
    bias: Tensor | None,  # (K,)
    tile: int,
) -> Tensor:  # (N, K, H, W) with the channels last in memory
    """Convolution of stride 1, padded by one."""
    batch, channels, height, width = x.shape
    rows, columns, size = -(-height // tile), -(-width // tile), tile + KERNEL - 1
    output, _, input = (matrix.to(x.dtype) for matrix in transforms_2d(tile))
    padded = x.new_empty(batch, rows * tile + 2, columns * tile + 2, channels)
    padded[:, 1 : height + 1, 1 : width + 1] = x.permute(0, 2, 3, 1)
    for border in (padded[:, :1], padded[:, height + 1 :], padded[:, :, :1], padded[:, :, width + 1 :]):
        border.zero_()
    image, row, column, _ = padded.stride()
    shape = (batch, rows, columns, size, size, channels)
    tiles = padded.as_strided(shape, (image, row * tile, column * tile, row, column, 1)).reshape(
        -1, size * size, channels
    )
    # Tile by tile, what the transform reads and writes stays in the cache.
    points = torch.bmm(input.expand(len(tiles), -1, -1), tiles)
    products = torch.bmm(points.transpose(0, 1), kernel)  # (n², tiles, K)
    if bias is not None:
        products[size + 1] += bias  # the point (1, 1), which every output takes once
    result = (output @ products.view(size * size, -1)).view(tile, tile, batch, rows, columns, -1)
    result = result.permute(2, 3, 0, 4, 1, 5).reshape(batch, rows * tile, columns * tile, -1)
    return result[:, :height, :width].permute(0, 3, 1, 2)


def transforms_2d(tile: int) -> tuple[Tensor, Tensor, Tensor]:
    """The transforms of both axes at once, for tiles flattened row by row: (m², n²), (n², 9), (n², n²)."""
    if tile not in _cache:
        output, kernel, input = transforms(tile)
        _cache[tile] = (torch.kron(output, output), torch.kron(kernel, kernel), torch.kron(input, input))
    return _cache[tile]


_cache: dict[int, tuple[Tensor, Tensor, Tensor]] = {}


NEARLY = 1.25  # how much more a tile may cost whose kernel is there: another one takes as much memory
FEWEST_CHANNELS = 128  # with fewer the transforms cost what the products save


class WinogradConv2d(nn.Module):
    """A frozen 3x3 convolution of stride 1, padded by one; kernels are made for the sizes of map that come."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.weight = nn.Parameter(conv.weight.detach(), requires_grad=False)
        self.bias = None if conv.bias is None else nn.Parameter(conv.bias.detach(), requires_grad=False)
        self.kernels: dict[int, Tensor] = {}  # by tile size

    @staticmethod
    def suits(conv: nn.Conv2d) -> bool:
        """Whether the method computes this convolution, and pays."""
        shape = (conv.kernel_size, conv.stride, conv.padding, conv.dilation, conv.groups, conv.padding_mode)
        many = min(conv.in_channels, conv.out_channels) >= FEWEST_CHANNELS
        return many and shape == ((3, 3), (1, 1), (1, 1), (1, 1), 1, "zeros") and conv.weight.dtype == torch.float32

    def forward(self, x: Tensor) -> Tensor:  # (N, C, H, W) -> (N, K, H, W)
        tile = self._tile(*x.shape[-2:])
        if tile not in self.kernels:
            self.kernels[tile] = transform_kernel(self.weight, tile)
        return winograd_conv3x3(x, self.kernels[tile], self.bias, tile)

    def _tile(self, height: int, width: int) -> int:
        """The best tile size, or one that is nearly as good and has its kernel."""
        best = best_tile(height, width)
        limit = NEARLY * cost(best, height, width)
        return next((tile for tile in self.kernels if cost(tile, height, width) <= limit), best)


def use_winograd(module: nn.Module) -> nn.Module:
    """The module with this method for the convolutions that it suits, in place."""
    if isinstance(module, nn.Conv2d):
        return WinogradConv2d(module) if WinogradConv2d.suits(module) else module
    for name, child in module.named_children():
        setattr(module, name, use_winograd(child))
    return module
