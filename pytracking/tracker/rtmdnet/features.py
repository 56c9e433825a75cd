"""Features of boxes, by way of the scenes that they lie in."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ltr.common.transfer import upload
from ltr.common.types import Array, Image
from ltr.data.box_sampling import SMALLEST_SIDE
from ltr.data.scene import Scene, crop, rois_in_scene, scene_around
from pytracking.features.net_wrappers import NetWithBackbone


class RoIFeatures:
    """The network as a map from boxes of an image to features."""

    def __init__(self, net: NetWithBackbone, device: torch.device) -> None:
        self.net: Any = net
        self.device = device

    def of_boxes(self, image: Image, boxes: Tensor, target: Tensor) -> Tensor:  # (n, 4), (4,) -> (n, D)
        """Features in the one scene that holds all boxes, at the scale of the target."""
        if len(boxes) == 0:
            return self.empty(0)
        scene = scene_around(
            boxes, self.target_sides(target), image.shape[:2], self.net.target_size, self.net.scene_multiple
        )
        return self.in_scene(image, scene, boxes)

    def in_scene(self, image: Image, scene: Scene, boxes: Tensor) -> Tensor:  # (n, 4) -> (n, D)
        return self.in_scenes(image, [scene], boxes, torch.zeros(len(boxes), dtype=torch.long))

    @torch.no_grad()
    def in_scenes(
        self,
        image: Image,
        scenes: list[Scene],  # all of one size
        boxes: Tensor,  # (n, 4)
        scene_of_box: Tensor,  # (n,) index
    ) -> Tensor:  # (n, D)
        """Features of boxes in several scenes at once."""
        if len(boxes) == 0:
            return self.empty(0)
        corners = torch.from_numpy(np.stack([scene.box[:2] for scene in scenes]))[scene_of_box]
        scales = torch.from_numpy(np.stack([scene.scale for scene in scenes]))[scene_of_box]
        rois = torch.cat((scene_of_box[:, None], rois_in_scene(boxes, corners, scales)), dim=1)
        crops = crop(image, np.stack([scene.box for scene in scenes]), scenes[0].size, self.device)
        result: Tensor = self.net.extract_roi_features(
            self.net.preprocess_image(crops), upload(rois.float(), self.device)
        )
        return result

    def empty(self, num: int) -> Tensor:  # (num, D)
        return torch.empty(num, self.net.feature_dim, device=self.device)

    def target_sides(self, target: Tensor) -> Array:  # (4,) -> (2,) w, h
        """Size of the target, bounded below like that of all drawn boxes."""
        return np.asarray(np.maximum(target[2:].numpy(), SMALLEST_SIDE))
