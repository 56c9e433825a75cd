"""Box refinement: gradient ascent on the IoU that an IoU-Net predicts.

The regressors of SuperDiMP and PrDiMP give the logarithm of a density in its place, without its constant. What is
predicted is climbed and ranked, and its range does not matter.

Boxes are (..., n, 4) xywh in crop pixels. The IoU that comes with refined boxes was predicted before the last step.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ltr.common.transfer import upload
from ltr.common.types import Array
from ltr.data.bounding_box_utils import rect_to_rel, rel_to_rect
from pytracking.tracker.dimp.params import DiMPParams
from pytracking.tracker.dimp.state import CropView, TargetState, box_from_crop, trusted_share

IoUGradient = Callable[[Tensor], tuple[Tensor, Tensor]]  # (..., n, 4) boxes -> (..., n), gradient (..., n, 4)
Features = dict[str, Tensor]


@dataclass(frozen=True, eq=False)
class IoUBoxes:
    """The mean of the best of the refined boxes around a target."""

    net: Any  # with its IoU-Net, `bb_regressor`
    modulation: tuple[Tensor, ...]  # of the IoU-Net for the target, (1, C) each
    params: DiMPParams
    generator: torch.Generator

    def refine(self, target: TargetState, view: CropView, backbone: Features, score: float) -> Array | None:
        """Give the target its new size, as far as the score is trusted; returns its new position (2,).

        None, and nothing has changed, where every box is too elongated.
        """
        box = self._search(view.box_of(target), backbone)
        if box is None:
            return None
        pos, size = box_from_crop(box, view.pos, view.scale, view.crop_sz)
        share = trusted_share(score, self.params.box_trust_score)
        target.size = target.size * (size / target.size) ** share if share < 1 else size
        return target.pos + share * (pos - target.pos) if share < 1 else pos

    def _search(self, box: Array, backbone: Features) -> list[float] | None:  # (4,) in crop pixels
        """The refined box, read from the device at once; None where every one is too elongated."""
        params, layers = self.params, self.net.get_backbone_bbreg_feat(backbone)
        jitter = upload(draw_jitter(params.num_init_random_boxes, self.generator), layers[0].device)
        start = upload(torch.from_numpy(box), layers[0].device)
        proposals = propose_boxes(start, jitter, params.box_jitter_pos, params.box_jitter_sz)[None]
        boxes, iou = refine_boxes(
            self.net.bb_regressor.iou_in(self.modulation, layers),
            proposals,
            params.box_refinement_space,
            params.box_refinement_iter,
            params.box_refinement_step_length,
            params.box_refinement_step_decay,
        )
        best, is_sound = select_box(boxes, iou, params.iounet_k, params.maximal_aspect_ratio)
        found, *refined = torch.cat((is_sound[:, None].double(), best.double()), dim=1)[0].tolist()
        return refined if found else None


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
    relative = rect_to_rel(boxes, unit)
    for _ in range(num_iter):
        boxes = rel_to_rect(relative, unit)
        iou, gradient = predict(boxes)
        # With the center fixed the corner moves by half of what the size changes by.
        of_corner, of_size = gradient[..., :2], gradient[..., 2:]
        of_log_size = (of_size - of_corner / 2) * boxes[..., 2:]
        relative = relative + step_length * torch.cat((of_corner * unit, of_log_size), dim=-1)
        step_length = step_length * step_decay
    return rel_to_rect(relative, unit), iou


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
    steps = boxes.new_tensor([pair[0], pair[0], pair[1], pair[1]])
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
