"""The classifier of a network with a common backbone, in the style of pytracking's DiMP: no scales, no boxes."""

import torch

import ltr.data.bounding_box_utils as bbutils
from pytracking import TensorList, dcf
from pytracking.features import augmentation
from pytracking.features.preprocessing import numpy_to_torch, sample_patch_multiscale, sample_patch_transformed
from pytracking.tracker.base import BaseTracker
from pytracking.utils.plotting import plot_graph


class NetFilter(BaseTracker):
    multiobj_mode = "parallel"

    def initialize_features(self):
        if not getattr(self, "features_initialized", False):
            self.params.net.initialize()
        self.features_initialized = True

    def initialize(self, image, info: dict) -> dict:
        self.initialize_features()
        self.net = self.params.net

        self.frame_num = 1
        state = info["init_bbox"]
        self.pos = torch.Tensor([state[1] + (state[3] - 1) / 2, state[0] + (state[2] - 1) / 2])
        self.target_sz = torch.Tensor([state[3], state[2]])

        sz = self.params.image_sample_size
        self.img_sample_sz = torch.Tensor([sz, sz] if isinstance(sz, int) else sz)
        search_area = torch.prod(self.target_sz * self.params.search_area_scale).item()
        self.target_scale = (search_area / self.img_sample_sz.prod().item()) ** 0.5

        T = [
            augmentation.Identity(self.img_sample_sz.long().tolist()),
            augmentation.FlipHorizontal(self.img_sample_sz.long().tolist()),
        ]
        im_patches = sample_patch_transformed(
            numpy_to_torch(image), self.pos.round(), self.target_scale, self.img_sample_sz, T
        )
        with torch.no_grad():
            x = self.net.extract_classification_feat(self.net.extract_backbone(im_patches))
            self.target_filter, _, losses = self.net.classifier.get_filter(
                x, self.target_boxes(len(T)), num_iter=self.params.net_opt_iter
            )
        self.losses = torch.stack(losses)
        self.training_samples = TensorList([x])

        return {"filter_sz": list(self.target_filter.shape[-2:])}

    def track(self, image, info: dict | None = None) -> dict:
        self.frame_num += 1
        im_patches, coords = sample_patch_multiscale(
            numpy_to_torch(image),
            self.pos,
            self.target_scale,
            self.img_sample_sz,
            self.params.get("border_mode", "replicate"),
        )
        with torch.no_grad():
            test_x = self.net.extract_classification_feat(self.net.extract_backbone(im_patches))
            scores = self.net.classifier.classify(self.target_filter, test_x).squeeze(1)

        max_score, max_disp = dcf.max2d(scores)
        centre = (torch.Tensor(list(scores.shape[-2:])) - 1) / 2
        cell = (coords[0, 2:] - coords[0, :2]).float() / torch.Tensor(list(test_x.shape[-2:]))
        sample_pos = (coords[0, :2] + coords[0, 2:] - 1).float() / 2
        self.pos = sample_pos + (max_disp[0].float() - centre) * cell

        if self.visdom is not None:
            self.visdom.register(scores, "heatmap", 2, "Score Map")
            self.visdom.register(self.losses, "lineplot", 3, "Training Loss")
        elif self.params.debug >= 3:
            plot_graph(self.losses, 10, title="Training Loss")

        new_state = torch.cat((self.pos[[1, 0]] - (self.target_sz[[1, 0]] - 1) / 2, self.target_sz[[1, 0]]))
        return {"target_bbox": new_state, "object_presence_score": max_score[0]}

    def target_boxes(self, num):
        """The target in the middle of each sample, x, y, w, h."""
        sz = self.target_sz[[1, 0]] / self.target_scale
        box = torch.cat(((self.img_sample_sz[[1, 0]] - sz) / 2, sz))
        return bbutils.rel_to_rect(bbutils.rect_to_rel(box)).expand(num, 4).contiguous()
