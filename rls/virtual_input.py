"""Virtual inputs: the one input that stands for a whole block in the update of P (Eq. 26, 35, 44)."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from rls.checks import check_at_least_one
from rls.precision import exact_arithmetic


def linear_virtual_input(
    inputs: Tensor,  # (b, p), further leading dimensions count as samples
    bias: bool = False,
) -> Tensor:
    """Mean input of a linear layer, (p,), or (p + 1,) with a constant 1 for the bias (Eq. 26, 35).

    Raises:
        ValueError: if there is no sample.
    """
    if inputs.ndim < 2 or inputs.shape[:-1].numel() == 0:
        raise ValueError(f"Shape mismatch: expected inputs as (b, p) with b of at least 1, got {tuple(inputs.shape)}.")
    mean = inputs.flatten(end_dim=-2).mean(dim=0)
    return F.pad(mean, (0, 1), value=1.0) if bias else mean


def conv_virtual_input(
    feat: Tensor,  # (N, C, H, W)
    weight_map: Tensor,  # (N, Ho, Wo), √γ of every position; Ho = H + 2 (kernel_size // 2) - kernel_size + 1
    kernel_size: int,
    stride: int = 1,
    num_samples: Tensor | int | None = None,
) -> Tensor:
    """Virtual input of a filter that is slid over zero-padded features (Eq. 44), (C * kernel_size²,).

        x = 1/√(N M) Σ_j Σ_k √γ_jk x_jk

    x_jk is the patch of sample j at position k, flattened (C, kh, kw). The map is given at full resolution; of its
    positions only every `stride`-th in both directions, from 0 on, enters the sum and the count M. N is `num_samples`,
    by default the number of samples whose map is not all zero.

    Raises:
        ValueError: if the two shapes do not fit, or kernel_size or stride is below 1.
    """
    total = score_adjoint(feat, _sampled(feat, weight_map, kernel_size, stride), kernel_size)
    return _scaled(total[None], feat, weight_map, stride, num_samples)[0]


def conv_virtual_inputs_and_adjoint(
    feat: Tensor,  # (N, C, H, W)
    weight_map: Tensor,  # (N, Ho, Wo)
    score_map: Tensor,  # (N, Ho, Wo)
    kernel_size: int,
    stride: int = 1,
    num_samples: Tensor | int | None = None,
    signs: Tensor | None = None,  # (k - 1, N, Ho, Wo), see `random_signs`
) -> tuple[Tensor, Tensor]:  # (k, C * kernel_size²), (C, kernel_size, kernel_size)
    """`conv_virtual_input` of the weight map and `score_adjoint` of the score map in one pass over the features.

    With signs ω, the virtual input x_1 is the first of k rows x_j = 1/√(N M) Σ √γ ω_j x: the others are those of the
    weight map times each map of signs. A pass costs the reading of the features, which are far larger than the maps:
    a few maps cost little more than one.

    Raises:
        ValueError: as `conv_virtual_input`, or if the signs do not fit the weight map.
    """
    sampled = _sampled(feat, weight_map, kernel_size, stride)
    maps = [sampled, score_map.to(sampled.dtype)]
    if signs is not None:
        if signs.shape[1:] != sampled.shape:
            expected = ", ".join(("k - 1", *map(str, sampled.shape)))
            raise ValueError(f"Shape mismatch: expected signs as ({expected}), got {tuple(signs.shape)}.")
        maps[1:1] = (sampled * signs).unbind()
    adjoints = score_adjoints(feat, torch.stack(maps, dim=1), kernel_size)
    return _scaled(adjoints[:-1], feat, weight_map, stride, num_samples), adjoints[-1]


def random_signs(
    count: int,
    shape: tuple[int, ...],
    generator: torch.Generator,  # of the CPU, so that every device sees the same
) -> Tensor:  # (count, *shape), int8
    """Independent signs, 1 or −1 with equal probability."""
    return torch.randint(2, (count, *shape), generator=generator, dtype=torch.int8).mul_(2).sub_(1)


def _sampled(feat: Tensor, weight_map: Tensor, kernel_size: int, stride: int) -> Tensor:
    """The weight map with zeros where no position is taken."""
    check_at_least_one("kernel_size", kernel_size)
    check_at_least_one("stride", stride)
    padding = kernel_size // 2
    rows, cols = (size + 2 * padding - kernel_size + 1 for size in feat.shape[-2:])
    if feat.ndim != 4 or weight_map.shape != (len(feat), rows, cols):
        raise ValueError(
            f"Shape mismatch: expected feat as (N, C, H, W) and weight_map as (N, H + {rows - feat.shape[-2]}, "
            f"W + {cols - feat.shape[-1]}), got {tuple(feat.shape)} and {tuple(weight_map.shape)}."
        )
    if stride == 1:
        return weight_map
    sampled = torch.zeros_like(weight_map)
    sampled[:, ::stride, ::stride] = weight_map[:, ::stride, ::stride]
    return sampled


def _scaled(
    totals: Tensor,  # (k, C, kernel_size, kernel_size)
    feat: Tensor,
    weight_map: Tensor,
    stride: int,
    num_samples: Tensor | int | None,
) -> Tensor:  # (k, C * kernel_size²)
    """Sums over samples and positions, divided by the root of their number."""
    if num_samples is None:
        num_samples = weight_map.flatten(1).any(dim=1).sum().clamp_min(1)
    rows, cols = weight_map.shape[-2:]
    positions = -(-rows // stride) * -(-cols // stride)
    if isinstance(num_samples, Tensor):
        count = num_samples.to(feat.device, feat.dtype)
    else:  # filled on the device: a number made on the host is copied to a GPU by waiting for it
        count = torch.full((), num_samples, dtype=feat.dtype, device=feat.device)
    return totals.flatten(1) / (count * positions).sqrt()


def score_adjoint(
    feat: Tensor,  # (N, C, H, W)
    score_map: Tensor,  # (N, Ho, Wo)
    kernel_size: int,
) -> Tensor:  # (C, kernel_size, kernel_size)
    """Adjoint of the correlation with one filter, zero-padded by kernel_size // 2: Σ_j Σ_k value_jk x_jk."""
    adjoint: Tensor = score_adjoints(feat, score_map[:, None], kernel_size)[0]
    return adjoint


