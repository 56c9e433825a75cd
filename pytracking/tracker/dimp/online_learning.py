"""The target filter and its online learning: memory, schedule of updates, and the optimizer of the parameter file."""

import copy
from typing import Any

import torch
from torch import Tensor

from ltr.common.transfer import upload
from ltr.models.target_classifier.online import OnlineDescent
from pytracking.tracker.dimp.localization import Flag
from pytracking.tracker.dimp.online_optimizers import make_online_optimizer
from pytracking.tracker.dimp.params import DiMPParams
from pytracking.tracker.dimp.sample_memory import SampleMemory

WATCHED_LEVEL = 3  # debug level from which losses and norms of gradients are computed


class OnlineClassifier:
    """Target filter learnt from the first frame's samples and kept up to date."""

    def __init__(
        self,
        classifier: Any,  # the network's
        params: DiMPParams,
        features: Tensor,  # (n, C, H, W) of the first frame
        boxes: Tensor,  # (n, 4) xywh in crop pixels, on the host
        seed: int = 0,  # of what is random in the optimizer
    ) -> None:
        self.params = params
        self.classifier = classifier
        steepest_descent = classifier.filter_optimizer
        if params.filter_reg is not None:
            steepest_descent = copy.deepcopy(steepest_descent)  # the network is shared with other trackers
            steepest_descent.filter_reg.fill_(params.filter_reg)
        self.optimizer = make_online_optimizer(params, steepest_descent)
        if isinstance(self.optimizer, OnlineDescent):
            self.optimizer.reset(seed)
        self.memory = SampleMemory(features, boxes, params.sample_memory_size, params.init_samples_minimum_weight)
        boxes = upload(boxes, features.device)
        filter = classifier.filter_initializer(features, boxes)
        if params.filter_init_zero:
            filter = torch.zeros_like(filter)
        self.watches = params.debug >= WATCHED_LEVEL
        self.filter, _, self.losses = steepest_descent(  # losses of the last update, while they are watched
            filter, feat=features, bb=boxes, num_iter=params.net_opt_iter, compute_losses=self.watches
        )
        self.first_filter = self.filter

    def classify(self, features: Tensor, filter: Tensor | None = None) -> Tensor:  # (S, C, H, W) -> (S, H', W')
        """Scores by a filter, the present one by default."""
        scores: Tensor = self.classifier.classify(self.filter if filter is None else filter, features)
        return scores

    def store(self, feature: Tensor, box: Tensor, frame_num: int, flag: Flag, score: float) -> int | None:
        """Store the sample of a frame, feature (1, C, H, W) and, of the host, box (4,); its slot, None: left out."""
        params = self.params
        hard_negative = self._is_hard_negative(flag)
        rate = params.hard_negative_learning_rate if hard_negative else params.learning_rate
        if hard_negative or frame_num % params.train_sample_interval == 0:
            return self.memory.insert(feature, box, float(rate), score)  # type: ignore[arg-type]
        return None

    def iterations_due(self, frame_num: int, flag: Flag, score: float) -> int:
        """Iterations of the update that is due after a frame; 0: none is."""
        params = self.params
        if self._is_hard_negative(flag):
            return params.net_opt_hn_iter
        if params.low_score_opt_threshold is not None and score < params.low_score_opt_threshold:
            return params.net_opt_low_iter
        return params.net_opt_update_iter if (frame_num - 1) % params.train_skipping == 0 else 0

    def update(self, num_iter: int) -> None:
        """Improve the filter on what is stored (Algorithm 2, from step 4 on)."""
        self.filter, _, self.losses = self.optimizer(
            self.filter,
            feat=self.memory.features,
            bb=self.memory.boxes,
            sample_weight=self.memory.weights,
            num_iter=num_iter,
            compute_losses=self.watches,
        )

    def kept_filter(self, share: float, num_iter: int) -> Tensor:  # (1, C, k, k)
        """The first frame's filter, improved on its samples and on those with that share of the usual score.

        The optimizer is a copy as it is now. That of RLS brings P, in which all inputs so far are, believed or not: in
        their directions this filter stays nearer to the first frame's. The tracker's own P and filter do not change.
        """
        memory = self.memory
        used = memory.believed(share)
        weights = memory.weights[used]
        filter, _, _ = copy.deepcopy(self.optimizer)(
            self.first_filter,
            feat=memory.features[used],
            bb=memory.boxes[used],
            sample_weight=weights / weights.sum(),
            num_iter=num_iter,
            compute_losses=False,
        )
        return filter

    def _is_hard_negative(self, flag: Flag) -> bool:
        return flag == "hard_negative" and self.params.hard_negative_learning_rate is not None
