"""The target filter and its online learning: memory, schedule of updates, and the optimizer of the parameter file."""

import copy
import functools
import warnings
from typing import Any

import torch
from torch import Tensor

from ltr.common.transfer import upload
from ltr.models.target_classifier.guard import RejectedUpdateWarning, UpdateGuard
from ltr.models.target_classifier.online import FilterLearner, OnlineDescent
from pytracking.tracker.dimp.localization import Flag
from pytracking.tracker.dimp.online_optimizers import make_online_optimizer
from pytracking.tracker.dimp.params import DiMPParams
from pytracking.tracker.dimp.sample_memory import SampleMemory

WATCHED_LEVEL = 3  # debug level from which losses and norms of gradients are computed


LOSS_PARAMETERS = ("softmax_reg", "label_threshold", "label_shrink")  # of PrDiMP's loss, under the network's names


def with_parameters(steepest_descent: Any, params: DiMPParams) -> Any:
    """The network's steepest descent, or a copy of it with what the parameter file replaces.

    Warns of what the network's loss does not have.
    """
    values = {name: getattr(params, name) for name in LOSS_PARAMETERS if getattr(params, name) is not None}
    if params.filter_reg is None and not values:
        return steepest_descent
    changed = copy.deepcopy(steepest_descent)  # the network is shared with other trackers
    if params.filter_reg is not None:
        changed.filter_reg.fill_(params.filter_reg)
        changed.min_filter_reg = params.filter_reg  # as in pytracking: a smaller one counts, too
    for name, value in values.items():
        if hasattr(changed, name):
            setattr(changed, name, value)
        else:
            warnings.warn(f"parameter '{name}' has no effect: it belongs to PrDiMP's loss, not DiMP's", stacklevel=2)
    return changed


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
        self.steepest_descent = with_parameters(classifier.filter_optimizer, params)
        self.softmax_reg: float | None = getattr(self.steepest_descent, "softmax_reg", None)  # of PrDiMP's loss
        self.guard = UpdateGuard(self.steepest_descent) if params.guard_updates else None
        self.optimizer = make_online_optimizer(params, self.steepest_descent)
        if isinstance(self.optimizer, OnlineDescent):
            self.optimizer.reset(seed)
        self.memory = SampleMemory(features, boxes, params.sample_memory_size, params.init_samples_minimum_weight)
        boxes = upload(boxes, features.device)
        filter = classifier.filter_initializer(features, boxes)
        if params.filter_init_zero:
            filter = torch.zeros_like(filter)
        self.filter, self.losses = self._improved(  # losses of the last update, those that were computed
            self.steepest_descent, filter, features, boxes, None, params.net_opt_iter
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
        memory = self.memory
        self.filter, self.losses = self._improved(
            self.optimizer, self.filter, memory.features, memory.boxes, memory.weights, num_iter
        )

    @property
    def rejected_updates(self) -> int:
        """Updates that were undone so far."""
        return 0 if self.guard is None else self.guard.num_rejected

    def kept_filter(self, share: float, num_iter: int) -> Tensor:  # (1, C, k, k)
        """The first frame's filter, improved on its samples and on those with that share of the usual score.

        The optimizer is a copy as it is now. That of RLS brings P, in which all inputs so far are, believed or not: in
        their directions this filter stays nearer to the first frame's. The tracker's own P and filter do not change.
        """
        memory = self.memory
        used = memory.believed(share)
        weights = memory.weights[used]
        filter, _ = self._improved(
            copy.deepcopy(self.optimizer),
            self.first_filter,
            memory.features[used],
            memory.boxes[used],
            weights / weights.sum(),
            num_iter,
        )
        return filter

    def _improved(
        self,
        learner: FilterLearner,
        filter: Tensor,  # (1, C, k, k)
        features: Tensor,  # (N, C, H, W)
        boxes: Tensor,  # (N, 4) xywh in crop pixels
        weights: Tensor | None,  # (N,)
        num_iter: int,
    ) -> tuple[Tensor, list[Tensor]]:
        """The filter after an update, or before it where that is undone, and its losses."""
        learn = learner if self.guard is None else functools.partial(self.guard, learner)
        rejected = self.rejected_updates
        filter, _, losses = learn(
            filter,
            feat=features,
            bb=boxes,
            sample_weight=weights,
            num_iter=num_iter,
            compute_losses=self.params.debug >= WATCHED_LEVEL,
        )
        if rejected == 0 < self.rejected_updates:
            warnings.warn(self._told(learner), RejectedUpdateWarning, stacklevel=3)
        return filter, losses

    def _is_hard_negative(self, flag: Flag) -> bool:
        return flag == "hard_negative" and self.params.hard_negative_learning_rate is not None

    def _told(self, learner: FilterLearner) -> str:
        """What the first update that was undone did, and what to change."""
        assert self.guard is not None
        (before, after), params = self.guard.last, self.params
        name = "steepest_descent" if learner is self.steepest_descent else params.online_optimizer
        remedy = "fewer iterations (net_opt_iter, net_opt_update_iter, net_opt_hn_iter)"
        if name not in ("steepest_descent", "rls_sd"):
            step = f"{params.online_step_length:g}"
            remedy = f"an online_step_length below {step}, or online_optimizer='rls_sd', which needs none"
        return (
            f"an update of the filter by '{name}' took its loss from {before:.6g} to {after:.6g} and was undone; "
            "more of them in this sequence are only counted ('rejected_updates'). Choose "
            f"{remedy}; guard_updates=False keeps every update, as the paper does"
        )
