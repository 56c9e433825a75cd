"""One learner on one stream, and what its filters know after every update.

`follow` is the tracker's loop without tracking: the product's `OnlineClassifier` stores every frame and is updated when
the parameter file says so. What depends on a learner's own scores - hard negatives, updates at low scores - is left
out, or learners would not see the same. Filters are scored afterwards, many at once: one convolution of a frame's
features with all filters that are asked about it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.retention.streams import Stream
from ltr.models.layers.activation import leaky_relu_par
from pytracking.tracker.dimp.online_learning import WATCHED_LEVEL, OnlineClassifier
from pytracking.tracker.dimp.params import DiMPParams

KINDS = ("next", "earlier", "dropped")  # frames until the next update; all before; of these those no longer stored
VALUES = ("right", "margin", "loss")
LIMIT = 100.0  # scores beyond it, where labels are 0 to 1, or not finite: the filter has diverged
FRAMES_AT_ONCE = 16


@dataclass(frozen=True, eq=False)
class Followed:
    """Filters of a learner: the first frame's, and the one after each of U updates."""

    filters: Tensor  # (U + 1, C, k, k)
    at: list[int]  # (U + 1,) index in the stream of the frame after which there was each
    stored: Tensor  # (U + 1, T) bool, which frames were in the memory then
    rose: int  # updates by which the loss of the memory rose, or was not finite after
    undone: int  # updates that the tracker undid for that
    seconds: float


@torch.no_grad()
def follow(network: Any, params: DiMPParams, stream: Stream) -> Followed:
    """Let a learner learn a stream."""
    start = perf_counter()
    classifier = OnlineClassifier(
        network.classifier, params.replace(debug=WATCHED_LEVEL), stream.initial, stream.initial_boxes, stream.seed
    )
    filters, at, stored, rose = [classifier.filter[0]], [0], [_first_alone(len(stream))], 0
    slots: dict[int, int] = {}
    for index in range(1, len(stream)):
        number = stream.numbers[index]
        slot = classifier.store(stream.features[index : index + 1], stream.boxes[index], number, "normal", 1.0)
        if slot is not None:
            slots[slot] = index
        if (number - 1) % params.train_skipping:
            continue
        if num_iter := classifier.iterations_due(number, "normal", math.inf):
            classifier.update(num_iter)
            rose += not classifier.losses[-1] <= classifier.losses[0]  # NaN compares as false
        filters.append(classifier.filter[0])
        at.append(index)
        stored.append(_first_alone(len(stream)))
        stored[-1][list(slots.values())] = True
    return Followed(
        torch.stack(filters), at, torch.stack(stored), rose, classifier.rejected_updates, perf_counter() - start
    )


def _first_alone(count: int) -> Tensor:
    flags = torch.zeros(count, dtype=torch.bool)
    flags[0] = True  # the first frame's samples stay where they have a floor; its plain sample stands for them
    return flags


