from collections.abc import Iterator

import numpy as np
import pytest
import torch
from matplotlib import pyplot

from pytracking.utils import plotting
from pytracking.utils.drawing import TRACKED
from pytracking.utils.plotting import plot_graph, show_image_with_boxes, show_tensor


@pytest.fixture(autouse=True)
def _no_windows() -> Iterator[None]:
    backend = pyplot.get_backend()
    pyplot.switch_backend("agg")
    yield
    pyplot.close("all")
    pyplot.switch_backend(backend)


def test_a_map_and_an_image_in_figures_by_number() -> None:
    scores = torch.arange(6.0).view(1, 1, 2, 3).requires_grad_()
    show_tensor(scores, 5, "scores", range=(0.0, 2.0))
    show_tensor(scores * 2, 5, "scores")  # in place of the first
    (axes,) = pyplot.figure(5).axes
    assert axes.get_title() == "scores"
    (image,) = axes.images
    np.testing.assert_array_equal(image.get_array(), [[0, 2, 4], [6, 8, 10]])
    assert image.get_clim() == (0, 10)
    show_tensor(torch.rand(3, 4, 5), 6, range=(0.0, 2.0))
    assert pyplot.figure(6).axes[0].images[0].get_array().shape == (4, 5, 3)
    assert pyplot.figure(6).axes[0].images[0].get_clim() == (0, 2)


def test_in_given_axes() -> None:
    figure = pyplot.figure()
    left, right = figure.subplots(1, 2)
    show_tensor(torch.eye(3), ax=right)
    assert not left.images
    np.testing.assert_array_equal(right.images[0].get_array(), np.eye(3))


def test_lines() -> None:
    plot_graph(torch.tensor([[3.0, 1.0, 2.0]]), 7, "loss")
    (line,) = pyplot.figure(7).axes[0].lines
    np.testing.assert_array_equal(line.get_ydata(), [3, 1, 2])
    with pytest.raises(ValueError, match=r"\(2, 2\)"):
        plot_graph(torch.eye(2))


def test_windows_are_let_to_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(pyplot, "pause", pauses.append)
    show_tensor(torch.eye(2))
    assert pauses == []
    monkeypatch.setattr(plotting, "has_windows", lambda: True)
    show_tensor(torch.eye(2))
    assert pauses == [0.001]


def test_boxes_on_images() -> None:
    image = torch.full((1, 3, 60, 80), 100.0)
    boxes = torch.tensor([[10.0, 20.0, 8.0, 6.0], [40.0, 30.0, 10.0, 10.0]])
    both, first = show_image_with_boxes(image, boxes), show_image_with_boxes(image, boxes, disp_ids=[True, False])
    assert both.shape == (3, 60, 80)
    for drawn, seen in ((both, True), (first, False)):
        assert tuple(drawn[:, 20, 14].int().tolist()) == TRACKED
        assert (tuple(drawn[:, 30, 45].int().tolist()) == TRACKED) == seen
        assert drawn[:, 50, 70].tolist() == [100] * 3
    written = show_image_with_boxes(image, boxes, torch.tensor([0.5, 0.75]))
    assert (written != both).any()
    assert (image == 100).all()
