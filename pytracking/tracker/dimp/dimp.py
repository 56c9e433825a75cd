"""The DiMP tracker: discriminative model prediction with online learning, and IoU-Net boxes or a scale search."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ltr.admin.transfer import upload
from pytracking.features.preprocessing import CropGeometry, crop_geometry, sample_position, sample_scale
from pytracking.tracker.base import LockstepTracker
from pytracking.tracker.dimp.box_refinement import IoUBoxes, draw_jitter, trusted_share
from pytracking.tracker.dimp.first_frame import InitialSamples, dropout_features, initial_samples
from pytracking.tracker.dimp.frame_search import BoxSearch, CropArea, Found, FrameSearch, pack_state
from pytracking.tracker.dimp.iou_adaptation import fit_predictor, scaled_views
from pytracking.tracker.dimp.localization import hann_window
from pytracking.tracker.dimp.online_learning import OnlineClassifier
from pytracking.tracker.dimp.panels import dimp_panels
from pytracking.tracker.dimp.params import DiMPParams
from pytracking.tracker.dimp.requests import Crops, Extraction, Features, Location, Update
from pytracking.tracker.dimp.ridge_boxes import RidgeBoxes
from pytracking.tracker.dimp.state import TargetState, box_from_crop, box_in_crop
from pytracking.utils.types import Array, Image
from pytracking.visualization.panels import Panel


class DiMP(LockstepTracker):
    """The whole family: the parameter file chooses network, box estimation and online optimizer.

    What is awaited is work that several runs of one sequence can share.
    """

    params_class = DiMPParams
    params: DiMPParams
    jitter: Tensor | None = None  # for the next boxes that are refined

    def initialize_features(self) -> None:
        if self.params.net is None:
            raise ValueError("expected a network in the parameter 'net', found None")
        self.net: Any = self.params.net
        self.net.initialize(self.device, self.params.network_dtype)
        self.box_estimator = self.params.choose_box_estimator(self.net.bb_regressor is not None)
        self.use_iou_net = self.box_estimator == "iou_net"
        self.layers: tuple[str, ...] | None = None  # those that the network's heads need
        if self.box_estimator == "ridge":
            self.layers = tuple(sorted({*self.net.output_layers, *self.params.ridge_cells}))

    async def initialize_steps(self, image: Image, info: dict[str, Any]) -> dict[str, Any]:
        self.initialize_features()
        self.frame_num = 1
        self.crop_sz = self._crop_size(image)
        self.target = TargetState.from_box(
            info["init_bbox"], image.shape[:2], self.crop_sz, self.params.search_area_scale
        )

        samples = initial_samples(image, self.target, self.crop_sz, self.params, self.generator, self.device)
        backbone, features = await Extraction(self.net, samples.crops, self.layers)
        boxes = samples.boxes
        if self.params.use_augmentation and "dropout" in self.params.augmentation:
            num, probability = self.params.augmentation["dropout"]
            features = torch.cat((features, dropout_features(features[:1], num, probability, self.generator)))
            boxes = torch.cat((boxes, boxes[:1].expand(num, 4)))

        self.classifier = OnlineClassifier(self.net.classifier, self.params, features, boxes)
        window = self._output_window(features)
        self.found: Found | None = None  # in the last frame, with where it was searched
        self.searched: CropArea | None = None
        boxes_of: BoxSearch | None = None
        if self.box_estimator == "iou_net":
            boxes_of = await self._modulated_iou_net(image, backbone, samples)
        elif self.box_estimator == "ridge":
            boxes_of = await self._fitted_ridge(image, backbone, samples)
        self.search = FrameSearch(self.params, self.crop_sz, self.cell, window, boxes_of)
        return {"target_bbox": self.target.box(), "object_presence_score": 1.0, "flag": "normal"}

    async def track_steps(self, image: Image, info: dict[str, Any] | None = None) -> dict[str, Any]:
        self.frame_num += 1
        params = self.params

        # Localize the target in one crop for each scale, and refine its box.
        geometries, area = self._search_areas(image, self._scale_factors())
        crops = await Crops(image, geometries, self.crop_sz, self.device, params.patch_resize)
        backbone, features = await Extraction(self.net, crops, self.layers, params.use_cuda_graphs)
        layers = self._box_layers(backbone)
        state = pack_state(self.target, area, self._next_jitter(), params.scale_penalty)
        found = await Location(self.net, self.search, self.classifier.filter, features, layers, state)
        self.found, self.searched = found, area
        chosen, presence = found.scale_index, found.score

        # Move to it, and take its box over.
        if found.flag != "not_found":
            update_scale = params.update_scale_when_uncertain or found.flag != "uncertain"
            self._move(found, area, area.factors[chosen] if update_scale else 1.0)
            if self.box_estimator == "iou_net":
                self.jitter = None
                self._take_box(found, area, update_scale)
            elif self.box_estimator == "ridge":
                self._follow_box(found, area, update_scale)

        # Learn from it.
        if params.update_classifier and found.flag in ("normal", "hard_negative"):
            box = box_in_crop(self.target.pos, self.target.size, area.pos[chosen], area.scale[chosen], self.crop_sz)
            feature = features[chosen : chosen + 1]
            num_iter = self.classifier.store(feature, torch.from_numpy(box), self.frame_num, found.flag, presence)
            if num_iter > 0:
                await Update(self.classifier, num_iter)

        hidden = found.flag == "not_found" and params.output_not_found_box
        box_out = [-1.0] * 4 if hidden else self.target.box()
        return {"target_bbox": box_out, "object_presence_score": presence, "flag": found.flag}

    def seed(self, seed: int) -> None:
        super().seed(seed)
        self.jitter = None

    @property
    def score_map(self) -> Array | None:
        """Scores (H, W) of the last frame's chosen crop, read from the device when they are asked for."""
        return None if self.found is None else self.found.scores[self.found.scale_index].cpu().numpy()

    def panels(self) -> list[Panel]:
        return dimp_panels(self)

    def search_area(self) -> list[float] | None:
        if self.searched is None or self.found is None:
            return None
        y, x = self.searched.pos[self.found.scale_index]
        height, width = self.searched.scale[self.found.scale_index] * np.array(self.crop_sz)
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

    def _search_areas(self, image: Image, factors: list[float]) -> tuple[list[CropGeometry], CropArea]:
        """Crops around the previous position, one for each scale factor."""
        params, geometries, positions, scales = self.params, [], [], []
        for factor in factors:
            extent = self.target.scale * factor * np.array(self.crop_sz)
            geometry = crop_geometry(
                np.array(image.shape[:2]),
                self._search_center(),
                extent,
                self.crop_sz,
                params.border_mode,
                params.patch_max_scale_change,
            )
            geometries.append(geometry)
            positions.append(sample_position(geometry.coords))
            scales.append(sample_scale(geometry.coords, self.crop_sz))
        return geometries, CropArea(np.array(positions), np.array(scales), factors)

    def _search_center(self) -> Array:
        """The position, moved by half a cell where the center of the score map lies between two cells."""
        return self.target.pos + self.odd_offset * self.target.scale * self.cell / 2

    def _next_jitter(self) -> Tensor:  # (n, 4)
        """Of the boxes to be refined; a frame in which none are leaves it to the one after, on every device."""
        if self.jitter is None:
            self.jitter = draw_jitter(self.params.num_init_random_boxes if self.use_iou_net else 0, self.generator)
        return self.jitter

    def _move(self, found: Found, area: CropArea, factor: float) -> None:
        if not self.params.use_classifier:
            return
        scale = None
        if self.box_estimator == "scales" and factor != 1:
            scale = self.target.scale * factor**self.params.scale_update_rate
        self.target.move(area.pos[found.scale_index] + found.translation, self.params, scale)

    def _output_window(self, features: Tensor) -> Tensor | None:
        """Sets what is known of the score map once the features are; returns the Hann window where one is asked for."""
        filter_size = self.classifier.filter.shape[-1]
        height, width = features.shape[-2:]
        self.cell = self.crop_sz[0] / height
        self.odd_offset = (np.array([height, width]) + filter_size) % 2
        if not self.params.window_output:
            return None
        size = (height + (filter_size + 1) % 2, width + (filter_size + 1) % 2)
        if not self.params.use_clipped_window:
            return hann_window(size).to(self.device)
        if self.params.effective_search_area is None:
            raise ValueError("expected effective_search_area with use_clipped_window, found None")
        part = self.params.effective_search_area / self.params.search_area_scale
        return hann_window(size, (int(size[0] * part), int(size[1] * part))).to(self.device)

    async def _modulated_iou_net(self, image: Image, backbone: Features, samples: InitialSamples) -> IoUBoxes:
        """IoU-Net with the modulation of the first frame's target."""
        boxes = upload(samples.boxes, self.device)
        count = len(boxes) if self.params.iounet_augmentation else 1
        features = self.net.get_backbone_bbreg_feat({name: layer[:count] for name, layer in backbone.items()})
        modulation = self.net.bb_regressor.get_modulation(features, boxes[:count])
        learnt = tuple(vector.mean(dim=0, keepdim=True) for vector in modulation)
        if self.params.iounet_adaptation is not None:
            views = scaled_views(image, self.target, self.crop_sz, self.generator, self.device)
            more, _ = await Extraction(self.net, views.crops)
            exact = {name: torch.cat((layer[samples.exact], more[name])) for name, layer in backbone.items()}
            own = fit_predictor(
                self.net.bb_regressor,
                learnt,
                self.net.get_backbone_bbreg_feat(exact),
                torch.cat((boxes[samples.exact], upload(views.boxes, self.device))),
                self.params.iounet_adaptation,
                self.generator,
            )
            learnt = (*learnt, own)
        return IoUBoxes(self.net.bb_regressor, learnt, self.params)

    async def _fitted_ridge(self, image: Image, backbone: Features, samples: InitialSamples) -> RidgeBoxes | None:
        views = scaled_views(image, self.target, self.crop_sz, self.generator, self.device)
        more, _ = await Extraction(self.net, views.crops, self.layers)
        exact = {name: torch.cat((layer[samples.exact], more[name])) for name, layer in backbone.items()}
        boxes = torch.cat((samples.boxes[samples.exact], views.boxes))
        return RidgeBoxes.fit(exact, boxes, self.crop_sz, self.params, self.generator)

    def _box_layers(self, backbone: Features) -> list[Tensor]:
        """The layers from which boxes are found."""
        if self.box_estimator == "ridge":
            return [backbone[name] for name in self.params.ridge_cells]
        layers: list[Tensor] = self.net.get_backbone_bbreg_feat(backbone) if self.box_estimator == "iou_net" else []
        return layers

    def _follow_box(self, found: Found, area: CropArea, update_scale: bool) -> None:
        """Move and grow as the box did, as far as the score is trusted."""
        if found.box is None:
            return
        params, crop_scale = self.params, area.scale[found.scale_index]
        crop_pos = area.pos[found.scale_index]
        box = box_in_crop(self.target.pos, self.target.size, crop_pos, crop_scale, self.crop_sz).astype(np.float64)
        moved = np.array(found.box)
        share = trusted_share(found.score, params.box_trust_score)
        motion = (moved[:2] + moved[2:] / 2 - box[:2] - box[2:] / 2)[::-1]
        self.target.move(self.target.pos + share * motion * crop_scale, params)
        growth = (moved[2:] / box[2:])[::-1] ** (share * params.scale_update_rate)
        self.target.size = self.target.size * (np.sqrt(growth.prod()) if params.ridge_keep_aspect else growth)
        if update_scale:
            self.target.follow_size()

    def _take_box(self, found: Found, area: CropArea, update_scale: bool) -> None:
        """Take the refined box over, as far as the score is trusted."""
        if found.box is None:
            return
        params, chosen = self.params, found.scale_index
        pos, size = box_from_crop(found.box, area.pos[chosen], area.scale[chosen], self.crop_sz)
        share = trusted_share(found.score, params.box_trust_score)
        if params.use_iounet_pos_for_learning:
            self.target.pos = self.target.pos + share * (pos - self.target.pos) if share < 1 else pos
        self.target.size = self.target.size * (size / self.target.size) ** share if share < 1 else size
        if update_scale:
            self.target.follow_size()
