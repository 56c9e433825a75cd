"""Tensors in windows of matplotlib, and boxes on images, under the names of pytracking.

Where matplotlib has no window system the figures are made all the same, and can be saved.
"""

from __future__ import annotations

from collections.abc import Sequence as SequenceOf
from typing import TYPE_CHECKING, Any

import numpy as np

from ltr.common.types import Array
from pytracking.utils.drawing import TRACKED, draw_box, draw_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import Tensor

    FigureNumber = int | str | None


FILE_BACKENDS = ("agg", "cairo", "pdf", "pgf", "ps", "svg", "template")  # of matplotlib, without windows


def has_windows() -> bool:
    """Whether figures of matplotlib are windows here."""
    from matplotlib import pyplot

    return pyplot.get_backend().lower() not in FILE_BACKENDS


def draw_figure(fig: Figure) -> None:
    """Draw a figure, and let its window answer."""
    from matplotlib import pyplot

    fig.canvas.draw()
    if has_windows():
        fig.canvas.flush_events()
        pyplot.pause(0.001)


def show_tensor(
    a: Tensor,  # (H, W) or (C, H, W), with any dimensions of extent 1
    fig_num: FigureNumber = None,
    title: str | None = None,
    range: tuple[float | None, float | None] = (None, None),
    ax: Any = None,
) -> None:
    """Show a map or an image in a figure by its number, or in the given axes."""
    from matplotlib import pyplot

    values = _array(a)
    if values.ndim == 3:
        values = values.transpose(1, 2, 0)
    if ax is None:
        ax = pyplot.figure(fig_num).gca()
    ax.clear()
    ax.imshow(values, vmin=range[0], vmax=range[1])
    ax.set_axis_off()
    _finish(ax, title)


def plot_graph(a: Tensor, fig_num: FigureNumber = None, title: str | None = None) -> None:
    """Show a line through values (N,). Raises ValueError for more dimensions."""
    from matplotlib import pyplot

    values = _array(a)
    if values.ndim > 1:
        raise ValueError(f"expected values of one dimension, found {values.shape}")
    axes = pyplot.figure(fig_num).gca()
    axes.clear()
    axes.plot(values)
    _finish(axes, title)


def show_image_with_boxes(
    im: Tensor,  # (1, 3, H, W) of 0 to 255
    boxes: Tensor,  # (N, 4) x, y, w, h
    iou_pred: Tensor | None = None,  # (N,) written beside each box
    disp_ids: SequenceOf[bool] | None = None,  # which boxes are drawn; None, and behind its end: all
) -> Tensor:  # (3, H, W)
    """Copy of an image with boxes drawn into it."""
    import torch

    image = np.ascontiguousarray(_array(im).reshape(im.shape[-3:]).transpose(1, 2, 0).clip(0, 255).astype(np.uint8))
    for number, box in enumerate(boxes.detach().cpu().numpy().reshape(-1, 4)):
        if disp_ids is None or number >= len(disp_ids) or disp_ids[number]:
            draw_box(image, box, TRACKED)
            if iou_pred is not None:
                draw_text(image, [*[""] * number, f"{number}: {float(iou_pred.flatten()[number]):.2f}"])
    return torch.from_numpy(image).permute(2, 0, 1).float()


def _array(a: Tensor) -> Array:
    array: Array = a.detach().squeeze().cpu().numpy()
    return array


def _finish(axes: Any, title: str | None) -> None:
    if title is not None:
        axes.set_title(title)
    draw_figure(axes.figure)
