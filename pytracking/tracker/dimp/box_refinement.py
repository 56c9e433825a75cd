"""Box refinement: gradient ascent on the IoU that the IoU-Net predicts.

Boxes are (n, 4) xywh in crop pixels. The IoU that comes with refined boxes was predicted before the last step.
"""

from collections.abc import Callable

import torch
from torch import Tensor

PredictIoU = Callable[[Tensor], Tensor]  # (n, 4) boxes -> (n,)


def propose_boxes(
    box: Tensor,  # (4,)
    num_random: int,
    jitter_pos: float,  # in sqrt(box area)
    jitter_sz: float,
    generator: torch.Generator,  # on the CPU
) -> Tensor:  # (1 + num_random, 4)
    """The box itself and random boxes around it, no side smaller than a third of the box's smaller side."""
    if num_random == 0:
        return box[None]
    center, size = box[:2] + box[2:] / 2, box[2:]
    side = size.prod().sqrt()
    noise = (torch.rand(num_random, 4, generator=generator) - 0.5).to(box.device)
    sizes = (size + noise[:, 2:] * jitter_sz * side).clamp(min=size.min() / 3)
    centers = center + noise[:, :2] * jitter_pos * side
    return torch.cat((box[None], torch.cat((centers - sizes / 2, sizes), dim=1)))


def refine_default(
    predict_iou: PredictIoU, boxes: Tensor, num_iter: int, step_length: Tensor, step_decay: float
) -> tuple[Tensor, Tensor]:
    """Ascent on the box coordinates, each step scaled by the size of its box (ATOM, DiMP)."""
    for _ in range(num_iter):
        gradient, iou = _gradient(predict_iou, boxes)
        boxes = boxes + step_length * gradient * boxes[:, 2:].repeat(1, 2)
        step_length = step_length * step_decay
    return boxes, iou


def refine_relative(
    predict_iou: PredictIoU, boxes: Tensor, num_iter: int, step_length: Tensor, step_decay: float
) -> tuple[Tensor, Tensor]:
    """Ascent on center over size and log size (PrDiMP), the size of the first box being the unit for all."""
    unit = boxes[:1, 2:].clone()
    relative = _to_relative(boxes, unit)
    for _ in range(num_iter):
        gradient, iou = _gradient(lambda z: predict_iou(_from_relative(z, unit)), relative)
        relative = relative + step_length * gradient
        step_length = step_length * step_decay
    return _from_relative(relative, unit), iou


def refine_boxes(
    predict_iou: PredictIoU,
    boxes: Tensor,
    space: str,  # "default" or "relative"
    num_iter: int,
    step_length: float | tuple[float, float],  # for position and size, or one for both
    step_decay: float,
) -> tuple[Tensor, Tensor]:  # (n, 4), (n,)
    """Refined boxes and their predicted IoU."""
    pair = step_length if isinstance(step_length, (tuple, list)) else (step_length, step_length)
    steps = boxes.new_tensor([pair[0], pair[0], pair[1], pair[1]])
    if num_iter == 0:
        return boxes, predict_iou(boxes)
    refine = refine_default if space == "default" else refine_relative
    return refine(predict_iou, boxes, num_iter, steps, step_decay)


def select_box(boxes: Tensor, iou: Tensor, k: int, maximal_aspect_ratio: float) -> tuple[Tensor, float] | None:
    """Mean of the k boxes of highest IoU and the mean of these IoUs; None where every box is too elongated.

    Sides are at least one pixel.
    """
    boxes = torch.cat((boxes[:, :2], boxes[:, 2:].clamp(min=1)), dim=1)
    aspect = boxes[:, 2] / boxes[:, 3]
    keep = (aspect < maximal_aspect_ratio) & (aspect > 1 / maximal_aspect_ratio) & boxes.isfinite().all(dim=1)
    if not bool(keep.any()):
        return None
    boxes, iou = boxes[keep], iou[keep]
    best = iou.topk(min(k, len(iou))).indices
    return boxes[best].mean(dim=0), float(iou[best].mean())


def _gradient(predict_iou: PredictIoU, variable: Tensor) -> tuple[Tensor, Tensor]:
    with torch.enable_grad():
        variable = variable.detach().requires_grad_(True)
        iou = predict_iou(variable)
        (gradient,) = torch.autograd.grad(iou.sum(), variable)
    return gradient, iou.detach()


def _to_relative(boxes: Tensor, unit: Tensor) -> Tensor:
    return torch.cat(((boxes[:, :2] + boxes[:, 2:] / 2) / unit, boxes[:, 2:].log()), dim=1)


def _from_relative(relative: Tensor, unit: Tensor) -> Tensor:
    size = relative[:, 2:].exp()
    return torch.cat((relative[:, :2] * unit - size / 2, size), dim=1)
