"""Drawn boxes lie where RT-MDNet's rules put them."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from ltr.common.boxes import area_ratio, overlap
from ltr.data.box_sampling import SMALLEST_SIDE, draw_boxes, sample_boxes
from pytracking.tracker.rtmdnet.params import RTMDNetParams, Sampling, gaussian, uniform

IMAGE = (480, 640)
TARGET = torch.tensor([300.0, 200.0, 60.0, 40.0]).double()  # mean side 50, center (330, 220)


def draw(sampling: Sampling, num: int = 4000, target: Tensor = TARGET, seed: int = 0) -> Tensor:
    return draw_boxes(target, num, sampling, IMAGE, torch.Generator().manual_seed(seed))


def offsets(boxes: Tensor) -> Tensor:
    return boxes[:, :2] + boxes[:, 2:] / 2 - TARGET[:2] - TARGET[2:] / 2


def test_gaussian_boxes() -> None:
    boxes = draw(gaussian(0.6, 1.05))
    assert offsets(boxes).abs().max() == pytest.approx(0.6 * 50)  # clipped at one, two standard deviations
    assert offsets(boxes).std() == pytest.approx(0.6 * 50 * 0.48, rel=0.03)  # deviation of the clipped normal
    growth = (boxes[:, 2] / 60).log() / torch.tensor(1.05).log()
    assert growth.abs().max() == pytest.approx(1, abs=1e-6)
    torch.testing.assert_close(boxes[:, 2] / boxes[:, 3], torch.full((4000,), 1.5, dtype=torch.float64))


def test_uniform_boxes() -> None:
    boxes = draw(uniform(1.0, 2.0, 1.1, (0.0, 0.5)))
    assert 0.99 * 50 < offsets(boxes).abs().max() <= 50
    assert offsets(boxes).abs().mean() == pytest.approx(25, rel=0.03)
    aspect = boxes[:, 2] / boxes[:, 3] / 1.5
    assert 1.1**2 * 0.999 < aspect.max() <= 1.1**2 + 1e-9
    sizes = boxes[:, 2:].prod(dim=1).sqrt() / (60 * 40) ** 0.5
    assert 0.5 <= sizes.min() < 0.501
    assert 1.99 < sizes.max() <= 2


@given(
    box=st.tuples(st.floats(-50, 640), st.floats(-50, 480), st.floats(0.5, 900), st.floats(0.5, 900)),
    image=st.tuples(st.integers(1, 500), st.integers(1, 700)),
    inside=st.booleans(),
    seed=st.integers(0, 99),
)
def test_boxes_respect_the_image(box: tuple, image: tuple[int, int], inside: bool, seed: int) -> None:
    target = torch.tensor(box, dtype=torch.float64)
    boxes = draw_boxes(target, 50, gaussian(1.4, 1.5, inside=inside), image, torch.Generator().manual_seed(seed))
    extent = torch.tensor([image[1], image[0]], dtype=torch.float64)
    assert (boxes[:, 2:] >= extent.clamp_max(SMALLEST_SIDE) - 1e-9).all()
    assert (boxes[:, 2:] <= torch.maximum(extent - SMALLEST_SIDE, extent.clamp_max(SMALLEST_SIDE)) + 1e-9).all()
    centers = boxes[:, :2] + boxes[:, 2:] / 2
    assert (centers >= -1e-9).all()
    assert (centers <= extent + 1e-9).all()
    if inside:
        assert (boxes[:, :2] >= -1e-9).all()
        assert (boxes[:, :2] + boxes[:, 2:] <= extent + 1e-9).all()


@pytest.mark.parametrize(
    ("field", "num"),
    [
        ("init_positive_sampling", 500),
        ("init_negative_sampling", 5000),
        ("regression_sampling", 1000),
        ("update_positive_sampling", 50),
        ("update_negative_sampling", 200),
        ("extra_negative_sampling", 1200),
    ],
)
def test_kept_boxes_have_the_overlap_asked_for(field: str, num: int) -> None:
    sampling = getattr(RTMDNetParams(), field)
    boxes = sample_boxes(TARGET, num, sampling, IMAGE, torch.Generator().manual_seed(1))
    # Large boxes close to the target are rare among the regression samples, the others are found at once.
    assert num // 2 < len(boxes) <= num
    low, high = sampling.overlap
    found = overlap(boxes.numpy(), TARGET.numpy())
    assert low <= found.min()
    assert found.max() <= high
    if sampling.area is not None:
        assert area_ratio(boxes.numpy(), TARGET.numpy()).min() >= sampling.area[0]
        assert area_ratio(boxes.numpy(), TARGET.numpy()).max() <= sampling.area[1]


def test_gives_up_where_there_are_no_such_boxes() -> None:
    whole = torch.tensor([0.0, 0.0, 640.0, 480.0]).double()
    nothing = Sampling(kind="gaussian", translation=0.1, scale=1.01, overlap=(0.0, 0.1))
    assert sample_boxes(whole, 20, nothing, IMAGE, torch.Generator()).shape == (0, 4)


def test_generator_alone_decides() -> None:
    sampling = uniform(1.0, 2.0, 1.1, (0.0, 0.5))
    first = draw(sampling, seed=3)
    torch.manual_seed(77)
    assert torch.equal(draw(sampling, seed=3), first)
    assert not torch.equal(draw(sampling, seed=4), first)
