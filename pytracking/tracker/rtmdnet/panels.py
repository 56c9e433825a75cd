"""What the RT-MDNet family can show of its last frame."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from torch import Tensor

from pytracking.tracker.rtmdnet.fine_tuning import OnlineClassifier
from pytracking.visualization.learning import inverse_correlation_curves
from pytracking.visualization.panels import Bars, Curves, Panel
from rls import RLSSGD


class RTMDNetPanels:
    """Panels of candidates and of the online classifier, with what of it has been shown."""

    def __init__(
        self,
        classifier: OnlineClassifier,
        read_scores: Callable[[], Tensor | None],  # (n,) of the last frame's candidates
        num_best: int,  # candidates that the box is the mean of
    ) -> None:
        self._classifier, self._read_scores, self._num_best = classifier, read_scores, num_best
        self._shown_losses: object = None

    def panels(self) -> list[Panel]:
        """Scores, losses, and P of each layer."""
        panels = [Panel("Candidate Scores", 2, self._scores), Panel("Training Loss", 3, self._losses)]
        if isinstance(self._classifier.optimizer, RLSSGD):
            panels.append(Panel("Inverse Correlation", 3, self._inverses))
        return panels

    def _scores(self) -> Bars | None:
        """Scores of the candidates, highest first; those that the box is the mean of are marked."""
        scores = self._read_scores()
        if scores is None:
            return None
        ordered = np.sort(scores.cpu().numpy())[::-1]
        return Bars(ordered, self._num_best, ("used", "others"))

    def _losses(self) -> Curves | None:
        """Loss before each step of the last update."""
        losses = self._classifier.losses
        if losses is self._shown_losses or losses is None:
            return None
        self._shown_losses = losses
        return Curves({"loss": losses.tolist()}, is_log=True)

    def _inverses(self) -> Curves:
        optimizer = self._classifier.optimizer
        assert isinstance(optimizer, RLSSGD)
        matrices = {f"fc{number}": layer.inverse_correlation for number, layer in enumerate(optimizer.layers, start=4)}
        return inverse_correlation_curves(matrices)
