"""Maps that depend on the distance to the target center only."""

import torch
from torch import Tensor, nn


def distance_to_center(
    center: Tensor,  # (N, 2) y, x in cells
    size: tuple[int, int],  # H, W
) -> Tensor:  # (N, H, W)
    """Euclidean distance, in cells, of every cell of a map to each center."""
    rows = torch.arange(size[0], dtype=center.dtype, device=center.device)
    columns = torch.arange(size[1], dtype=center.dtype, device=center.device)
    dy = rows[None, :, None] - center[:, 0, None, None]
    dx = columns[None, None, :] - center[:, 1, None, None]
    return (dy.square() + dx.square()).sqrt()


class RadialMap(nn.Module):
    """Learnt function of the distance: linear interpolation between bins, constant beyond the last one.

    It equals DiMP's distance map (hat functions) followed by a 1x1 convolution, whose weight it keeps in that shape,
    without forming the map of `num_bins` channels.
    """

    def __init__(self, bin_values: Tensor, bin_displacement: float) -> None:  # (num_bins,); cells between two bins
        super().__init__()
        self.weight = nn.Parameter(bin_values.reshape(1, -1, 1, 1).clone())
        self.bin_displacement = bin_displacement

    def forward(self, distance: Tensor) -> Tensor:  # cells, any shape -> same shape
        values = self.weight.flatten()
        last = len(values) - 1
        position = (distance / self.bin_displacement).clamp(max=last)
        lower = position.long().clamp(max=last - 1)
        return torch.lerp(values[lower], values[lower + 1], (position - lower).to(values.dtype))
