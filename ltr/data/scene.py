"""Scenes: the part of an image that holds all boxes of interest, scaled so that the target has the network's size."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ltr.common.transfer import upload
from ltr.common.types import Array, Image
from ltr.models.layers.adaptive_roi_align import plain_taps

PADDING = 0.1  # of its size, by which a box is enlarged on each side
LARGEST_SCENE = 1024  # pixels a side: long thin targets would ask for more


@dataclass(frozen=True)
class Scene:
    box: Array  # (4,) x, y, w, h of the part of the image
    size: tuple[int, int]  # w, h in scene pixels
    scale: Array  # (2,) scene pixels per image pixel, along x and y


def rois_in_scene(
    boxes: Tensor,  # (n, 4) x, y, w, h, image pixels
    corner: Tensor,  # (2,) or (n, 2) x, y of the scene
    scale: Tensor,  # (2,) or (n, 2) scene pixels per image pixel
) -> Tensor:  # (n, 4) x1, y1, x2, y2, scene pixels
    """Boxes enlarged by a part of their size on each side, in the scene."""
    margin = boxes[:, 2:] * PADDING
    near, far = boxes[:, :2] - margin, boxes[:, :2] + boxes[:, 2:] + margin
    return torch.cat(((near - corner) * scale, (far - corner) * scale), dim=1)


def scene_around(
    boxes: Tensor,  # (n, 4) x, y, w, h
    target_sz: Array,  # (2,) w, h
    image_sz: tuple[int, int],  # h, w
    target_size: int,  # scene pixels a side that the target gets
    multiple: int = 1,  # of which the scene's sides are multiples
    zoom: float = 1.0,
    shift: tuple[float, float] = (0.0, 0.0),  # x, y by which the scene is moved, image pixels
) -> Scene:
    """The scene of all padded boxes."""
    extent = np.array(image_sz[::-1], float)
    margin = boxes[:, 2:] * PADDING
    near = (boxes[:, :2] - margin).min(dim=0).values.numpy()
    far = (boxes[:, :2] + boxes[:, 2:] + margin).max(dim=0).values.numpy()
    near, far = np.minimum(near, extent - 1), np.maximum(far, 1.0)  # where it leaves the image altogether
    return scene_of(near + np.array(shift), far - near, target_sz, target_size, multiple, zoom)


def scene_of(
    corner: Array,  # (2,) x, y
    extent: Array,  # (2,) w, h in image pixels
    target_sz: Array,  # (2,) w, h
    target_size: int,
    multiple: int = 1,
    zoom: float = 1.0,
) -> Scene:
    """The scene of a part of the image; its far sides move outwards to reach whole multiples."""
    scale = np.minimum(zoom * target_size / target_sz, LARGEST_SCENE / extent)
    # The smallest scene is a target's: networks without padding need a few cells.
    wanted = np.maximum((extent * scale).astype(int), target_size)
    size = -(-wanted // multiple) * multiple
    return Scene(np.concatenate((corner, extent * size / wanted)), (int(size[0]), int(size[1])), scale)


def crop(
    image: Image,  # (H, W, 3)
    boxes: Array,  # (B, 4) x, y, w, h
    size: tuple[int, int],  # w, h of each crop
    device: torch.device | str = "cpu",
) -> Tensor:  # (B, 3, h, w) float, 0 outside of the image
    """Parts of an image, resampled by RT-MDNet's plain RoIAlign: the last point lies one pixel behind the box."""
    x, y, w, h = torch.from_numpy(boxes).float().unbind(1)
    rows, row_weights = plain_taps(y, y + h, size[1], image.shape[0])  # (B, h, 2)
    columns, column_weights = plain_taps(x, x + w, size[0], image.shape[1])
    top, bottom, left, right = int(rows.min()), int(rows.max()) + 1, int(columns.min()), int(columns.max()) + 1
    part = upload(torch.from_numpy(np.ascontiguousarray(image[top:bottom, left:right])), device)
    on_device = [upload(taps, device) for taps in (rows - top, row_weights, columns - left, column_weights)]
    lines = _mixed(part.permute(2, 0, 1).float(), on_device[0][None], on_device[1])
    return _mixed_columns(lines, *on_device[2:])


def _mixed(part: Tensor, rows: Tensor, weights: Tensor) -> Tensor:  # (3, H, W), (1, B, h, 2) -> (B, 3, h, W)
    near, far = (part[:, rows[0, :, :, tap]] * weights[:, :, tap, None] for tap in (0, 1))
    return (near + far).permute(1, 0, 2, 3)


def _mixed_columns(lines: Tensor, columns: Tensor, weights: Tensor) -> Tensor:  # (B, 3, h, W) -> (B, 3, h, w)
    shape = (*lines.shape[:3], columns.shape[1])
    near, far = (
        lines.gather(3, columns[:, None, None, :, tap].expand(shape)) * weights[:, None, None, :, tap] for tap in (0, 1)
    )
    return near + far
