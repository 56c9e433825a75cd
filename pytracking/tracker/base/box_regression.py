"""Ridge regression from the features of a box to the target's box (R-CNN's box regression)."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from ltr.common.boxes import area_ratio, overlap, within
from ltr.common.types import Array
from ltr.data.sampling_options import Range


def regression_targets(boxes: Tensor, target: Tensor) -> Tensor:  # (n, 4), (4,) or (n, 4) -> (n, 4)
    """Offset of the target's center in box sizes, logarithm of its relative size."""
    target = target.view(-1, 4)
    offset = (target[:, :2] + target[:, 2:] / 2 - boxes[:, :2] - boxes[:, 2:] / 2) / boxes[:, 2:]
    return torch.cat((offset, (target[:, 2:] / boxes[:, 2:]).log()), dim=1)


def moved_boxes(boxes: Array, motion: Array) -> Array:  # (n, 4), (n, 4) -> (n, 4)
    """Inverse of `regression_targets`, on the host."""
    centers = boxes[:, :2] + boxes[:, 2:] / 2 + motion[:, :2] * boxes[:, 2:]
    sizes = boxes[:, 2:] * np.exp(motion[:, 2:])
    return np.concatenate((centers - sizes / 2, sizes), axis=1)


def believed_boxes(boxes: Array, moved: Array, overlap_range: Range, area_range: Range) -> Array:  # (n, 4) each
    """The moved boxes, but for those whose overlap with the old one, or their areas' ratio, is out of its range."""
    believed = within(overlap(boxes, moved), overlap_range) & within(area_ratio(boxes, moved), area_range)
    return np.where(believed[:, None], moved, boxes)


@dataclass(frozen=True)
class BoxRegressor:
    """Linear map of features to regression targets, and which results are believed."""

    coefficients: Tensor  # (4, D) float64, on the device of the features
    intercept: Tensor  # (4,)
    overlap_range: Range = (0.6, 1.0)
    area_range: Range = (1.0, 2.0)

    @classmethod
    def fit(
        cls,
        features: Tensor,  # (n, D)
        boxes: Tensor,  # (n, 4), on the host
        target: Tensor,  # (4,), or (n, 4) where the boxes lie in several images
        alpha: float,
        overlap_range: Range = (0.6, 1.0),
        area_range: Range = (1.0, 2.0),
    ) -> Self | None:
        """Regressor trained on the boxes within the ranges; None where there are none.

        The intercept is not penalized; of the two forms of ridge regression that with the smaller matrix is solved.
        """
        targets = target.expand(len(boxes), 4)
        of_boxes, of_targets = boxes.numpy(), targets.numpy()
        is_used = within(overlap(of_boxes, of_targets), overlap_range)
        used = torch.from_numpy(is_used & within(area_ratio(of_boxes, of_targets), area_range))
        if not used.any():
            return None
        rows = used.nonzero()[:, 0].to(features.device)  # known on the host, which then need not ask for their number
        X, Y = features[rows].double().cpu(), regression_targets(boxes[used], targets[used])
        X_mean, Y_mean = X.mean(dim=0), Y.mean(dim=0)
        coefficients = ridge(X - X_mean, Y - Y_mean, alpha)
        intercept = Y_mean - coefficients @ X_mean
        return cls(coefficients.to(features.device), intercept.to(features.device), overlap_range, area_range)

    def motion(self, features: Tensor) -> Tensor:  # (n, D) -> (n, 4) float64, on their device
        return features.double() @ self.coefficients.mT + self.intercept

    def moved(self, motion: Array, boxes: Array) -> Array:  # (n, 4), (n, 4) -> (n, 4)
        """Regressed boxes; a box keeps its place where the result is out of the ranges."""
        return believed_boxes(boxes, moved_boxes(boxes, motion), self.overlap_range, self.area_range)

    def predict(
        self,
        motion: Array,  # (n, 4)
        boxes: Array,  # (n, 4)
        image_sz: tuple[int, int],  # h, w
    ) -> Array:  # (n, 4)
        """Regressed boxes, cut to the image."""
        result = self.moved(motion, boxes)
        # The room is that of the old corner, as in RT-MDNet.
        room = np.array(image_sz[::-1], float) - boxes[:, :2]
        return np.concatenate((result[:, :2].clip(min=0), np.minimum(result[:, 2:], room)), axis=1)


def ridge(X: Tensor, Y: Tensor, alpha: float) -> Tensor:  # (n, D), (n, q) -> (q, D)
    """Coefficients of ridge regression on centered data."""
    n, dim = X.shape
    gram = X @ X.mT if n <= dim else X.mT @ X
    gram.diagonal().add_(alpha)
    if n <= dim:
        transposed: Tensor = X.mT @ torch.linalg.solve(gram, Y, left=True)
    else:
        transposed = torch.linalg.solve(gram, X.mT @ Y)
    return transposed.mT
