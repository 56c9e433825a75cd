"""Box refinement: gradient ascent on the IoU that an IoU-Net predicts.

Boxes are (..., n, 4) xywh in crop pixels, n of each of several targets, none of which affects the others. The IoU that
comes with refined boxes was predicted before the last step.
"""

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from pytracking.tracker.dimp.params import DiMPParams

PredictIoU = Callable[[Tensor], Tensor]  # (..., n, 4) boxes -> (..., n)
IoUGradient = Callable[[Tensor], tuple[Tensor, Tensor]]  # (..., n, 4) boxes -> (..., n), gradient (..., n, 4)


# What of the parameters it depends on.
PARAMS = (
    "box_jitter_pos",
    "box_jitter_sz",
    "box_refinement_iter",
    "box_refinement_space",
    "box_refinement_step_decay",
    "box_refinement_step_length",
    "iounet_k",
    "maximal_aspect_ratio",
)


@dataclass(frozen=True, eq=False)
class IoUBoxes:
    """The mean of the best of the refined boxes around a target."""

    regressor: Any  # AtomIoUNet
    learnt: tuple[Tensor, ...]  # its modulation for a target, (1, C) each
    params: DiMPParams

    @cached_property
    def key(self) -> Hashable:
        return type(self), repr([getattr(self.params, name) for name in PARAMS])

    def __call__(
        self,
        learnt: Sequence[Tensor],  # (R, C) each
        layers: Sequence[Tensor],  # (R, C, H, W) each
        box: Any,  # (R, 4) xywh in crop pixels, array of numpy or tensor
        jitter: Any,  # (R, n, 4) from `draw_jitter`
    ) -> Tensor:  # (R, 5) float64: whether there is a box that is not too elongated, and the box
        params, box, jitter = self.params, torch.as_tensor(box), torch.as_tensor(jitter).float()
        proposals = propose_boxes(box, jitter, params.box_jitter_pos, params.box_jitter_sz)
        boxes, iou = refine(self.regressor, learnt, layers, proposals, params)
        best, is_sound = select_box(boxes, iou, params.iounet_k, params.maximal_aspect_ratio)
        return torch.cat((is_sound[:, None].double(), best.double()), dim=1)


def refine(
    regressor: Any,  # AtomIoUNet
    modulation: Sequence[Tensor],  # (R, C) each
    layers: Sequence[Tensor],  # (R, C, H, W) each
    proposals: Tensor,  # (R, n, 4)
    params: DiMPParams,
) -> tuple[Tensor, Tensor]:  # (R, n, 4), (R, n) predicted IoU
    return refine_boxes(
        regressor.iou_in(modulation, layers),
        proposals,
        params.box_refinement_space,
        params.box_refinement_iter,
        params.box_refinement_step_length,
        params.box_refinement_step_decay,
    )


def draw_jitter(num_random: int, generator: torch.Generator) -> Tensor:  # (num_random, 4), on the CPU
    """Numbers in -0.5...0.5 for `propose_boxes`."""
    return torch.rand(num_random, 4, generator=generator) - 0.5


def propose_boxes(
    box: Tensor,  # (..., 4)
    jitter: Tensor,  # (..., n, 4) from `draw_jitter`
    jitter_pos: float,  # in sqrt(box area)
    jitter_sz: float,
) -> Tensor:  # (..., 1 + n, 4)
    """The box itself and random boxes around it, no side smaller than a third of the box's smaller side."""
    box = box[..., None, :]
    center, size = box[..., :2] + box[..., 2:] / 2, box[..., 2:]
    side = size.prod(dim=-1, keepdim=True).sqrt()
    sizes = (size + jitter[..., 2:] * jitter_sz * side).clamp(min=size.amin(dim=-1, keepdim=True) / 3)
    centers = center + jitter[..., :2] * jitter_pos * side
    return torch.cat((box, torch.cat((centers - sizes / 2, sizes), dim=-1)), dim=-2)


def autograd_gradient(predict_iou: PredictIoU) -> IoUGradient:
    """IoU and its gradient by autograd, for a network that has no closed form of it."""

    def predict(boxes: Tensor) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            variable = boxes.detach().requires_grad_(True)
            iou = predict_iou(variable)
            (gradient,) = torch.autograd.grad(iou.sum(), variable)
        return iou.detach(), gradient

    return predict


