"""CUDA graphs: work that a GPU is given in hundreds of small operations, started as one."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

Outputs = Sequence[Tensor]
Replay = Callable[[], None]  # computes the outputs once more, in place, from what the inputs hold by then
Capture = Callable[[Callable[[], Outputs], torch.device, int], tuple[Outputs, Replay]]

LIMIT = 8  # graphs of a network; each has memory of its own
WARM_UPS = 3  # after which libraries have chosen their algorithms, and what is cached is there


def capture_cuda(function: Callable[[], Outputs], device: torch.device, warm_ups: int) -> tuple[Outputs, Replay]:
    """Record what a function starts on a GPU, without doing it. The outputs are undefined before the first replay."""
    with torch.cuda.device(device):
        stream = _capture_stream(device)
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(warm_ups):
                function()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.stream(stream):
            # Not by `torch.cuda.graph`, which first waits for the GPU and gives back all memory that is free, too much
            # for graphs of a few hundred replays. Other threads may go on to use the GPU meanwhile.
            graph.capture_begin(capture_error_mode="thread_local")
            try:
                outputs = function()
            finally:
                graph.capture_end()
    return outputs, graph.replay


@functools.cache
def _capture_stream(device: torch.device) -> torch.cuda.Stream:
    """One for all captures: each stream takes memory for matrix products, up to 32 MiB, and keeps it."""
    return torch.cuda.Stream(device)


@dataclass(frozen=True)
class _Graph:
    inputs: list[Tensor]
    outputs: Outputs
    replay: Replay


class GraphCache:
    """Graphs of functions of tensors on a GPU, each for given shapes; elsewhere the functions are called.

    They are called as well once there are `limit` graphs, and for good, with a warning, where one cannot be captured.
    Functions that change what they use beside their inputs (`in_place`) are never called but to be of use: what warms
    up for the capture is the first call asked for.
    """

    def __init__(
        self,
        capture: Capture = capture_cuda,
        limit: int = LIMIT,
        device_type: str = "cuda",
        in_place: bool = False,
    ) -> None:
        self.capture, self.limit, self.device_type, self.in_place = capture, limit, device_type, in_place
        self.can_capture = True
        self._graphs: dict[Hashable, _Graph] = {}
        self._called: set[Hashable] = set()

    def serves(self, device: torch.device) -> bool:
        """Whether there may be graphs of functions on this device."""
        return self.can_capture and device.type == self.device_type

    def forget(self) -> None:
        """Drop all graphs: what they read has gone or has changed its place."""
        self._graphs.clear()
        self._called.clear()

    def run(self, function: Callable[..., Outputs], inputs: Sequence[Tensor], kind: Callable[[], Hashable]) -> Outputs:
        """`function(*inputs)`, in new memory: of a graph's own outputs nothing is left after its next replay.

        Where `kind()` is equal it must start the same work for inputs of the same shapes. A graph reads whatever else
        the function uses where it was at the capture: that must outlive the graph, and keep its place.
        """
        if not self.serves(inputs[0].device):
            return function(*inputs)
        with torch.inference_mode():
            key = kind(), tuple((tensor.shape, tensor.stride(), tensor.dtype, tensor.device) for tensor in inputs)
            graph = self._graphs.get(key)
            if graph is None:
                graph = self._captured(function, inputs) if self._may_have_one(key) else None
                if graph is None:
                    return function(*inputs)
                self._graphs[key] = graph
            for own, given in zip(graph.inputs, inputs, strict=True):
                own.copy_(given)
            graph.replay()
            return [output.clone() for output in graph.outputs]

    def _may_have_one(self, key: Hashable) -> bool:
        if self.in_place and key not in self._called:
            self._called.add(key)
            return False
        return len(self._graphs) < self.limit

    def _captured(self, function: Callable[..., Outputs], inputs: Sequence[Tensor]) -> _Graph | None:
        own = [tensor.clone() for tensor in inputs]
        try:
            outputs, replay = self.capture(lambda: function(*own), own[0].device, 0 if self.in_place else WARM_UPS)
        except RuntimeError as error:  # what torch raises for CUDA's errors, too
            self.can_capture = False
            warnings.warn(f"no CUDA graph could be captured, work goes on without from here on: {error}", stacklevel=3)
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
