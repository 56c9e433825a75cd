"""What the RT-MDNet family can show of its last frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytracking.visualization.learning import inverse_correlation_curves
from pytracking.visualization.panels import Bars, Curves, Panel
from rls import RLSSGD

if TYPE_CHECKING:
    from pytracking.tracker.rtmdnet.rtmdnet import RTMDNet


class RTMDNetPanels:
    """Panels of candidates and of the online classifier, with what of it has been shown."""

    def __init__(self, tracker: RTMDNet) -> None:
        self._tracker = tracker
        self._shown_losses: object = None

    def panels(self) -> list[Panel]:
        """Scores, losses, and P of each layer."""
        panels = [Panel("Candidate Scores", 2, self._scores), Panel("Training Loss", 3, self._losses)]
        if isinstance(self._tracker.classifier.optimizer, RLSSGD):
            panels.append(Panel("Inverse Correlation", 3, self._inverses))
        return panels

    def _scores(self) -> Bars | None:
        """Scores of the candidates, highest first; those that the box is the mean of are marked."""
        if self._tracker.scores is None:
            return None
        scores = np.sort(self._tracker.scores.cpu().numpy())[::-1]
        return Bars(scores, self._tracker.params.num_best, ("used", "others"))

    def _losses(self) -> Curves | None:
        """Loss before each step of the last update."""
        losses = self._tracker.classifier.losses
        if losses is self._shown_losses or losses is None:
            return None
        self._shown_losses = losses
        return Curves({"loss": losses.tolist()}, is_log=True)

    def _inverses(self) -> Curves:
        optimizer = self._tracker.classifier.optimizer
        assert isinstance(optimizer, RLSSGD)
        matrices = {f"fc{number}": layer.inverse_correlation for number, layer in enumerate(optimizer.layers, start=4)}
        return inverse_correlation_curves(matrices)