def refine_default(
    predict: IoUGradient, boxes: Tensor, num_iter: int, step_length: Tensor, step_decay: float
) -> tuple[Tensor, Tensor]:
    """Ascent on the box coordinates, each step scaled by the size of its box (ATOM, DiMP)."""
    for _ in range(num_iter):
        iou, gradient = predict(boxes)
        boxes = boxes + step_length * gradient * torch.cat((boxes[..., 2:], boxes[..., 2:]), dim=-1)
        step_length = step_length * step_decay
    return boxes, iou


def refine_relative(
    predict: IoUGradient, boxes: Tensor, num_iter: int, step_length: Tensor, step_decay: float
) -> tuple[Tensor, Tensor]:
    """Ascent on center over size and log size (PrDiMP), the size of the first box being the unit for all."""
    unit = boxes[..., :1, 2:].clone()
    relative = _to_relative(boxes, unit)
    for _ in range(num_iter):
        boxes = _from_relative(relative, unit)
        iou, gradient = predict(boxes)
        # With the center fixed the corner moves by half of what the size changes by.
        of_corner, of_size = gradient[..., :2], gradient[..., 2:]
        of_log_size = (of_size - of_corner / 2) * boxes[..., 2:]
        relative = relative + step_length * torch.cat((of_corner * unit, of_log_size), dim=-1)
        step_length = step_length * step_decay
    return _from_relative(relative, unit), iou


def refine_boxes(
    predict: IoUGradient,
    boxes: Tensor,  # (..., n, 4)
    space: str,  # "default" or "relative"
    num_iter: int,
    step_length: float | tuple[float, float],  # for position and size, or one for both
    step_decay: float,
) -> tuple[Tensor, Tensor]:  # (..., n, 4), (..., n)
    """Refined boxes and their predicted IoU."""
    pair = step_length if isinstance(step_length, (tuple, list)) else (step_length, step_length)
    steps = torch.cat([boxes.new_full((2,), step) for step in pair])  # not made on the host, which CUDA graphs bar
    if num_iter == 0:
        return boxes, predict(boxes)[0]
    refine = refine_default if space == "default" else refine_relative
    return refine(predict, boxes, num_iter, steps, step_decay)


def select_box(
    boxes: Tensor,  # (..., n, 4)
    iou: Tensor,  # (..., n)
    k: int,
    maximal_aspect_ratio: float,
) -> tuple[Tensor, Tensor]:  # (..., 4), (...) bool
    """Mean of the k boxes of highest IoU, and whether there is one: too elongated boxes are left out.

    Sides are at least one pixel.
    """
    boxes = torch.cat((boxes[..., :2], boxes[..., 2:].clamp(min=1)), dim=-1)
    aspect = boxes[..., 2] / boxes[..., 3]
    keep = (aspect < maximal_aspect_ratio) & (aspect > 1 / maximal_aspect_ratio) & boxes.isfinite().all(dim=-1)
    best = iou.masked_fill(~keep, -math.inf).topk(min(k, iou.shape[-1])).indices
    kept = keep.gather(-1, best)[..., None]
    chosen = boxes.gather(-2, best[..., None].expand(*best.shape, 4)).masked_fill(~kept, 0)
    return chosen.sum(dim=-2) / kept.sum(dim=-2), keep.any(dim=-1)


def trusted_share(score: float, full_score: float | None) -> float:
    """How far to go from the last box, moved by the classifier, to the refined one: 0...1.

    An occluded or blurred target has low scores, and refinement then finds its visible part. Without `full_score` the
    refined box is always taken.
    """
    if full_score is None:
        return 1.0
    return min(max(score / full_score, 0.0), 1.0) ** 2


def _to_relative(boxes: Tensor, unit: Tensor) -> Tensor:
    return torch.cat(((boxes[..., :2] + boxes[..., 2:] / 2) / unit, boxes[..., 2:].log()), dim=-1)


def _from_relative(relative: Tensor, unit: Tensor) -> Tensor:
    size = relative[..., 2:].exp()
    return torch.cat((relative[..., :2] * unit - size / 2, size), dim=-1)
