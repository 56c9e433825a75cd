"""Panels as images."""

import numpy as np
import pytest

from pytracking.visualization.panels import Bars, Content, Heatmap, Picture, Plot, Status, Text
from pytracking.visualization.rendering import LINES, PAPER, TILE, TITLE_HEIGHT, draw, mosaic, render


def plot(values: list[list[float]], is_log: bool = False) -> Plot:
    table = np.array(values, float)
    return Plot(np.arange(1.0, len(table) + 1), table, tuple("ab"[: table.shape[1]]), is_log)


CONTENTS: list[Content | None] = [
    None,
    Picture(np.full((33, 71, 3), 200, np.uint8)),
    Picture(np.full((1000, 3, 3), 200, np.uint8)),
    Heatmap(np.eye(19)),
    Heatmap(np.full((2, 3), np.nan)),
    Plot(np.array([3.0]), np.array([[2.0]]), ("a",)),
    plot([[1, 2], [3, 1], [2, 0]]),
    plot([[1, 0], [10, -1], [np.nan, np.inf]], is_log=True),
    plot([[np.nan], [np.nan]]),
    Bars(np.zeros(0)),
    Bars(np.zeros(3)),
    Bars(np.array([-1.0, 2.0, np.nan, 0.5]), 2),
    Bars(np.random.default_rng(0).random(1000), 15),
    Status({"frame": 3, "score": 0.123456}),
    Text(("one", "two")),
]


@pytest.mark.parametrize("content", CONTENTS, ids=lambda content: type(content).__name__)
def test_every_content_fills_a_tile(content: Content | None) -> None:
    tile = render("Title", content)
    assert tile.shape == (TILE[1], TILE[0], 3)
    assert tile.dtype == np.uint8
    assert (tile[:TITLE_HEIGHT] != PAPER).any()


def test_heatmap_is_brightest_at_its_maximum_and_the_right_way_up() -> None:
    values = np.zeros((10, 10))
    values[1, 8] = 1
    tile = draw(Heatmap(values), (200, 218))  # 200 pixels of map above the line with its range
    brightness = tile[:200].astype(int).sum(axis=2)
    peak = np.unravel_index(np.argmax(np.where(tile[:200, :, 2] < 100, brightness, 0)), brightness.shape)
    assert 20 <= peak[0] < 40
    assert 160 <= peak[1] < 180


def test_bars_of_the_first_samples_have_their_own_color() -> None:
    tile = draw(Bars(np.array([1.0, 1.0, 1.0, 1.0]), 1), (300, 200))
    colors = [(tile == color).all(axis=2).sum() for color in (LINES[1], LINES[0])]
    assert 2 < colors[1] / colors[0] < 4  # three bars to one, and the words below


def test_plot_goes_through_its_extremes() -> None:
    tile = draw(plot([[0], [1], [0]]), (300, 200))
    rows, columns = np.nonzero(tile[..., 2].astype(int) - tile[..., 0] > 40)  # blue, its smoothed edges too
    graph = columns > 150  # right of the name
    assert rows[graph].min() < 20
    assert rows[graph].max() > 165


def test_mosaic_pads_the_last_row() -> None:
    tiles = [np.full((4, 5, 3), shade, np.uint8) for shade in (10, 20, 30, 40)]
    image = mosaic(tiles, 3)
    assert image.shape == (8, 15, 3)
    assert image[4, 0, 0] == 40
    assert tuple(image[4, 5]) == PAPER


def test_unknown_content_is_named() -> None:
    with pytest.raises(TypeError, match="found str"):
        draw("text", (10, 10))  # type: ignore[arg-type]


def test_status_lines_have_few_digits() -> None:
    assert Status({"frame": 3, "score": 0.123456, "flag": "normal"}).lines() == [
        "frame: 3", "score: 0.1235", "flag: normal",
    ]  # fmt: skip
