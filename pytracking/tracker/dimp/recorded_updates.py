"""Online updates of the filter as CUDA graphs."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from torch import Tensor

from ltr.models.target_classifier.recordable import RecordableUpdate
from pytracking.features.graphs import GraphCache
from pytracking.tracker.dimp.sample_memory import SampleMemory


def update_graphs() -> GraphCache:
    return GraphCache(in_place=True)


class RecordedUpdates:
    """Updates of one target's filter, one graph for each number of iterations.

    Their shapes do not change: they run over all slots of the memory, of which those that are free have no weight, and
    over all columns of P. Features and P are read where they lie, and P is updated there.
    """

    def __init__(self, optimizer: RecordableUpdate, memory: SampleMemory) -> None:
        self.optimizer, self.memory = optimizer, memory
        self.graphs = update_graphs()
        self._recorded_for: Hashable = None

    def __call__(self, filter: Tensor, num_iter: int) -> Tensor | None:
        """The new filter (1, C, k, k), or None where no graph can be used for this update, and nothing has happened.

        Raises:
            As the optimizer.
        """
        if not self.graphs.serves(filter.device):
            return None
        state = self.optimizer.begin_update()
        if state is None:
            return None
        if state != self._recorded_for:
            self.graphs.forget()
            self._recorded_for = state
        features, boxes, weights = self.memory.slots

        def update(filter: Tensor, boxes: Tensor, weights: Tensor) -> Sequence[Tensor]:
            return self.optimizer.update_on_device(filter, features, boxes, weights, num_iter)

        updated, *left = self.graphs.run(update, [filter, boxes, weights], lambda: num_iter)
        self.optimizer.end_update(left)
        return updated
