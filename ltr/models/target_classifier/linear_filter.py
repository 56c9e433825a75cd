"""The target classifier: features, first filter, filter optimizer, and the correlation that gives the scores."""

import torch
from torch import Tensor, nn

from ltr.models.layers.filter import apply_filter


class LinearFilter(nn.Module):
    """Target classifier with one linear filter, learnt from a few samples of the target.

    `filter_initializer(feat, bb)` makes a filter (1, C, k, k), `filter_optimizer(weights, feat=..., bb=...)` improves
    it, `feature_extractor` maps backbone features to those that the filter sees.
    """

    def __init__(
        self,
        filter_size: int,
        filter_initializer: nn.Module,
        filter_optimizer: nn.Module,
        feature_extractor: nn.Module,
    ) -> None:
        super().__init__()
        self.filter_size = filter_size
        self.filter_initializer = filter_initializer
        self.filter_optimizer = filter_optimizer
        self.feature_extractor = feature_extractor

    def extract_classification_feat(self, feat: Tensor) -> Tensor:
        """Features of the filter, (N, C, H, W), from those of the backbone's classification layer."""
        # The filter routines flatten the cells of each channel at every iteration: free only in this layout.
        return self.feature_extractor(feat).contiguous()

    def get_filter(
        self,
        feat: Tensor,  # (N, C, H, W)
        bb: Tensor,  # (N, 4) xywh in crop pixels
        sample_weight: Tensor | None = None,  # (N,)
        num_iter: int | None = None,
        compute_losses: bool = True,
    ) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        """Filter learnt from these samples, its iterates (the first is the initializer's) and the losses."""
        weights = self.filter_initializer(feat, bb)
        return self.filter_optimizer(
            weights, feat=feat, bb=bb, sample_weight=sample_weight, num_iter=num_iter, compute_losses=compute_losses
        )

    def classify(
        self,
        weights: Tensor,  # (1, C, k, k)
        feat: Tensor,  # (N, C, H, W)
    ) -> Tensor:  # (N, H', W'), one cell larger than the features for an even k
        """Target scores of every position."""
        return apply_filter(feat, weights)

    def forward(
        self,
        train_feat: Tensor,  # (I, S, D, H, W) backbone features of I images of each of S sequences
        test_feat: Tensor,  # (J, S, D, H, W)
        train_bb: Tensor,  # (I, S, 4)
    ) -> list[Tensor]:
        """Training pass: scores (J, S, H', W') of the test images for every iterate of each sequence's filter."""
        train, test = (
            self.extract_classification_feat(feat.flatten(0, 1)).unflatten(0, feat.shape[:2])
            for feat in (train_feat, test_feat)
        )
        # The step length divides sums of squares by each other, for which the numbers of mixed precision are too short.
        with torch.autocast(train.device.type, enabled=False):
            train, test = (feat.to(torch.promote_types(feat.dtype, torch.float32)) for feat in (train, test))
            start = torch.stack([self.filter_initializer(train[:, s], train_bb[:, s]) for s in range(train.shape[1])])
            # The sequences differ in nothing but their numbers: one batched call in place of a loop.
            scores = torch.vmap(self._iterate_scores, in_dims=(0, 1, 1, 1), out_dims=2)(start, train, train_bb, test)
        return list(scores)

    def _iterate_scores(
        self,
        weights: Tensor,  # (1, C, k, k)
        train: Tensor,  # (I, C, H, W)
        train_bb: Tensor,  # (I, 4)
        test: Tensor,  # (J, C, H, W)
    ) -> Tensor:  # (iterates, J, H', W')
        _, iterates, _ = self.filter_optimizer(weights, feat=train, bb=train_bb, compute_losses=False)
        return torch.stack([self.classify(iterate, test) for iterate in iterates])
