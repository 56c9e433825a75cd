"""Label maps of the target classifier."""

import numpy as np

from ltr.common.types import Array


def gaussian_labels(
    boxes: Array,  # (n, 4) x, y, w, h in crop pixels
    sigma: float,  # cells
    feature_size: int,  # cells a side of the feature map
    kernel_size: int,  # cells a side of the target filter
    image_size: int,  # pixels a side of the crop
) -> Array:  # (n, s, s) float32, s = feature_size + 1 for even kernels, else feature_size
    """Gaussians of height 1 around the centers of boxes, where the target filter should respond.

    The center in cells is that of the box over the stride, less half a cell for odd kernels: as in the filter
    optimizer, so that both ask for the same response.
    """
    cells = np.arange(feature_size + (kernel_size + 1) % 2)
    center = (boxes[:, :2] + boxes[:, 2:] / 2) * (feature_size / image_size) - (kernel_size % 2) / 2
    along_x, along_y = (np.exp(-0.5 * ((cells - center[:, axis, None]) / sigma) ** 2) for axis in (0, 1))
    return (along_y[:, :, None] * along_x[:, None, :]).astype(np.float32)
