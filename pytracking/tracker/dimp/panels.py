"""What the DiMP family can show of its last frame."""

from __future__ import annotations

from collections.abc import Callable

from ltr.common.types import Array
from ltr.models.target_classifier.online import OnlineDescent
from pytracking.tracker.dimp.online_learning import OnlineClassifier
from pytracking.visualization.learning import inverse_correlation_curves
from pytracking.visualization.panels import Bars, Curves, Heatmap, Panel


def dimp_panels(
    classifier: OnlineClassifier,
    read_scores: Callable[[], Array | None],  # score map (H, W) of the last frame
) -> list[Panel]:
    """Scores, sample weights, losses, and what P does to the gradient."""
    learning = LearningPanels(classifier)
    panels = [
        Panel("Score Map", 2, lambda: None if (scores := read_scores()) is None else Heatmap(scores)),
        Panel("Sample Weights", 2, learning.sample_weights),
        Panel("Training Loss", 3, learning.losses),
    ]
    if isinstance(classifier.optimizer, OnlineDescent) and classifier.optimizer.preconditioner is not None:
        panels += [Panel("Gradient", 3, learning.gradients), Panel("Inverse Correlation", 3, learning.inverse)]
    return panels


class LearningPanels:
    """Panels of the online classifier, with what of it has been shown."""

    def __init__(self, classifier: OnlineClassifier) -> None:
        self._classifier = classifier
        self._shown_losses: object = None
        self._shown_gradients: object = None

    def sample_weights(self) -> Bars:
        """Weights of the memory's samples, those of the first frame first."""
        memory = self._classifier.memory
        return Bars(memory.weights.cpu().numpy(), memory.num_initial, ("first frame", "later"))

    def losses(self) -> Curves | None:
        """Loss before each step of the last update and after it."""
        losses = self._classifier.losses
        if losses is self._shown_losses or not losses:
            return None
        self._shown_losses = losses
        return Curves({"loss": [float(loss) for loss in losses]}, is_log=True)

    def gradients(self) -> Curves | None:
        """Norm of the gradient before and after its product with P, at each step of the last update."""
        assert isinstance(self._classifier.optimizer, OnlineDescent)
        norms = self._classifier.optimizer.gradient_norms
        if norms is self._shown_gradients or not norms:
            return None
        self._shown_gradients = norms
        before, after = ([float(pair[place]) for pair in norms] for place in (0, 1))
        return Curves({"|grad L|": before, "|grad L P|": after}, is_log=True)

    def inverse(self) -> Curves | None:
        """Effective rank and trace of P."""
        assert isinstance(self._classifier.optimizer, OnlineDescent)
        P = self._classifier.optimizer.P
        return None if P is None else inverse_correlation_curves({"P": P})
