"""DiMP, its BGD variants and RLS-DiMP once more, as published: slow, in float64, one small function for each step.

Written from the papers (Bhat et al., ICCV 2019; the RLS paper's Algorithm 2 and Eq. 18-19, 41, 44), independently of
the tracker. Only the network's layers are shared, in their plain form. Vectors are (y, x), boxes xywh in crop pixels.
"""

import math
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from tests.pytracking.tracker.dimp.algorithm_crops import blurred, cut, rotated, scaled, shifted_center
from tests.pytracking.tracker.dimp.algorithm_losses import KLLoss, Loss, steepest_descent

Array = np.ndarray

# How far the tracker's float32 may be off. Features and scores of order 1 have its rounding through some dozens of
# layers; boxes are moved by some pixels for a gradient of such features. What is predicted of boxes is of order .1.
SCORES, PIXELS, OVERLAPS = 1e-5, 1e-4, 1e-6


def peak(scores: Array) -> tuple[float, Array]:
    """The highest score and its cell."""
    row, column = np.unravel_index(scores.argmax(), scores.shape)
    return float(scores[row, column]), np.array([row, column], float)


def hann(side: int, effective: int) -> Array:
    effective += (effective - side) % 2
    ramp = 0.5 * (1 - np.cos(2 * np.pi * np.arange(1, effective + 1) / (effective + 1)))
    ramp = ramp[np.clip(np.arange(side) - (side - effective) // 2, 0, effective - 1)]
    return np.outer(ramp, ramp)


class Algorithm:
    """The tracker of a parameter file on a network in evaluation mode and float64, for square crops."""

    def __init__(self, net: Any, params: Any, seed: int) -> None:
        self.net, self.params = net, params
        self.noise = torch.Generator().manual_seed(seed)
        self.crop, self.taps = int(params.image_sample_size), net.classifier.filter_size
        self.margin = math.inf  # of the closest decision: how far a number may be off, in the bounds above

    # The first frame.

    @torch.no_grad()
    def initialize(self, image: Array, box: list[float]) -> None:
        p, (x, y, w, h) = self.params, box
        self.frame, self.image = 1, np.array(image.shape[:2], float)
        self.pos, self.size = np.array([y + (h - 1) / 2, x + (w - 1) / 2]), np.array([h, w], float)
        self.scale = p.search_area_scale * math.sqrt(w * h) / self.crop
        self.base = self.size / self.scale
        crops, shifts, exact, scale = self._samples(image)
        maps = self._backbone(torch.cat(crops))
        feat = self.net.extract_classification_feat(maps)
        own = self._box_in(np.rint(self.pos), scale)
        boxes = torch.stack([own + torch.tensor([s[1], s[0], 0, 0]) for s in shifts])
        count, probability = p.augmentation.get("dropout", (0, 0.0)) if p.use_augmentation else (0, 0.0)
        kept = torch.rand(count, feat.shape[1], 1, 1, generator=self.noise) >= probability
        self.samples = list(torch.cat((feat, feat[:1] * kept.double() / (1 - probability))))
        self.boxes = [*boxes, *[boxes[0]] * count]
        self.initial = len(self.samples)
        self.weights = np.full(self.initial, 1 / self.initial)
        self.last: int | None = None
        f = self.net.classifier.filter_initializer(torch.stack(self.samples), torch.stack(self.boxes))
        self.shape = f.shape
        self.f = steepest_descent(self._loss(), f.flatten(), p.net_opt_iter, self._step_factor())
        self.P = torch.eye(len(self.f), dtype=torch.float64) / p.rls_delta
        cells = feat.shape[-1]
        self.cell, side = self.crop / cells, cells + (self.taps + 1) % 2
        self.offset = (cells + self.taps) % 2
        part = p.effective_search_area / p.search_area_scale if p.use_clipped_window else 1.0
        self.window = hann(side, int(side * part)) if p.window_output else None
        if p.use_iou_net:
            n = exact if p.iounet_augmentation else 1
            layers = self.net.get_backbone_bbreg_feat({name: layer[:n] for name, layer in maps.items()})
            modulation = self.net.bb_regressor.get_modulation(layers, boxes[:n])
            self.modulation = [vector.mean(dim=0, keepdim=True) for vector in modulation]

    def _samples(self, image: Array) -> tuple[list[Tensor], list[tuple[int, int]], int, float]:
        """Crops, their shifts, the number of those before the first scaled or rotated one, and their scale."""
        p, crop, scale, base = self.params, self.crop, self.scale, np.zeros(2)
        if p.border_mode != "replicate":
            ratios = crop * scale / self.image
            ratio = ratios.max() if p.border_mode == "inside" else ratios.min()
            scale /= min(max(ratio, 1), p.patch_max_scale_change or math.inf)
            extent = crop * scale
            before = np.ceil((extent - 1) / 2 - self.pos).clip(0)
            after = np.ceil(self.pos + extent / 2 + 1 - self.image).clip(0)
            base = (after - before) / scale
        side = int(crop * (p.augmentation_expansion_factor if p.use_augmentation else 1))
        side += (side - crop) % 2
        patch, _ = cut(image, np.rint(self.pos), np.full(2, scale * side), side, "replicate", None)
        wanted = p.augmentation if p.use_augmentation else {}
        whole = np.trunc(base)
        shifts = [whole, *(np.trunc(np.array(s) * crop / 2) + whole for s in wanted.get("relativeshift", []))]
        patches = [patch] * len(shifts)
        patches += [patch.flip(3)] * bool(wanted.get("fliplr")) + [blurred(patch, s) for s in wanted.get("blur", [])]
        exact = len(patches)
        patches += [scaled(patch, s) for s in wanted.get("scale", [])]
        patches += [rotated(patch, angle) for angle in wanted.get("rotate", [])]
        for _ in range(len(patches) - len(shifts)):
            noise = (torch.rand(2, generator=self.noise) - 0.5).double().numpy()
            shift = noise * crop * p.random_shift_factor + base
            self._decide(np.abs(shift - np.rint(shift)).min(), PIXELS)
            shifts.append(np.trunc(shift))
        pairs = [(int(s[0]), int(s[1])) for s in shifts]
        return [shifted_center(q, crop, s) for q, s in zip(patches, pairs, strict=True)], pairs, exact, scale

    # A later frame.

    @torch.no_grad()
    def track(self, image: Array) -> tuple[list[float], str, float]:
        p = self.params
        self.frame, self.image = self.frame + 1, np.array(image.shape[:2], float)
        center = self.pos + self.offset * self.scale * self.cell / 2
        if self.frame > 2 and p.use_iou_net:  # else the numbers are exact
            self._decide(np.abs(center - np.rint(center)).min(), PIXELS)
        crop, corners = cut(
            image, center, np.full(2, self.scale * self.crop), self.crop, p.border_mode, p.patch_max_scale_change
        )
        at, scale = (corners[:2] + corners[2:] - 1) / 2, math.sqrt(np.prod((corners[2:] - corners[:2]) / self.crop))
        maps = self._backbone(crop)
        feat = self.net.extract_classification_feat(maps)
        scores = (self.f @ F.unfold(feat, self.taps, padding=self.taps // 2)[0]).numpy()
        if p.score_preprocess == "softmax":
            scores = np.exp(scores) / np.exp(scores).sum()
        self.scores = scores = scores.reshape(math.isqrt(len(scores)), -1)
        flag, move = self._localize(scores, at, scale)
        refined = None
        if flag != "not_found":
            if not p.use_iou_net:
                low, high = (10 / self.base).max(), (self.image / self.base).min()
                self.scale = min(max(scale, low), high)
                self.size = self.base * self.scale
            margin = (p.target_inside_ratio - 0.5) * self.size
            self.pos = np.maximum(np.minimum(at + move, self.image - margin), margin)
            if p.use_iou_net:
                refined = self._refine(maps, at, scale)
                if p.use_iounet_pos_for_learning:
                    self.pos = refined
                if p.update_scale_when_uncertain or flag != "uncertain":
                    self.scale = math.sqrt(np.prod(self.size) / np.prod(self.base))
        if flag in ("normal", "hard_negative"):
            self._learn(feat, self._box_in(at, scale), flag, float(scores.max()))
        if refined is not None:
            self.pos = refined
        (top, left), (h, w) = self.pos - (self.size - 1) / 2, self.size
        return [left, top, w, h], flag, float(scores.max())

    def _localize(self, scores: Array, at: Array, scale: float) -> tuple[str, Array]:
        """Flag, and translation from the center of the crop in image pixels."""
        p, side = self.params, len(scores)
        windowed = scores
        if p.advanced_localization and self.window is not None and p.perform_hn_without_windowing:
            windowed = scores * self.window
        first, cell = peak(windowed)
        self._decide(first - np.partition(windowed.ravel(), -2)[-2], SCORES)
        pixels, middle = self.cell * scale, (side - 1) / 2
        if not p.advanced_localization:
            return "normal", (cell - middle) * pixels
        self._decide(abs(first - p.target_not_found_threshold), SCORES)
        if first < p.target_not_found_threshold:
            return "not_found", (cell - middle) * pixels
        for bound in (p.uncertain_threshold, p.hard_sample_threshold):
            self._decide(abs(first - bound), SCORES)
        if first < max(p.uncertain_threshold, p.hard_sample_threshold):
            return "uncertain" if first < p.uncertain_threshold else "hard_negative", (cell - middle) * pixels
        half = p.target_neighborhood_scale * self.size / pixels / 2
        self._decide(np.abs(half % 1 - 0.5).min(), PIXELS if p.use_iou_net else 1e-9)
        others = scores.copy()
        rows, columns = (range(round(c - n), round(c + n + 1)) for c, n in zip(cell, half, strict=True))
        for row in set(rows) & set(range(side)):
            for column in set(columns) & set(range(side)):
                others[row, column] = 0
        second, other = peak(others)
        for bound in (p.distractor_threshold * first, p.hard_negative_threshold * first, p.target_not_found_threshold):
            self._decide(abs(second - bound), SCORES)
        previous = (self.pos - at) / pixels
        limit = p.displacement_scale * side / 2
        far1, far2 = (np.linalg.norm(c - middle - previous) > limit for c in (cell, other))
        flag, chosen = "normal", cell
        if second > p.distractor_threshold * first:
            flag = "hard_negative" if far1 != far2 else "uncertain"
            chosen = other if far1 and not far2 else cell
        elif second > p.hard_negative_threshold * first and second > p.target_not_found_threshold:
            flag = "hard_negative"
        return flag, (chosen - middle) * pixels

    def _refine(self, maps: dict[str, Tensor], at: Array, scale: float) -> Array:
        """The new size is taken; the new position is returned."""
        p, regressor = self.params, self.net.bb_regressor
        start = self._box_in(at, scale)
        noise = (torch.rand(p.num_init_random_boxes, 4, generator=self.noise) - 0.5).double()
        side = start[2:].prod().sqrt()
        size = (start[2:] + noise[:, 2:] * p.box_jitter_sz * side).clamp(min=float(start[2:].min()) / 3)
        center = start[:2] + start[2:] / 2 + noise[:, :2] * p.box_jitter_pos * side
        boxes = torch.cat((start[None], torch.cat((center - size / 2, size), dim=1)))
        feat = regressor.get_iou_feat(self.net.get_backbone_bbreg_feat(maps))
        unit, step = boxes[:1, 2:].clone(), p.box_refinement_step_length
        for _ in range(p.box_refinement_iter):
            if p.box_refinement_space == "default":
                variable = boxes
                iou, gradient = self._ascent(lambda v: v, variable, feat)
                boxes = boxes + step * gradient * boxes[:, [2, 3, 2, 3]]
            else:

                def to_box(v: Tensor) -> Tensor:
                    return torch.cat((v[:, :2] * unit - v[:, 2:].exp() / 2, v[:, 2:].exp()), dim=1)

                variable = torch.cat(((boxes[:, :2] + boxes[:, 2:] / 2) / unit, boxes[:, 2:].log()), dim=1)
                iou, gradient = self._ascent(to_box, variable, feat)
                boxes = to_box(variable + step * gradient)
            step *= p.box_refinement_step_decay
        boxes[:, 2:] = boxes[:, 2:].clamp(min=1)
        aspect = boxes[:, 2] / boxes[:, 3]
        sound = (aspect < p.maximal_aspect_ratio) & (aspect > 1 / p.maximal_aspect_ratio)
        boxes, iou = boxes[sound], iou[sound]
        if len(boxes) == 0:
            return self.pos
        order = iou.argsort(descending=True)
        k = min(p.iounet_k, len(boxes))
        if k < len(boxes):
            self._decide(float(iou[order[k - 1]] - iou[order[k]]), OVERLAPS)
        x, y, w, h = boxes[order[:k]].mean(dim=0).tolist()
        self.size = np.array([h, w]) * scale
        return (np.array([y + h / 2, x + w / 2]) - (self.crop - 1) / 2) * scale + at

    def _ascent(self, to_box: Any, variable: Tensor, feat: Any) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            variable = variable.detach().requires_grad_()
            iou = self.net.bb_regressor.predict_iou(self.modulation, feat, to_box(variable))
            return iou.detach(), torch.autograd.grad(iou.sum(), variable)[0]

    # Learning.

    def _learn(self, feat: Tensor, box: Tensor, flag: str, score: float) -> None:
        p = self.params
        hard = flag == "hard_negative"
        self._store(feat[0], box, p.hard_negative_learning_rate if hard else p.learning_rate)
        iterations = p.net_opt_update_iter if (self.frame - 1) % p.train_skipping == 0 else 0
        if p.low_score_opt_threshold is not None:
            self._decide(abs(score - p.low_score_opt_threshold), SCORES)
            iterations = p.net_opt_low_iter if score < p.low_score_opt_threshold else iterations
        if iterations := p.net_opt_hn_iter if hard else iterations:
            self._update(iterations)

    def _store(self, sample: Tensor, box: Tensor, rate: float) -> None:
        floor = self.params.init_samples_minimum_weight or 0
        first = self.initial if floor else 0
        slot = len(self.samples)
        if slot == self.params.sample_memory_size:
            slot = first + int(self.weights[first:].argmin())
            self.samples[slot], self.boxes[slot] = sample, box
        else:
            self.samples, self.boxes = [*self.samples, sample], [*self.boxes, box]
            self.weights = np.append(self.weights, 0)
        if self.last is None:
            self.weights /= 1 - rate
            self.weights[slot] = rate
        else:
            self.weights[slot] = self.weights[self.last] / (1 - rate)
        self.last = slot
        self.weights /= self.weights.sum()
        if self.weights[: self.initial].sum() < floor:
            self.weights /= floor + self.weights[self.initial :].sum()
            self.weights[: self.initial] = floor / self.initial

    def _update(self, iterations: int) -> None:
        p, loss, before = self.params, self._loss(torch.from_numpy(self.weights)), self.f
        if p.online_optimizer == "steepest_descent":
            self.f = steepest_descent(loss, self.f, iterations, self._step_factor())
            return
        if preconditioned := p.online_optimizer in ("rls_bgd", "rls_sd"):
            x = loss.virtual_input(self.f, p.rls_virtual_input_stride)
            k = self.P @ x / (p.rls_beta + x @ self.P @ x)  # Eq. 18
            self.P = (self.P - torch.outer(k, self.P @ x)) / p.rls_beta  # Eq. 19
        for _ in range(iterations):
            g, s = loss.gradient(self.f)
            d = g @ self.P if preconditioned else g  # Eq. 41
            step = p.online_step_length
            if p.online_optimizer == "rls_sd":
                step = g @ d / (loss.curvature(s, loss.scores(d)) + loss.reg * (d @ d))
            self.f = self.f - step * d
        self.f = (1 - p.ema_coefficient) * before + p.ema_coefficient * self.f

    def _loss(self, weights: Tensor | None = None) -> Loss:
        feat, boxes = torch.stack(self.samples), torch.stack(self.boxes)
        weights = torch.full((len(feat),), 1 / len(feat)).double() if weights is None else weights
        optimizer = self.net.classifier.filter_optimizer
        kind = Loss if hasattr(optimizer, "label_map_predictor") else KLLoss
        return kind(optimizer, feat, boxes, weights, self.taps)

    def _step_factor(self) -> float:
        return math.exp(float(self.net.classifier.filter_optimizer.log_step_length))

    def _backbone(self, crops: Tensor) -> dict[str, Tensor]:
        mean, std = (torch.tensor(v).double()[:, None, None] for v in (self.net.image_mean, self.net.image_std))
        maps: dict[str, Tensor] = self.net.extract_backbone_features((crops / 255 - mean) / std)
        return maps

    def _box_in(self, at: Array, scale: float) -> Tensor:
        """The target's box in a crop around `at`."""
        center, size = (self.pos - at) / scale + (self.crop - 1) / 2, self.size / scale
        corner = center - (size - 1) / 2
        return torch.tensor([corner[1], corner[0], size[1], size[0]], dtype=torch.float64)

    def _decide(self, margin: float, bound: float) -> None:
        self.margin = min(self.margin, float(margin) / bound)
