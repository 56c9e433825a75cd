"""Precise RoI pooling (Jiang et al., ECCV 2018): the exact mean of the bilinear surface over every bin of a box."""

import torch
from torch import Tensor, nn

from ltr.models.layers.hats import hat_integral


def prroi_pool2d(
    feat: Tensor,  # (B, C, H, W)
    rois: Tensor,  # (R, 5): batch index, x1, y1, x2, y2
    output_size: int | tuple[int, int],
    spatial_scale: float,
) -> Tensor:
    """Mean over each bin of each box, (R, C, h, w); differentiable any number of times in features and boxes.

    The samples of the map sit at the integer coordinates of `box * spatial_scale`; outside the map they are 0, and the
    bilinear surface falls to 0 within one cell. A box with x2 <= x1 or y2 <= y1 gives 0 and no gradient.

    The bilinear kernel is a product of two hats, so the integral is one small matrix per axis and box:
    output = rows @ feat @ columns^T, without a loop over bins or boxes.

    Raises:
        ValueError: a shape is not the stated one.
    """
    if feat.ndim != 4 or rois.ndim != 2 or rois.shape[1] != 5:
        raise ValueError(
            "Shape mismatch: expected feat (B, C, H, W) and rois (R, 5) = (batch index, x1, y1, x2, y2), "
            f"got {tuple(feat.shape)} and {tuple(rois.shape)}."
        )
    bins_y, bins_x = (output_size, output_size) if isinstance(output_size, int) else output_size
    batch, channels, height, width = feat.shape

    # The weight of a narrow bin is a small difference of integrals: float64 keeps its digits, and costs nothing here.
    edges = rois[:, 1:].double() * spatial_scale
    if (bins_y, height) == (bins_x, width):  # both axes at once: a few boxes cost the starts of the operations
        low, high = edges.view(-1, 2, 2).unbind(1)
        weights = _bin_weights(low.reshape(-1), high.reshape(-1), bins_x, width).to(feat.dtype)
        columns, rows = weights.view(-1, 2, bins_x, width).unbind(1)  # (R, w, W), (R, h, H)
    else:
        rows = _bin_weights(edges[:, 1], edges[:, 3], bins_y, height).to(feat.dtype)  # (R, h, H)
        columns = _bin_weights(edges[:, 0], edges[:, 2], bins_x, width).to(feat.dtype)  # (R, w, W)

    # With the channels last, both contractions are plain matrix products over contiguous memory.
    maps = feat.permute(0, 2, 3, 1).reshape(batch, height, width * channels)
    pooled = _rows_of_own_image(rows, maps, rois[:, 0].long())  # (R, h, W*C)
    pooled = columns[:, None] @ pooled.view(len(rois), bins_y, width, channels)  # (R, h, w, C)
    return pooled.permute(0, 3, 1, 2)


def boxes_to_rois(boxes: Tensor) -> Tensor:
    """Boxes (B, 4) or (B, n, 4) xywh of B images as RoIs (B*n, 5) = (batch index, x1, y1, x2, y2)."""
    boxes = boxes.reshape(len(boxes), -1, 4)
    corner, size = boxes[..., :2], boxes[..., 2:]
    image = torch.arange(len(boxes), dtype=boxes.dtype, device=boxes.device)[:, None, None].expand_as(corner[..., :1])
    return torch.cat((image, corner, corner + size), dim=2).reshape(-1, 5)


class PrRoIPool2D(nn.Module):
    """`prroi_pool2d` with a fixed output size and scale."""

    def __init__(self, pooled_height: int, pooled_width: int, spatial_scale: float) -> None:
        super().__init__()
        self.output_size = (pooled_height, pooled_width)
        self.spatial_scale = spatial_scale

    def forward(self, feat: Tensor, rois: Tensor) -> Tensor:
        return prroi_pool2d(feat, rois, self.output_size, self.spatial_scale)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}, spatial_scale={self.spatial_scale}"


def _bin_weights(
    low: Tensor,  # (R,)
    high: Tensor,  # (R,)
    bins: int,
    length: int,
) -> Tensor:
    """Mean of the hat function of every map cell over every bin of [low, high]: (R, bins, length)."""
    bin_size = ((high - low) / bins).view(-1, 1, 1)
    has_area = bin_size > 0
    steps = torch.arange(bins + 1, dtype=low.dtype, device=low.device).view(-1, 1)
    cells = torch.arange(length, dtype=low.dtype, device=low.device)
    integral = hat_integral(low.view(-1, 1, 1) + bin_size * steps - cells)  # (R, bins + 1, length)
    # The divisor is made harmless first: a quotient that `where` discards would still send NaN to its gradient.
    mean = integral.diff(dim=1) / torch.where(has_area, bin_size, torch.ones_like(bin_size))
    return torch.where(has_area, mean, torch.zeros_like(mean))


def _rows_of_own_image(
    rows: Tensor,  # (R, h, H)
    maps: Tensor,  # (B, H, K)
    image: Tensor,  # (R,) integer
) -> Tensor:
    """Product of every RoI's row weights with the map of its own image: (R, h, K).

    The RoIs are dealt into one table per image, so that no map is copied for each of its RoIs.
    """
    if len(maps) == 1:
        return (rows.flatten(0, 1) @ maps[0]).view(*rows.shape[:2], maps.shape[2])
    counts = image.bincount(minlength=len(maps))
    order = image.argsort(stable=True)
    slot = torch.empty_like(image)
    slot[order] = torch.arange(len(image), device=image.device) - (counts.cumsum(0) - counts)[image[order]]
    slots = int(counts.max())
    table = rows.new_zeros(len(maps), slots, *rows.shape[1:]).index_put((image, slot), rows)
    pooled = table.flatten(1, 2) @ maps  # (B, slots * h, K)
    return pooled.view(len(maps), slots, rows.shape[1], maps.shape[2])[image, slot]
