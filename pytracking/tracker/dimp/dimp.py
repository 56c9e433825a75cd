"""The DiMP tracker: discriminative model prediction with online learning (Algorithm 2), and a box estimator.

The numbers of steps are those of Algorithm 2 in the paper. Its RLS is one choice of the online optimizer, whose loop
is in `ltr/models/target_classifier/online.py`.
"""

from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from ltr.common.transfer import upload
from ltr.common.types import Array, Image
from ltr.inference import in_float32
from pytracking.tracker.base import BaseTracker
from pytracking.tracker.dimp.box_refinement import IoUBoxes
from pytracking.tracker.dimp.first_frame import InitialSamples, dropout_features, initial_samples
from pytracking.tracker.dimp.iou_adaptation import fit_predictor, scaled_views
from pytracking.tracker.dimp.localization import (
    Flag,
    Localization,
    SearchArea,
    hann_window,
    localize,
    preprocess_scores,
)
from pytracking.tracker.dimp.online_learning import OnlineClassifier
from pytracking.tracker.dimp.panels import dimp_panels
from pytracking.tracker.dimp.params import DiMPParams
from pytracking.tracker.dimp.redetection import Find, Presence, Redetection
from pytracking.tracker.dimp.ridge_boxes import RidgeBoxes
from pytracking.tracker.dimp.search import CropArea, crop_size, scale_factors
from pytracking.tracker.dimp.state import CropView, TargetState
from pytracking.visualization.panels import Panel

Features = dict[str, Tensor]

# Images that go through the network at a time. On a CPU the layers of one image fit into the cache, those of many do
# not; on a GPU the limit keeps the first frame, of a dozen crops, within its memory.
BATCH_ON_CPU = 4
BATCH_ON_DEVICE = 64


class BoxEstimator(Protocol):
    """Gives a target that was localized its box: `IoUBoxes`, `RidgeBoxes`."""

    def refine(self, target: TargetState, view: CropView, backbone: Features, score: float) -> Array | None:
        """Give the target its new size, and return its new position (2,), from the layers of the crop it is in.

        None where there is no box that can be believed; nothing has changed then.
        """


