"""Training of MDNet networks: target against background in every video, and the targets against each other."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ltr.actors.base import Actor, Loss
from ltr.models.loss.mdnet_loss import binary_classification_loss, instance_embedding_loss
from ltr.models.tracking.mdnet import RoIFeatureNet


class MDNetActor(Actor):
    """The loss of RT-MDNet (Jung et al., ECCV 2018, Eq. 8): binary cross-entropy + weight x instance embedding.

    Every training video is a domain with a branch of its own. A batch holds `images` (B, 3, H, W) uint8, `domain` (B,)
    of each image, `rois` (R, 5) and `labels` (R,), 1 for the target.
    """

    iteration: Tensor

    def __init__(
        self,
        net: RoIFeatureNet,
        *,
        embedding_weight: float = 0.1,
        embedding_from: int = 0,  # iterations before it counts
        embedding_domains: int = 100,  # that a target is told from, drawn anew every iteration
    ) -> None:
        super().__init__(net)
        self.embedding_weight = embedding_weight
        self.embedding_from = embedding_from
        self.embedding_domains = embedding_domains
        # In the state dict, so that a training that is taken up again goes on counting.
        self.register_buffer("iteration", torch.zeros((), dtype=torch.int64))

    def forward(self, batch: Mapping[str, Any]) -> Loss:
        """Total loss; statistics: its terms, and the share of samples of either kind that are classified rightly."""
        rois, is_target = batch["rois"], batch["labels"] == 1
        features = self.net.extract_roi_features(self.normalize(batch["images"]), rois)
        embeds = self.embedding_weight > 0 and int(self.iteration) >= self.embedding_from
        self.iteration += self.training
        domains, column = self._domains(batch["domain"][rois[:, 0].long()], with_others=embeds)
        logits = self.net.domain_logits(self.net.hidden_features(features), domains).float()  # (R, K, 2)
        own = logits[torch.arange(len(logits), device=logits.device), column]

        bce = binary_classification_loss(own[is_target], own[~is_target])
        embedding = bce.new_zeros(())
        if embeds:
            embedding = self.embedding_weight * instance_embedding_loss(logits[is_target][:, :, 1], column[is_target])
        total = bce + embedding
        right = (own[:, 1] > own[:, 0]) == is_target
        stats = {
            "loss/total": total,
            "loss/bce": bce,
            "loss/embedding": embedding,
            "accuracy/positive": _share(right[is_target]),
            "accuracy/negative": _share(right[~is_target]),
        }
        return total, {name: value.detach() for name, value in stats.items()}

    def _domains(self, own: Tensor, with_others: bool) -> tuple[Tensor, Tensor]:
        """Branches to compute (K,), and the place (R,) of each sample's own one among them."""
        domains, column = own.unique(return_inverse=True)
        if with_others:
            order = torch.randperm(len(self.net.branches)).to(own.device)
            others = order[~torch.isin(order, domains)]
            domains = torch.cat((domains, others[: max(self.embedding_domains - len(domains), 0)]))
        return domains, column


def _share(right: Tensor) -> Tensor:
    return right.float().mean() if len(right) else right.new_zeros((), dtype=torch.float32)