def score_adjoints(
    feat: Tensor,  # (N, C, H, W)
    score_maps: Tensor,  # (N, M, Ho, Wo)
    kernel_size: int,
) -> Tensor:  # (M, C, kernel_size, kernel_size)
    """`score_adjoint` of M maps of each sample, in one pass over the features.

    Unfolding the maps, in place of the features with their hundreds of channels, turns it into one matrix product a
    sample: on a CPU several times faster than the weight gradient of a convolution routine.
    """
    height, width = feat.shape[2:]
    padded = F.pad(score_maps.to(feat.dtype), (kernel_size - 1 - kernel_size // 2,) * 4)
    windows = padded.unfold(2, height, 1).unfold(3, width, 1)  # (N, M, k, k, H, W), the taps in reverse
    # Copied row by row: `F.unfold` takes three times as long on a CPU.
    taps = windows.reshape(len(feat), -1, height * width)
    with exact_arithmetic(feat.device):
        total: Tensor = torch.bmm(feat.flatten(2), taps.mT).sum(dim=0)
    return total.view(-1, score_maps.shape[1], kernel_size, kernel_size).flip(2, 3).transpose(0, 1)


def conv_layer_virtual_input(
    inputs: Tensor,  # (N, C, *sizes), one to three sizes
    kernel_size: tuple[int, ...],
    stride: tuple[int, ...] | None = None,
    padding: tuple[int, ...] | None = None,
    dilation: tuple[int, ...] | None = None,
    bias: bool = False,
    groups: int = 1,
) -> Tensor:
    """Virtual input of an ordinary convolution layer, (C * kernel,), or one more for the bias.

    Its loss is a mean over samples (Eq. 35) of sums over the M output positions (Eq. 44 with γ = 1):

        x = 1/√M Σ_k (mean of x_jk over the samples j);      the bias sees a constant 1 everywhere, which makes √M

    With groups, (groups * (C / groups * kernel),): one virtual input after the other, each with its own bias.

    Raises:
        ValueError: if there is no sample or no output position.
    """
    rank = len(kernel_size)
    if inputs.ndim == rank + 2 and len(inputs):
        inputs = inputs.mean(dim=0, keepdim=True)
    patches = conv_patches(inputs, kernel_size, stride, padding, dilation)[0]  # (C, *positions, *kernel)
    root = math.sqrt(math.prod(patches.shape[1 : 1 + rank]))
    x = patches.sum(dim=tuple(range(1, 1 + rank))).reshape(groups, -1) / root
    return (F.pad(x, (0, 1), value=root) if bias else x).flatten()


def conv_patches(
    inputs: Tensor,  # (N, C, *sizes), one to three sizes
    kernel_size: tuple[int, ...],
    stride: tuple[int, ...] | None = None,
    padding: tuple[int, ...] | None = None,
    dilation: tuple[int, ...] | None = None,
) -> Tensor:
    """What each position of a convolution sees, as a view of the zero-padded input, (N, C, *positions, *kernel_size).

    Raises:
        ValueError: if there is no sample or no position.
    """
    rank = len(kernel_size)
    if inputs.ndim != rank + 2 or inputs.numel() == 0:
        raise ValueError(f"Shape mismatch: expected inputs as (N, C, {rank} sizes), got {tuple(inputs.shape)}.")
    stride, dilation = stride or (1,) * rank, dilation or (1,) * rank
    margins = [size for pad in reversed(padding or (0,) * rank) for size in (pad, pad)]
    patches = F.pad(inputs, margins)
    for axis, (kernel, step, dilate) in enumerate(zip(kernel_size, stride, dilation, strict=True), start=2):
        reach = dilate * (kernel - 1) + 1
        if patches.shape[axis] < reach:
            raise ValueError(
                f"Shape mismatch: expected inputs as (N, C, {rank} sizes) with an output position, "
                f"got {tuple(inputs.shape)} for a kernel of {kernel_size}."
            )
        patches = patches.unfold(axis, reach, step)[..., ::dilate]
    return patches