class DiMP(BaseTracker):
    """The whole family: the parameter file chooses network, box estimation and online optimizer."""

    params_class = DiMPParams
    params: DiMPParams

    def initialize_features(self) -> None:
        if self.params.net is None:
            raise ValueError("expected a network in the parameter 'net', found None")
        self.net: Any = self.params.net
        self.net.initialize(self.device, self.params.network_dtype, self.params.network_form)
        self.box_estimator = self.params.choose_box_estimator(self.net.bb_regressor is not None)
        self.layers: tuple[str, ...] | None = None  # those that the network's heads need
        if self.box_estimator == "ridge":
            self.layers = tuple(sorted({*self.net.output_layers, *self.params.ridge_cells}))

    @in_float32
    @torch.no_grad()
    def initialize(self, image: Image, info: dict[str, Any]) -> dict[str, Any]:
        params = self.params
        self.initialize_features()
        self.frame_num = 1
        self.crop_sz = crop_size(image.shape[:2], params)
        self.target = TargetState.from_box(info["init_bbox"], image.shape[:2], self.crop_sz, params.search_area_scale)

        # 1: the sample set, with augmented samples of the first frame.
        samples = initial_samples(image, self.target, self.crop_sz, params, self.generator, self.device)
        backbone, features = self._extract(samples.crops)
        boxes = samples.boxes
        if params.use_augmentation and "dropout" in params.augmentation:
            num, probability = params.augmentation["dropout"]
            features = torch.cat((features, dropout_features(features[:1], num, probability, self.generator)))
            boxes = torch.cat((boxes, boxes[:1].expand(num, 4)))

        # 2: a first filter, improved by steepest descent.
        seed = self.generator.initial_seed()
        self.classifier = OnlineClassifier(self.net.classifier, params, features, boxes, seed)
        self._lay_out_scores(features)
        self.boxes = self._learn_boxes(image, backbone, samples)
        self.found: Localization | None = None  # in the last frame, with where it was searched
        self.searched: CropArea | None = None
        self.scores: Array | None = None  # (S, H, W)
        self.redetection = Redetection(params) if params.redetection else None
        self.presence = Presence(params)
        return self._output("normal", 1.0)

    @in_float32
    @torch.no_grad()
    def track(self, image: Image, info: dict[str, Any] | None = None) -> dict[str, Any]:
        params = self.params
        self.frame_num += 1
        self.target.image_sz = np.array(image.shape[:2], float)
        if self.redetection is not None and self.redetection.is_lost:
            return self._search(image, self.redetection)

        # 3: find the target. Crops around its last place, one for each scale; their features; the filter's scores.
        area = self._area(image, self.target.pos, self.target.scale, scale_factors(params, self.frame_num))
        backbone, features = self._extract(area.cut(image, self.device, params.patch_resize))
        self.scores = self._read_scores(self.classifier.classify(features), area.factors)
        where = SearchArea(area.pos, area.scale, self.cell)
        found = localize(self.scores, where, self.target.pos, self.target.size, params, self.window)
        self.found, self.searched = found, area

        # Move to it, and refine its box.
        chosen = found.scale_index
        view = area.view(chosen)
        refined_pos: Array | None = None
        if found.flag != "not_found":
            update_scale = params.update_scale_when_uncertain or found.flag != "uncertain"
            if params.use_classifier:
                self._move(found, view, update_scale)
            if self.boxes is not None:
                layers = {name: layer[chosen : chosen + 1] for name, layer in backbone.items()}
                refined_pos = self.boxes.refine(self.target, view, layers, found.score)
            if refined_pos is not None:
                if params.use_iounet_pos_for_learning:
                    self.target.pos = refined_pos
                if update_scale:
                    self.target.follow_size()

        # 4: update the sample set and its weights; every 20th frame and on a hard negative the filter.
        if params.update_classifier and found.flag in ("normal", "hard_negative"):
            box = torch.from_numpy(view.box_of(self.target))
            self.classifier.store(features[chosen : chosen + 1], box, self.frame_num, found.flag, found.score)
            num_iter = self.classifier.iterations_due(self.frame_num, found.flag, found.score)
            if num_iter > 0:
                self.classifier.update(num_iter)
        if refined_pos is not None:
            self.target.pos = refined_pos

        if self.redetection is not None and self.redetection.after_tracking(found.flag != "not_found"):
            self.usual_score = self.classifier.memory.usual_score
            self.kept_filter = self.classifier.kept_filter(params.redetection_kept_score, params.redetection_kept_iter)
        return self._output(found.flag, self.presence.after(found.score))

    def _output(self, flag: str, presence: float) -> dict[str, Any]:
        params = self.params
        hidden = params.output_not_found_box and (flag == "not_found" or presence < params.presence_threshold)
        box = [-1.0] * 4 if hidden else self.target.box()
        rejected = self.classifier.rejected_updates
        return {"target_bbox": box, "object_presence_score": presence, "flag": flag, "rejected_updates": rejected}

    def _search(self, image: Image, redetection: Redetection) -> dict[str, Any]:
        """A frame in which the target is lost: it is looked for, and nothing is learnt."""
        target = self.target
        side = float(np.sqrt(target.size.prod()))
        looks = redetection.looks(target.image_sz, target.pos, target.scale * min(self.crop_sz), side)
        areas = [self._area(image, look.pos, target.scale * look.growth, [1.0]) for look in looks]
        # One by one, as the crops of tracked frames: engines prepare themselves for each size of a batch.
        crops = [area.cut(image, self.device, self.params.patch_resize) for area in areas]
        features = torch.cat([self._extract(crop)[1] for crop in crops])
        filters = (self.classifier.filter, self.kept_filter)
        present, kept = (self._read_scores(self.classifier.classify(features, filter)) for filter in filters)
        self.scores, self.searched = np.minimum(present, kept), areas[0]
        finds = [self._best_place(scores, area) for scores, area in zip(self.scores, areas, strict=True)]
        back = redetection.after_looking(looks, finds, side)
        flag: Flag = "not_found" if back is None else "normal"
        self.found = Localization(flag, 0, float(self.scores[0].max()), np.zeros(2), finds[0].pos - areas[0].pos[0])
        if back is None:
            tiles = [self._box_of(area, 0) for area in areas[1:]]
            return self._output(flag, self.presence.after(0.0)) | {"search": redetection.state, "search_tiles": tiles}
        target.pos = target.inside_image(back.pos, self.params.target_inside_ratio)
        return self._output(flag, self.presence.restart(self.found.score))

    def _best_place(self, scores: Array, area: CropArea) -> Find:  # (H, W)
        cell = np.array(np.unravel_index(scores.argmax(), scores.shape))
        displacement = cell - (np.array(scores.shape) - 1) / 2
        return Find(area.pos[0] + displacement * self.cell * area.scale[0], float(scores.max()) / self.usual_score)

    @property
    def score_map(self) -> Array | None:
        """Scores (H, W) of the last frame's chosen crop."""
        return None if self.found is None or self.scores is None else self.scores[self.found.scale_index]

    def panels(self) -> list[Panel]:
        return dimp_panels(self.classifier, lambda: self.score_map)

    def search_area(self) -> list[float] | None:
        if self.searched is None or self.found is None:
            return None
        return self._box_of(self.searched, self.found.scale_index)

    def _box_of(self, area: CropArea, index: int) -> list[float]:
        y, x = area.pos[index]
        height, width = area.scale[index] * np.array(self.crop_sz)
        return [float(x - (width - 1) / 2), float(y - (height - 1) / 2), float(width), float(height)]

    def _area(self, image: Image, pos: Array, scale: float, factors: list[float]) -> CropArea:
        """Around a position, moved by half a cell where the center of the score map lies between two cells."""
        center = pos + self.odd_offset * scale * self.cell / 2
        return CropArea.around(center, scale, factors, image.shape[:2], self.crop_sz, self.params)

    def _extract(self, crops: Tensor) -> tuple[Features, Tensor]:
        """Backbone features of crops (n, 3, h, w), and the features (n, C, H, W) that the filter sees."""
        extracted = []
        for part in crops.split(BATCH_ON_CPU if crops.device.type == "cpu" else BATCH_ON_DEVICE):
            backbone = self.net.extract_backbone(part, self.layers)
            extracted.append((backbone, self.net.extract_classification_feat(backbone)))
        if len(extracted) == 1:
            return extracted[0]
        layers = {name: torch.cat([backbone[name] for backbone, _ in extracted]) for name in extracted[0][0]}
        return layers, torch.cat([features for _, features in extracted])

    def _read_scores(self, scores: Tensor, factors: list[float] | None = None) -> Array:  # (S, H, W)
        """The scores as the localization sees them, on the host; `factors` are those of the scales, for the penalty."""
        params = self.params
        how = (params.score_preprocess, params.score_filter_ksz, self.classifier.softmax_reg)
        maps = preprocess_scores(scores, *how).cpu().numpy()
        if factors is not None and params.scale_penalty != 1:
            penalty = [1.0 if factor == 1 else params.scale_penalty for factor in factors]
            maps = maps * np.array(penalty, maps.dtype)[:, None, None]
        return maps

    def _move(self, found: Localization, view: CropView, update_scale: bool) -> None:
        """Go where the scores say; without a box estimator the scale is that of the crop (pytracking's rule)."""
        if self.box_estimator == "scales" and update_scale:
            growth = view.scale / self.target.scale
            self.target.take_scale(self.target.scale * growth**self.params.scale_update_rate)
        self.target.pos = self.target.inside_image(view.pos + found.translation, self.params.target_inside_ratio)

    def _lay_out_scores(self, features: Tensor) -> None:
        """What is known of the score maps once the features are."""
        params = self.params
        filter_size = self.classifier.filter.shape[-1]
        height, width = features.shape[-2:]
        self.cell = self.crop_sz[0] / height  # crop pixels
        self.odd_offset = (np.array([height, width]) + filter_size) % 2
        self.window: Array | None = None
        if params.window_output:
            size = (height + (filter_size + 1) % 2, width + (filter_size + 1) % 2)
            effective = None
            if params.use_clipped_window:
                if params.effective_search_area is None:
                    raise ValueError("expected effective_search_area with use_clipped_window, found None")
                part = params.effective_search_area / params.search_area_scale
                effective = (int(size[0] * part), int(size[1] * part))
            self.window = hann_window(size, effective).astype(np.float32)

    def _learn_boxes(self, image: Image, backbone: Features, samples: InitialSamples) -> BoxEstimator | None:
        """The box estimator of the parameter file, taught the target of the first frame."""
        if self.box_estimator == "iou_net":
            return IoUBoxes(self.net, self._modulation(image, backbone, samples), self.params, self.generator)
        if self.box_estimator == "ridge":
            layers, boxes = self._views(image, backbone, samples)
            return RidgeBoxes.fit(layers, boxes, self.crop_sz, self.params, self.generator)
        return None

    def _modulation(self, image: Image, backbone: Features, samples: InitialSamples) -> tuple[Tensor, ...]:
        """What the IoU-Net knows of the first frame's target."""
        boxes = upload(samples.boxes, self.device)
        count = len(samples.exact) if self.params.iounet_augmentation else 1  # the others' boxes are not exact
        features = self.net.get_backbone_bbreg_feat({name: layer[:count] for name, layer in backbone.items()})
        modulation = self.net.bb_regressor.get_modulation(features, boxes[:count])
        learnt = tuple(vector.mean(dim=0, keepdim=True) for vector in modulation)
        if self.params.iounet_adaptation is None:
            return learnt
        layers, views = self._views(image, backbone, samples)
        own = fit_predictor(
            self.net.bb_regressor,
            learnt,
            self.net.get_backbone_bbreg_feat(layers),
            upload(views, self.device),
            self.params.iounet_adaptation,
            self.generator,
        )
        return (*learnt, own)

    def _views(self, image: Image, backbone: Features, samples: InitialSamples) -> tuple[Features, Tensor]:
        """Layers (n, ...) and boxes (n, 4) of the first frame's crops whose box is exact, and of more such crops."""
        views = scaled_views(image, self.target, self.crop_sz, self.generator, self.device)
        more, _ = self._extract(views.crops)
        layers = {name: torch.cat((layer[samples.exact], more[name])) for name, layer in backbone.items()}
        return layers, torch.cat((samples.boxes[samples.exact], views.boxes))
