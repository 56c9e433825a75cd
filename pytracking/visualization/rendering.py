"""Panels as RGB images of a fixed size, drawn by pure functions."""

from __future__ import annotations

from collections.abc import Sequence as SequenceOf
from functools import singledispatch

import numpy as np

from ltr.common.types import Array, Image
from pytracking.utils.drawing import fitted
from pytracking.visualization.panels import Bars, Content, Heatmap, Picture, Plot, Status, Text

TILE = (320, 240)  # width, height of a panel in pixels
TITLE_HEIGHT = 20
PAPER, INK, FAINT = (250, 250, 250), (40, 40, 40), (190, 190, 190)
LINES = ((31, 90, 180), (214, 90, 20), (30, 140, 70), (160, 40, 120), (120, 90, 60), (90, 90, 90))
FONT_SCALE = 0.38
LINE_HEIGHT = 15
MARGIN = (58, 8, 8, 20)  # of a plot: left, top, right, bottom


def render(title: str, content: Content | None) -> Image:
    """Tile of a panel with its title; without content an empty one."""
    width, height = TILE
    tile = np.full((height, width, 3), PAPER, np.uint8)
    write(tile, title, (6, 14), INK)
    tile[TITLE_HEIGHT - 1] = FAINT
    if content is not None:
        tile[TITLE_HEIGHT:] = draw(content, (width, height - TITLE_HEIGHT))
    return tile


def mosaic(tiles: SequenceOf[Image], columns: int) -> Image:
    """Tiles of one size in rows of `columns`, the rest of the last row left blank."""
    blank = np.full_like(tiles[0], PAPER)
    padded = [*tiles, *[blank] * (-len(tiles) % columns)]
    return np.vstack([np.hstack(padded[start : start + columns]) for start in range(0, len(padded), columns)])


def write(canvas: Image, text: str, position: tuple[int, int], color: tuple[int, int, int]) -> None:
    """Small text at the left end of its base line."""
    import cv2

    cv2.putText(canvas, text, position, cv2.FONT_HERSHEY_SIMPLEX, FONT_SCALE, color, 1, cv2.LINE_AA)


@singledispatch
def draw(content: Content, size: tuple[int, int]) -> Image:
    """Content as an image of width and height. Raises TypeError for an unknown kind."""
    raise TypeError(f"expected the content of a panel, found {type(content).__name__}")


@draw.register
def _(content: Picture, size: tuple[int, int]) -> Image:
    return fitted(content.image, size, PAPER)


@draw.register
def _(content: Heatmap, size: tuple[int, int]) -> Image:
    import cv2

    values = np.nan_to_num(content.values.astype(float))
    low, high = float(values.min()), float(values.max())
    levels = np.rint(255 * (values - low) / max(high - low, 1e-12)).astype(np.uint8)
    colored = cv2.cvtColor(cv2.applyColorMap(levels, cv2.COLORMAP_VIRIDIS), cv2.COLOR_BGR2RGB)
    canvas = fitted(colored, (size[0], size[1] - LINE_HEIGHT - 3), PAPER)
    legend = np.full((LINE_HEIGHT + 3, size[0], 3), PAPER, np.uint8)
    write(legend, f"{low:.3g} to {high:.3g}", (6, 12), INK)
    return np.vstack((canvas, legend))


@draw.register
def _(content: Status, size: tuple[int, int]) -> Image:
    return _text(content.lines(), size)


@draw.register
def _(content: Text, size: tuple[int, int]) -> Image:
    return _text(content.lines, size)


@draw.register
def _(content: Plot, size: tuple[int, int]) -> Image:
    import cv2

    values = content.values.astype(float)
    if content.is_log:
        values = np.log10(np.where(values > 0, values, np.nan))
    canvas = np.full((size[1], size[0], 3), PAPER, np.uint8)
    known = values[np.isfinite(values)]
    if not len(known):
        return canvas
    low, high = _range(float(known.min()), float(known.max()))
    first, last = float(content.frames[0]), float(content.frames[-1])
    left, top, right, bottom = MARGIN[0], MARGIN[1], size[0] - MARGIN[2], size[1] - MARGIN[3]
    _axes(canvas, (left, top, right, bottom), (low, high), content.is_log)
    write(canvas, f"frame {int(first)}", (left, size[1] - 5), INK)
    write(canvas, f"{int(last)}", (right - 8 * len(str(int(last))), size[1] - 5), INK)
    x = left + (content.frames - first) / max(last - first, 1e-9) * (right - left)
    for number, name in enumerate(content.names):
        color = LINES[number % len(LINES)]
        y = bottom - (values[:, number] - low) / (high - low) * (bottom - top)
        points = np.column_stack((x, y))[np.isfinite(y)]
        cv2.polylines(canvas, [np.rint(points).astype(np.int32)], False, color, 1, cv2.LINE_AA)
        if len(points):
            cv2.circle(canvas, (round(points[-1][0]), round(points[-1][1])), 2, color, -1, cv2.LINE_AA)
        write(canvas, name, (left + 6, top + 12 + LINE_HEIGHT * number), color)
    return canvas


@draw.register
def _(content: Bars, size: tuple[int, int]) -> Image:
    canvas = np.full((size[1], size[0], 3), PAPER, np.uint8)
    values: Array = np.nan_to_num(content.values.astype(float))
    if not len(values):
        return canvas
    low, high = _range(min(0.0, float(values.min())), max(0.0, float(values.max())))
    left, top, right, bottom = MARGIN[0], MARGIN[1], size[0] - MARGIN[2], size[1] - MARGIN[3]
    _axes(canvas, (left, top, right, bottom), (low, high), False)
    edges = np.rint(np.linspace(left, right, len(values) + 1)).astype(int)
    ends = np.rint(bottom - (values - low) / (high - low) * (bottom - top)).astype(int)
    base = round(bottom - (0 - low) / (high - low) * (bottom - top))
    for index, end in enumerate(ends):
        color = LINES[1] if index < content.num_marked else LINES[0]
        stop = max(edges[index] + 1, edges[index + 1] - (1 if edges[index + 1] - edges[index] > 2 else 0))
        canvas[min(end, base) : max(end, base) + 1, edges[index] : stop] = color
    if content.num_marked:
        for number, name in enumerate(content.names):
            write(canvas, name, (left + 6 + 130 * number, size[1] - 5), LINES[1 - number])
    return canvas


def _text(lines: SequenceOf[str], size: tuple[int, int]) -> Image:
    canvas = np.full((size[1], size[0], 3), PAPER, np.uint8)
    for number, line in enumerate(lines):
        write(canvas, line, (8, 18 + LINE_HEIGHT * number), INK)
    return canvas


def _range(low: float, high: float) -> tuple[float, float]:
    """Values that an axis spans; never an empty range."""
    if high - low > 1e-12 * max(abs(low), abs(high), 1e-12):
        return low, high
    margin = max(abs(high) * 0.05, 1e-6)
    return low - margin, high + margin


def _axes(canvas: Image, frame: tuple[int, int, int, int], values: tuple[float, float], is_log: bool) -> None:
    import cv2

    left, top, right, bottom = frame
    cv2.rectangle(canvas, (left, top), (right, bottom), FAINT, 1)
    for value, y in ((values[1], top + 8), (values[0], bottom)):
        write(canvas, f"{10**value if is_log else value:.4g}", (4, y), INK)
