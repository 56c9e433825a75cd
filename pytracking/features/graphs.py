"""CUDA graphs: work that a GPU is given in hundreds of small operations, started as one."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

Outputs = Sequence[Tensor]
Replay = Callable[[], None]  # computes the outputs once more, in place, from what the inputs hold by then
Capture = Callable[[Callable[[], Outputs], torch.device], tuple[Outputs, Replay]]

LIMIT = 8  # graphs of a network; each has memory of its own
WARM_UPS = 3  # after which libraries have chosen their algorithms, and what is cached is there


def capture_cuda(function: Callable[[], Outputs], device: torch.device) -> tuple[Outputs, Replay]:
    """Record what a function starts on a GPU. The outputs are undefined before the first replay."""
    with torch.cuda.device(device):
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UPS):
                function()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        # Other threads may go on to use the GPU meanwhile.
        with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
            outputs = function()
    return outputs, graph.replay


@dataclass(frozen=True)
class _Graph:
    inputs: list[Tensor]
    outputs: Outputs
    replay: Replay


class GraphCache:
    """Graphs of functions of tensors on a GPU, each for given shapes; elsewhere the functions are called.

    They are called as well once there are `limit` graphs, and for good, with a warning, where one cannot be captured.
    """

    def __init__(self, capture: Capture = capture_cuda, limit: int = LIMIT, device_type: str = "cuda") -> None:
        self.capture, self.limit, self.device_type = capture, limit, device_type
        self.can_capture = True
        self._graphs: dict[Hashable, _Graph] = {}

    def run(self, function: Callable[..., Outputs], inputs: Sequence[Tensor], kind: Callable[[], Hashable]) -> Outputs:
        """`function(*inputs)`, in new memory: of a graph's own outputs nothing is left after its next replay.

        Where `kind()` is equal it must start the same work for inputs of the same shapes. A graph reads whatever else
        the function uses where it was at the capture: that must outlive the graph, and keep its place.
        """
        if not self.can_capture or inputs[0].device.type != self.device_type:
            return function(*inputs)
        with torch.inference_mode():
            key = kind(), tuple((tensor.shape, tensor.stride(), tensor.dtype, tensor.device) for tensor in inputs)
            graph = self._graphs.get(key)
            if graph is None:
                graph = self._captured(function, inputs) if len(self._graphs) < self.limit else None
                if graph is None:
                    return function(*inputs)
                self._graphs[key] = graph
            for own, given in zip(graph.inputs, inputs, strict=True):
                own.copy_(given)
            graph.replay()
            return [output.clone() for output in graph.outputs]

    def _captured(self, function: Callable[..., Outputs], inputs: Sequence[Tensor]) -> _Graph | None:
        own = [tensor.clone() for tensor in inputs]
        try:
            outputs, replay = self.capture(lambda: function(*own), own[0].device)
        except RuntimeError as error:  # what torch raises for CUDA's errors, too
            self.can_capture = False
            warnings.warn(
                f"no CUDA graph could be captured, the network runs without from here on: {error}", stacklevel=3
            )
            return None
        return _Graph(own, outputs, replay)


def call(function: Callable[..., Outputs], inputs: Sequence[Tensor], kind: Callable[[], Hashable]) -> Outputs:
    """As `GraphCache.run`, without a graph."""
    return function(*inputs)


_caches: WeakKeyDictionary[nn.Module, GraphCache] = WeakKeyDictionary()


def graphs_of(network: nn.Module) -> GraphCache:
    """The graphs of a network's functions: they read its weights, and go with it."""
    cache = _caches.get(network)
    if cache is None:
        cache = _caches[network] = GraphCache()
    return cache