@torch.no_grad()
def evaluate(network: Any, followed: Followed, stream: Stream, neighborhood: float, most: int) -> dict[str, float]:
    """Means over updates of means over frames, by `<kind>_<value>`; NaN where there is no such frame.

    Every frame counts for the filter that a tracker searches it with. Of earlier frames at most `most` are looked at,
    evenly spaced: every s-th one, s = ceil(T / most).
    """
    count = len(stream)
    looked_at = torch.zeros(count, dtype=torch.bool)
    looked_at[:: math.ceil(count / most)] = True
    table = torch.full((len(VALUES), len(followed.at), count), math.nan)
    for frames, chosen in _batches(followed, looked_at):
        maps = F.conv2d(stream.features[frames], followed.filters[chosen], padding=followed.filters.shape[-1] // 2)
        values = map_values(network, maps, stream.features[frames], stream.boxes[frames], neighborhood)
        table[:, chosen[:, None], frames[None]] = torch.stack(values).mT
    updates = range(1, len(followed.at))
    result = {f"{kind}_{value}": math.nan for kind in KINDS for value in VALUES}
    rows: dict[str, list[Tensor]] = {kind: [] for kind in KINDS}
    for update in updates:
        now = followed.at[update]
        end = followed.at[update + 1] if update + 1 < len(followed.at) else count - 1
        earlier = looked_at & (torch.arange(count) <= now)
        groups = (torch.arange(now + 1, end + 1), earlier.nonzero()[:, 0])
        for kind, frames in zip(KINDS, (*groups, (earlier & ~followed.stored[update]).nonzero()[:, 0]), strict=True):
            if len(frames):
                rows[kind].append(table[:, update, frames].mean(dim=1))
    for kind, means in rows.items():
        if means:
            mean = torch.stack(means).mean(dim=0).tolist()
            result |= {f"{kind}_{value}": number for value, number in zip(VALUES, mean, strict=True)}
    result["first_right"] = float(table[0, 0, looked_at].mean())  # of the filter that never learnt more
    return result


def _batches(followed: Followed, looked_at: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Frames of the stream with the filters (indices) that are asked about them."""
    count = len(looked_at)
    for earlier in (False, True):
        chosen = looked_at.nonzero()[:, 0] if earlier else torch.arange(count)
        for update, begin in enumerate(followed.at):
            end = followed.at[update + 1] if update + 1 < len(followed.at) else count - 1
            frames = chosen[(chosen > begin) & (chosen <= end)] if begin or not earlier else chosen[chosen <= end]
            later = torch.arange(update + 1, len(followed.at))
            filters = torch.cat((torch.tensor([0]), later)) if earlier else torch.tensor([update])
            for part in frames.split(FRAMES_AT_ONCE):
                if len(part):
                    yield part, filters


def map_values(
    network: Any,
    maps: Tensor,  # (B, U, H', W') scores of B frames by U filters
    features: Tensor,  # (B, C, H, W)
    boxes: Tensor,  # (B, 4) xywh in crop pixels
    neighborhood: float,  # `target_neighborhood_scale` of the tracker
) -> tuple[Tensor, Tensor, Tensor]:  # (B, U) each
    """Whether the peak is right (1 or 0), margin, and loss of score maps.

    Right: the peak is within half the target's size, the root of its area, of its center. Margin: the highest score
    there minus the highest one outside the neighborhood that the tracker's localization leaves out around a peak, which
    counts as 0 at least. Loss: the data term of the network's loss. A filter that has diverged is wrong, and its scores
    are cut at `LIMIT`.
    """
    size = network.classifier.filter_size
    loss = network.classifier.filter_optimizer.loss(features, boxes, size, features.new_ones(len(features)))
    diverged = ~(maps.abs().amax(dim=(2, 3)) <= LIMIT)
    maps = maps.nan_to_num(nan=0.0).clamp(-LIMIT, LIMIT)
    residual = loss.weight[:, None] * (leaky_relu_par(maps, loss.mask[:, None]) - loss.label[:, None])
    near, elsewhere = _regions(network, maps.shape[-2:], boxes, neighborhood)
    peak = maps.flatten(2).argmax(dim=2)
    right = near.flatten(1).gather(1, peak) & ~diverged
    at_target = maps.masked_fill(~near[:, None], -LIMIT).amax(dim=(2, 3))
    margin = at_target - maps.masked_fill(~elsewhere[:, None], 0.0).amax(dim=(2, 3))
    return right.float(), margin.where(~diverged, -LIMIT), residual.square().sum(dim=(2, 3))


def _regions(network: Any, size: Any, boxes: Tensor, neighborhood: float) -> tuple[Tensor, Tensor]:
    """(B, H', W') cells at the target, at least the nearest one, and cells outside its neighborhood."""
    optimizer = network.classifier.filter_optimizer
    center = boxes[:, :2] + boxes[:, 2:] / 2
    half = (network.classifier.filter_size % 2) / 2  # as the network's loss places its labels
    dx, dy = (
        (torch.arange(extent, device=boxes.device) + half) * optimizer.feat_stride - center[:, axis, None]
        for axis, extent in enumerate((size[1], size[0]))
    )
    squared = dy.square()[:, :, None] + dx.square()[:, None]  # (B, H', W') crop pixels
    area = boxes[:, 2:].prod(dim=1)[:, None, None]
    near = (squared <= area / 4) | (squared == squared.amin(dim=(1, 2), keepdim=True))
    reach = neighborhood * boxes[:, 2:] / 2
    outside = (dy.abs() > reach[:, 1:])[:, :, None] | (dx.abs() > reach[:, :1])[:, None]
    return near, outside
