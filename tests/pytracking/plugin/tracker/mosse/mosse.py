"""Correlation filters of gray values and of edges, in the Fourier domain, in the style of pytracking's trackers."""

import time

import torch

from pytracking import TensorList, complex, dcf, fourier
from pytracking.features import augmentation
from pytracking.features.preprocessing import numpy_to_torch, sample_patch_multiscale, sample_patch_transformed
from pytracking.tracker.base import BaseTracker
from pytracking.utils.plotting import show_tensor


class Mosse(BaseTracker):
    multiobj_mode = "parallel"

    def initialize(self, image, info: dict) -> dict:
        tic = time.time()
        if not self.params.has("device"):
            self.params.device = "cuda" if self.params.use_gpu else "cpu"

        self.frame_num = 1
        state = info["init_bbox"]
        self.pos = torch.Tensor([state[1] + (state[3] - 1) / 2, state[0] + (state[2] - 1) / 2])
        self.target_sz = torch.Tensor([state[3], state[2]])
        self.target_scale = 1.0

        self.img_sample_sz = torch.Tensor([self.params.image_sample_size, self.params.image_sample_size])
        search_area = torch.prod(self.target_sz * self.params.search_area_scale).item()
        self.base_scale = (search_area / self.img_sample_sz.prod().item()) ** 0.5

        self.window = dcf.hann2d(self.img_sample_sz.long()).to(self.params.device)
        sigma = self.params.output_sigma_factor * self.img_sample_sz
        label = dcf.label_function_spatial(self.img_sample_sz.long(), sigma).to(self.params.device)
        self.label = fourier.cfft2(label)

        patches = sample_patch_transformed(
            self.tensor(image), self.pos, self.base_scale, self.img_sample_sz, self.transforms()
        )
        self.numerator, self.denominator = self.learn(patches)
        self.time = time.time() - tic

    def track(self, image, info=None) -> dict:
        self.debug_info = {}
        self.frame_num += 1
        self.debug_info["frame_num"] = self.frame_num

        im = self.tensor(image)
        scales = self.target_scale * self.base_scale * torch.Tensor(self.params.scale_factors)
        patches, coords = sample_patch_multiscale(im, self.pos, scales, self.img_sample_sz)
        scores = self.localize(patches)

        max_score, max_pos = dcf.max2d(scores)
        _, scale_ind = torch.max(max_score[:, 0], dim=0)
        coord = coords[scale_ind].float()
        cell = (coord[2:] - coord[:2]) / self.img_sample_sz
        disp = max_pos[scale_ind, 0].float().cpu() - (self.img_sample_sz - 1) / 2
        self.pos = (coord[:2] + coord[2:] - 1) / 2 + disp * cell
        self.target_scale *= self.params.scale_factors[scale_ind]
        self.debug_info["max_score"] = max_score[scale_ind, 0].item()

        if self.visdom is not None:
            self.visdom.register(scores[scale_ind, 0], "heatmap", 2, "Score Map")
            self.visdom.register(self.debug_info, "info_dict", 1, "Filter")
        elif self.params.debug >= 2:
            show_tensor(scores[scale_ind, 0], 5, title="Max score")

        if self.params.get("update", True):
            patch, _ = sample_patch_multiscale(im, self.pos, self.target_scale * self.base_scale, self.img_sample_sz)
            numerator, denominator = self.learn(patch)
            lr = self.params.learning_rate
            self.numerator = (1 - lr) * self.numerator + lr * numerator
            self.denominator = (1 - lr) * self.denominator + lr * denominator

        sz = self.target_sz * self.target_scale
        new_state = torch.cat((self.pos[[1, 0]] - (sz[[1, 0]] - 1) / 2, sz[[1, 0]]))
        return {"target_bbox": new_state.tolist(), "object_presence_score": self.debug_info["max_score"]}

    def tensor(self, image):
        return numpy_to_torch(image).to(self.params.device)

    def transforms(self):
        out_sz = self.img_sample_sz.long().tolist()
        T = [augmentation.Identity(out_sz)]
        T.extend([augmentation.Rotate(angle, out_sz) for angle in self.params.augmentation["rotate"]])
        if "blur" in self.params.augmentation:
            T.extend([augmentation.Blur(sigma, out_sz) for sigma in self.params.augmentation["blur"]])
        return T

    def features(self, patches):
        """Gray values and edges, each (N, 1, H, W)."""
        gray = patches.mean(dim=1, keepdim=True)
        edges = (gray.roll(1, 2) - gray).abs() + (gray.roll(1, 3) - gray).abs()
        x = TensorList([gray, edges])
        mean, std = x.mean((2, 3), keepdim=True), x.std((2, 3), keepdim=True)
        return fourier.cfft2((x - mean) / (std + 1e-5) * self.window)

    def learn(self, patches):
        xf = self.features(patches)
        numerator = complex.mult_conj(TensorList([self.label] * len(xf)), xf).mean(0, keepdim=True)
        return numerator, complex.abs_sqr(xf).mean(0, keepdim=True)

    def localize(self, patches):
        filters = complex.div(self.numerator, self.denominator + self.params.filter_reg)
        responses = fourier.cifft2(
            complex.mult(filters, self.features(patches)), signal_sizes=self.img_sample_sz.long().tolist()
        )
        return sum(self.params.features.weights * responses)
