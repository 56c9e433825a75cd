"""The target filter and its online learning: memory, schedule of updates, and the optimizer of the parameter file."""

import copy
from typing import Any

import torch
from torch import Tensor

from ltr.admin.transfer import upload
from ltr.models.target_classifier.joint import FilterOptimizer, FilterUpdate
from ltr.models.target_classifier.optimizer import BatchGradientDescent, RLSBatchGradientDescent
from pytracking.tracker.dimp.localization import Flag
from pytracking.tracker.dimp.params import DiMPParams
from pytracking.tracker.dimp.recorded_updates import RecordedUpdates
from pytracking.tracker.dimp.sample_memory import SampleMemory

WATCHED_LEVEL = 3  # debug level from which losses and norms of gradients are computed


def make_online_optimizer(params: DiMPParams, steepest_descent: Any) -> FilterOptimizer:
    """Online optimizer of a parameter file, on the loss that the network's steepest descent defines."""
    if params.online_optimizer == "steepest_descent":
        optimizer: FilterOptimizer = steepest_descent
        return optimizer
    settings: dict[str, Any] = {
        "step_length": params.online_step_length,
        "num_iter": params.net_opt_update_iter,
        "ema_coefficient": params.ema_coefficient,
    }
    if params.online_optimizer == "bgd":
        return BatchGradientDescent(steepest_descent, **settings)
    return RLSBatchGradientDescent(
        steepest_descent,
        **settings,
        delta=params.rls_delta,
        beta=params.rls_beta,
        estimator=params.rls_estimator,
        dtype=getattr(torch, params.rls_dtype),
        max_rank=params.rls_max_rank,
        virtual_input_stride=params.rls_virtual_input_stride,
        reset_interval=params.rls_reset_interval,
    )


class OnlineClassifier:
    """Target filter learnt from the first frame's samples and kept up to date."""

    def __init__(
        self,
        classifier: Any,  # the network's
        params: DiMPParams,
        features: Tensor,  # (n, C, H, W) of the first frame
        boxes: Tensor,  # (n, 4) xywh in crop pixels, on the host
    ) -> None:
        self.params = params
        self.classifier = classifier
        steepest_descent = classifier.filter_optimizer
        if params.filter_reg is not None:
            steepest_descent = copy.deepcopy(steepest_descent)  # the network is shared with other trackers
            steepest_descent.filter_reg.fill_(params.filter_reg)
        self.optimizer = make_online_optimizer(params, steepest_descent)
        self.memory = SampleMemory(features, boxes, params.sample_memory_size, params.init_samples_minimum_weight)
        boxes = upload(boxes, features.device)
        filter = classifier.filter_initializer(features, boxes)
        if params.filter_init_zero:
            filter = torch.zeros_like(filter)
        self.watches = params.debug >= WATCHED_LEVEL
        self._records = params.use_cuda_graphs and not self.watches
        self._recorded = RecordedUpdates(self.optimizer, self.memory)
        self.filter, _, self.losses = steepest_descent(  # losses of the last update, while they are watched
            filter, feat=features, bb=boxes, num_iter=params.net_opt_iter, compute_losses=self.watches
        )

    def classify(self, features: Tensor) -> Tensor:  # (S, C, H, W) -> (S, H', W')
        return self.classifier.classify(self.filter, features)

    def store(self, feature: Tensor, box: Tensor, frame_num: int, flag: Flag, score: float) -> int:
        """Store the sample of a frame, feature (1, C, H, W) and, of the host, box (4,).

        Returns the iterations of the update that is due.
        """
        params = self.params
        hard_negative = flag == "hard_negative" and params.hard_negative_learning_rate is not None
        rate = params.hard_negative_learning_rate if hard_negative else params.learning_rate
        if hard_negative or frame_num % params.train_sample_interval == 0:
            self.memory.insert(feature, box, float(rate))  # type: ignore[arg-type]
        return self._iterations(frame_num, hard_negative, score)

    def update(self, num_iter: int) -> None:
        """Improve the filter on what is stored."""
        if self._records and (filter := self._recorded(self.filter, num_iter)) is not None:
            self.filter = filter
            return
        self.filter, _, self.losses = self.optimizer(
            self.filter,
            feat=self.memory.features,
            bb=self.memory.boxes,
            sample_weight=self.memory.weights,
            num_iter=num_iter,
            compute_losses=self.watches,
        )

    def filter_update(self) -> FilterUpdate:
        """What `update` optimizes, for an update together with others."""
        memory = self.memory
        return FilterUpdate(self.optimizer, self.filter, memory.features, memory.boxes, memory.weights)

    def _iterations(self, frame_num: int, hard_negative: bool, score: float) -> int:
        params = self.params
        if hard_negative:
            return params.net_opt_hn_iter
        if params.low_score_opt_threshold is not None and score < params.low_score_opt_threshold:
            return params.net_opt_low_iter
        return params.net_opt_update_iter if (frame_num - 1) % params.train_skipping == 0 else 0
