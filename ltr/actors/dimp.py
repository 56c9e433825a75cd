"""Training of DiMP networks: target classifier and IoU predictor together."""

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ltr.actors.base import Actor, Loss
from ltr.models.loss.kl_regression import kl_regression
from ltr.models.loss.target_classification import lb_hinge
from ltr.models.tracking.dimpnet import DiMPnet, Features


class DiMPActor(Actor):
    """The loss of DiMP (Bhat et al., ICCV 2019, Eq. 10), and of SuperDiMP, whose boxes have densities.

    Scores are judged for the filter of the initializer, the final one, and the mean of those between. A batch holds
    images or the backbone's features of them, under the names `train_images` and `test_images` or `train_features` and
    `test_features`; further `train_boxes`, `test_labels`, and for a network with IoU predictor `proposals` and
    `proposal_iou`. With `proposal_density` and `target_density` the predictor is taught an unnormalized log-density in
    place of the overlap, with the same weight. Images or features come first in every shape, then sequences.
    """

    def __init__(
        self,
        net: DiMPnet,
        *,
        iou_weight: float = 1.0,
        final_weight: float = 100.0,
        initial_weight: float = 100.0,
        intermediate_weight: float = 400.0,
        hinge_threshold: float = 0.05,  # labels below are background
    ) -> None:
        super().__init__(net)
        self.hinge_threshold = hinge_threshold
        self.weights = {
            "loss/iou": iou_weight,
            "loss/clf_final": final_weight,
            "loss/clf_initial": initial_weight,
            "loss/clf_intermediate": intermediate_weight,
        }

    def forward(self, batch: Mapping[str, Any]) -> Loss:
        """Weighted sum of the terms; statistics: weighted terms, distance of the peaks, overlap of chosen proposals."""
        scores, iou = self.net.forward_features(
            self._features(batch, "train"), self._features(batch, "test"), batch["train_boxes"], batch.get("proposals")
        )
        terms, stats = self._classification([s.float() for s in scores], batch["test_labels"])
        if iou is not None:
            terms["loss/iou"] = self._box_loss(iou.float(), batch)
            stats["iou/chosen"] = chosen_overlap(iou, batch["proposal_iou"])
        weighted = {name: self.weights[name] * term for name, term in terms.items()}
        total = torch.stack(list(weighted.values())).sum()
        stats |= {"loss/total": total, **weighted}
        return total, {name: value.detach() for name, value in stats.items()}

    def _box_loss(self, predicted: Tensor, batch: Mapping[str, Any]) -> Tensor:  # (J, S, n)
        if "target_density" in batch:
            return kl_regression(predicted, batch["proposal_density"], batch["target_density"])
        return F.mse_loss(predicted, batch["proposal_iou"])

    def _features(self, batch: Mapping[str, Any], kind: str) -> Features:
        if f"{kind}_features" in batch:
            return {name: feat.to(self.image_mean.dtype) for name, feat in batch[f"{kind}_features"].items()}
        return self.net.extract_sequence_features(self.normalize(batch[f"{kind}_images"]))

    def _classification(
        self,
        scores: list[Tensor],  # (J, S, h, w) of each iterate of the filter
        labels: Tensor,  # (J, S, h, w)
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        losses = [lb_hinge(s, labels, self.hinge_threshold) for s in scores]
        terms = {"loss/clf_final": losses[-1], "loss/clf_initial": losses[0]}
        if len(losses) > 2:
            terms["loss/clf_intermediate"] = torch.stack(losses[1:-1]).mean()
        return terms, {"clf/peak_distance": peak_distance(scores[-1], labels)}


def peak_distance(scores: Tensor, labels: Tensor) -> Tensor:  # (..., h, w) twice -> scalar
    """Mean distance, in cells, between the peaks of score and label maps."""
    width = scores.shape[-1]
    found, wanted = (values.flatten(-2).argmax(dim=-1) for values in (scores, labels))
    rows, columns = found // width - wanted // width, found % width - wanted % width
    return (rows.square() + columns.square()).float().sqrt().mean()


def chosen_overlap(predicted: Tensor, truth: Tensor) -> Tensor:  # (..., n) on -1...1, twice -> scalar on 0...1
    """Mean overlap of the proposals that are predicted to be the best ones of their image."""
    best = predicted.argmax(dim=-1, keepdim=True)
    return (truth.gather(-1, best).mean() + 1) / 2
