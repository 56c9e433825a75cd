"""The DiMP tracker: discriminative model prediction with online learning, and IoU-Net boxes or a scale search."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pytracking.features.preprocessing import sample_patch, sample_position, sample_scale
from pytracking.tracker.base import BaseTracker
from pytracking.tracker.dimp.box_refinement import propose_boxes, refine_boxes, select_box
from pytracking.tracker.dimp.first_frame import dropout_features, initial_samples
from pytracking.tracker.dimp.localization import (
    Localization,
    SearchArea,
    hann_window,
    localize_advanced,
    localize_simple,
    preprocess_scores,
)
from pytracking.tracker.dimp.online_learning import OnlineClassifier
from pytracking.tracker.dimp.panels import dimp_panels
from pytracking.tracker.dimp.params import DiMPParams
from pytracking.tracker.dimp.state import TargetState, box_from_crop, box_in_crop
from pytracking.utils.types import Array, Image
from pytracking.visualization.panels import Panel


class DiMP(BaseTracker):
    """The whole family: the parameter file chooses network, box estimation and online optimizer."""

    params_class = DiMPParams
    params: DiMPParams

    def initialize_features(self) -> None:
        if self.params.net is None:
            raise ValueError("expected a network in the parameter 'net', found None")
        self.net: Any = self.params.net
        self.net.initialize(self.device)
        self.use_iou_net = self.params.use_iou_net and self.net.bb_regressor is not None

    @torch.no_grad()
    def initialize(self, image: Image, info: dict[str, Any]) -> dict[str, Any]:
        self.initialize_features()
        self.frame_num = 1
        self.crop_sz = self._crop_size(image)
        self.target = TargetState.from_box(
            info["init_bbox"], image.shape[:2], self.crop_sz, self.params.search_area_scale
        )

        samples = initial_samples(image, self.target, self.crop_sz, self.params, self.generator, self.device)
        backbone = self.net.extract_backbone(samples.crops)
        features = self.net.extract_classification_feat(backbone)
        boxes = samples.boxes
        if self.params.use_augmentation and "dropout" in self.params.augmentation:
            num, probability = self.params.augmentation["dropout"]
            features = torch.cat((features, dropout_features(features[:1], num, probability, self.generator)))
            boxes = torch.cat((boxes, boxes[:1].expand(num, 4)))

        self.classifier = OnlineClassifier(self.net.classifier, self.params, features, boxes)
        self.window = self._output_window(features)
        self.score_map: Array | None = None  # of the last frame, with where it was searched
        self.searched: tuple[Array, float] | None = None
        if self.use_iou_net:
            self._remember_target(backbone, samples.boxes)
        return {"target_bbox": self.target.box(), "object_presence_score": 1.0, "flag": "normal"}

    @torch.no_grad()
    def track(self, image: Image, info: dict[str, Any] | None = None) -> dict[str, Any]:
        self.frame_num += 1
        params = self.params

        # Localize the target in one crop for each scale.
        factors = self._scale_factors()
        crops, area = self._search(image, factors)
        backbone = self.net.extract_backbone(crops)
        features = self.net.extract_classification_feat(backbone)
        scores = self.classifier.classify(features).cpu().numpy()
        found = self._localize(scores, area, factors)
        chosen = found.scale_index
        self.score_map, self.searched = scores[chosen], (area.pos[chosen], float(area.scale[chosen]))

        # Move to it, and estimate its box.
        presence = float(found.score)
        if found.flag != "not_found":
            update_scale = params.update_scale_when_uncertain or found.flag != "uncertain"
            self._move(found, area, factors[chosen] if update_scale else 1.0)
            if self.use_iou_net:
                chosen_backbone = {name: layer[chosen : chosen + 1] for name, layer in backbone.items()}
                self._refine_box(chosen_backbone, area.pos[chosen], area.scale[chosen], update_scale)

        # Learn from it.
        if params.update_classifier and found.flag in ("normal", "hard_negative"):
            box = box_in_crop(self.target.pos, self.target.size, area.pos[chosen], area.scale[chosen], self.crop_sz)
            self.classifier.learn(features[chosen : chosen + 1], box, self.frame_num, found.flag, presence)

        hidden = found.flag == "not_found" and params.output_not_found_box
        box_out = [-1.0] * 4 if hidden else self.target.box()
        return {"target_bbox": box_out, "object_presence_score": presence, "flag": found.flag}

    def panels(self) -> list[Panel]:
        return dimp_panels(self)

    def search_area(self) -> list[float] | None:
        if self.searched is None:
            return None
        (y, x), scale = self.searched
        height, width = scale * np.array(self.crop_sz)
        return [float(x - (width - 1) / 2), float(y - (height - 1) / 2), float(width), float(height)]

    def _crop_size(self, image: Image) -> tuple[int, int]:
        size = self.params.image_sample_size
        height, width = size if isinstance(size, Sequence) else (size, size)
        if self.params.use_image_aspect_ratio:
            stride = self.params.feature_stride
            ratio = np.array(image.shape[:2]) * np.sqrt(height * width / np.prod(image.shape[:2]))
            height, width = (int(extent) for extent in np.rint(ratio / stride) * stride)
        return height, width

    def _scale_factors(self) -> list[float]:
        """The scale factors of this frame."""
        factors = list(self.params.scale_factors)
        others = [factor for factor in factors if factor != 1]
        if not self.params.alternate_scales or not others:
            return factors
        return [1.0, others[self.frame_num % len(others)]]

    def _search(self, image: Image, factors: list[float]) -> tuple[Tensor, SearchArea]:
        """Crops around the previous position, one for each scale factor."""
        patches, positions, scales = [], [], []
        for factor in factors:
            extent = self.target.scale * factor * np.array(self.crop_sz)
            patch, coords = sample_patch(
                image,
                self._search_center(),
                extent,
                self.crop_sz,
                self.params.border_mode,
                self.params.patch_max_scale_change,
                self.device,
            )
            patches.append(patch)
            positions.append(sample_position(coords))
            scales.append(sample_scale(coords, self.crop_sz))
        return torch.cat(patches), SearchArea(np.stack(positions), np.array(scales), self.cell)

    def _search_center(self) -> Array:
        """The position, moved by half a cell where the center of the score map lies between two cells."""
        return self.target.pos + self.odd_offset * self.target.scale * self.cell / 2

    def _localize(self, scores: Array, area: SearchArea, factors: list[float]) -> Localization:
        params = self.params
        scores = preprocess_scores(scores, params.score_preprocess, params.score_filter_ksz)
        if params.scale_penalty != 1:
            penalty = [1.0 if factor == 1 else params.scale_penalty for factor in factors]
            scores = scores * np.array(penalty, scores.dtype)[:, None, None]
        if params.advanced_localization:
            return localize_advanced(scores, area, self.target.pos, self.target.size, params, self.window)
        return localize_simple(scores, area, self.window)

    def _move(self, found: Localization, area: SearchArea, factor: float) -> None:
        if not self.params.use_classifier:
            return
        scale = None
        if not self.use_iou_net and factor != 1:
            scale = self.target.scale * factor**self.params.scale_update_rate
        self.target.move(area.pos[found.scale_index] + found.translation, self.params, scale)

    def _output_window(self, features: Tensor) -> Array | None:
        """Sets what is known of the score map once the features are; returns the Hann window where one is asked for."""
        filter_size = self.classifier.filter.shape[-1]
        height, width = features.shape[-2:]
        self.cell = self.crop_sz[0] / height
        self.odd_offset = (np.array([height, width]) + filter_size) % 2
        if not self.params.window_output:
            return None
        size = (height + (filter_size + 1) % 2, width + (filter_size + 1) % 2)
        if not self.params.use_clipped_window:
            return hann_window(size)
        if self.params.effective_search_area is None:
            raise ValueError("expected effective_search_area with use_clipped_window, found None")
        part = self.params.effective_search_area / self.params.search_area_scale
        return hann_window(size, (int(size[0] * part), int(size[1] * part)))

    def _remember_target(self, backbone: dict[str, Tensor], boxes: Tensor) -> None:
        """IoU-Net modulation of the first frame's target."""
        count = len(boxes) if self.params.iounet_augmentation else 1
        features = self.net.get_backbone_bbreg_feat({name: layer[:count] for name, layer in backbone.items()})
        modulation = self.net.bb_regressor.get_modulation(features, boxes[:count])
        self.modulation = tuple(vector.mean(dim=0, keepdim=True) for vector in modulation)

    def _refine_box(self, backbone: dict[str, Tensor], crop_pos: Array, crop_scale: float, update_scale: bool) -> None:
        params = self.params
        iou_features = self.net.bb_regressor.get_iou_feat(self.net.get_backbone_bbreg_feat(backbone))
        box = box_in_crop(self.target.pos, self.target.size, crop_pos, crop_scale, self.crop_sz).to(self.device)
        proposals = propose_boxes(
            box, params.num_init_random_boxes, params.box_jitter_pos, params.box_jitter_sz, self.generator
        )

        def predict_iou(boxes: Tensor) -> Tensor:
            return self.net.bb_regressor.predict_iou(self.modulation, iou_features, boxes[None])[0]

        boxes, iou = refine_boxes(
            predict_iou,
            proposals,
            params.box_refinement_space,
            params.box_refinement_iter,
            params.box_refinement_step_length,
            params.box_refinement_step_decay,
        )
        selected = select_box(boxes, iou, params.iounet_k, params.maximal_aspect_ratio)
        if selected is None:
            return
        pos, size = box_from_crop(selected[0], crop_pos, crop_scale, self.crop_sz)
        if params.use_iounet_pos_for_learning:
            self.target.pos = pos
        self.target.size = size
        if update_scale:
            self.target.scale = float(np.sqrt(np.prod(size) / np.prod(self.target.base_size)))
