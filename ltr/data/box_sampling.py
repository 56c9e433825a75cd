"""Random boxes around a target, as MDNet draws them (n, 4) x, y, w, h.

All draws come from one CPU generator, in float64.
"""

import torch
from torch import Tensor

from ltr.common.boxes import area_ratio, overlap, within
from ltr.data.sampling_options import Sampling

SMALLEST_SIDE = 5.0  # pixels, of a drawn box, and what the largest one is smaller than the image
EFFORTS = (2, 4, 8)  # boxes drawn for one that is missing, one attempt after the other


def draw_boxes(
    target: Tensor,  # (4,) x, y, w, h
    num: int,
    sampling: Sampling,
    image_sz: tuple[int, int],  # h, w
    generator: torch.Generator,
) -> Tensor:  # (num, 4)
    """Boxes around the target, whatever their overlap with it."""
    offset, growth = _gaussian_noise(num, generator) if sampling.kind == "gaussian" else _uniform_noise(num, generator)
    sizes = target[2:].expand(num, 2)
    if sampling.aspect is not None:
        stretch = sampling.aspect ** _uniform(num, 1, generator=generator)
        sizes = sizes * torch.cat((stretch, 1 / stretch), dim=1)
    centers = target[:2] + target[2:] / 2 + sampling.translation * target[2:].mean() * offset
    return _fitted(centers, sizes * sampling.scale**growth, image_sz, sampling.inside)


def sample_boxes(
    target: Tensor,  # (4,)
    num: int,
    sampling: Sampling,
    image_sz: tuple[int, int],
    generator: torch.Generator,
) -> Tensor:  # (k, 4), k <= num
    """Boxes with the overlap and area that the sampling asks for; fewer than `num` where they are hard to find."""
    kept: list[Tensor] = []
    missing = num
    for effort in EFFORTS:
        boxes = draw_boxes(target, missing * effort, sampling, image_sz, generator)
        good = within(overlap(boxes.numpy(), target.numpy()), sampling.overlap)
        if sampling.area is not None:
            good &= within(area_ratio(boxes.numpy(), target.numpy()), sampling.area)
        kept.append(boxes[torch.from_numpy(good)][:missing])
        missing -= len(kept[-1])
        if missing == 0:
            break
    return torch.cat(kept)


def _gaussian_noise(num: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Offsets (num, 2) and growth (num, 1), normal of deviation 1/2 in [-1, 1]."""
    noise = torch.randn(num, 3, generator=generator, dtype=torch.float64).mul_(0.5).clamp_(-1, 1)
    return noise[:, :2], noise[:, 2:]


def _uniform_noise(num: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    return _uniform(num, 2, generator=generator), _uniform(num, 1, generator=generator)


def _uniform(*shape: int, generator: torch.Generator) -> Tensor:
    """Uniform on [-1, 1)."""
    return torch.rand(shape, generator=generator, dtype=torch.float64).mul_(2).sub_(1)


def _fitted(centers: Tensor, sizes: Tensor, image_sz: tuple[int, int], inside: bool) -> Tensor:
    """Boxes of bounded size whose center is in the image, or the whole box."""
    extent = torch.tensor(image_sz[::-1], dtype=torch.float64)  # w, h
    smallest = extent.clamp_max(SMALLEST_SIDE)  # images below five pixels exist
    sizes = torch.clamp(sizes, smallest, torch.maximum(smallest, extent - SMALLEST_SIDE))
    if inside:
        centers = torch.clamp(centers, sizes / 2, torch.maximum(extent - sizes / 2 - 1, sizes / 2))
    else:
        centers = torch.clamp(centers, torch.zeros(2, dtype=torch.float64), extent)
    return torch.cat((centers - sizes / 2, sizes), dim=1)
