"""CUDA graphs without CUDA: a tape of what is captured is played at every replay."""

import gc
import warnings
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pytracking.features import graphs
from pytracking.features.graphs import GraphCache, capture_cuda, graphs_of
from tests.cuda_graphs import TapeRecorder


def recorded(limit: int = 8) -> tuple[GraphCache, TapeRecorder]:
    recorder = TapeRecorder()
    return GraphCache(recorder, limit, device_type="cpu"), recorder


def sums(a: Tensor, b: Tensor) -> list[Tensor]:
    return [a + b, (a * b).sum()]


def test_replays_compute_what_the_function_does_and_leave_earlier_results_alone() -> None:
    cache, recorder = recorded()
    inputs = [(torch.randn(2, 3), torch.randn(2, 3)) for _ in range(3)]
    results = [cache.run(sums, pair, lambda: "sums") for pair in inputs]
    for pair, result in zip(inputs, results, strict=True):
        for output, expected in zip(result, sums(*pair), strict=True):
            assert torch.equal(output, expected)
    assert (recorder.captures, recorder.replays) == (1, 3)


def test_each_shape_type_layout_and_kind_has_its_own_graph() -> None:
    cache, recorder = recorded()
    image = torch.randn(1, 3, 4, 4)
    for number, variant in enumerate((image, image[..., :2], image.double(), image.mT), start=1):
        for _ in range(2):
            assert torch.equal(cache.run(sums, (variant, variant), lambda: "sums")[0], 2 * variant)
        assert recorder.captures == number
    cache.run(lambda a, b: [a - b], (image, image), lambda: "difference")
    assert recorder.captures == 5


def test_the_layout_in_memory_is_kept() -> None:
    cache, _ = recorded()
    image = torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last)
    layouts = []

    def double(values: Tensor) -> list[Tensor]:
        layouts.append(values.stride())
        return [2 * values]

    (output,) = cache.run(double, [image], lambda: None)
    assert {*layouts, output.stride()} == {image.stride()}


def test_functions_are_called_once_there_are_enough_graphs() -> None:
    cache, recorder = recorded(limit=2)
    for size in (1, 2, 3, 4, 1):
        values = torch.randn(size)
        assert torch.equal(cache.run(sums, (values, values), lambda: "sums")[0], 2 * values)
    assert (recorder.captures, recorder.replays) == (2, 3)


def test_a_failed_capture_is_reported_once_and_none_is_tried_again() -> None:
    def refuse(
        function: Callable[[], Sequence[Tensor]], device: torch.device, warm_ups: int
    ) -> tuple[list[Tensor], Callable[[], None]]:
        raise RuntimeError("operation not permitted when stream is capturing")

    cache = GraphCache(refuse, device_type="cpu")
    values = torch.randn(3)
    with pytest.warns(UserWarning, match="not permitted when stream is capturing"):
        assert torch.equal(cache.run(sums, (values, values), lambda: "sums")[0], 2 * values)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert torch.equal(cache.run(sums, (values, values[:1]), lambda: "sums")[0], values + values[0])


def test_functions_that_change_something_are_called_and_replayed_as_often_as_asked() -> None:
    """The first call warms up; the capture leaves alone what it finds."""
    recorder = TapeRecorder()
    cache = GraphCache(recorder, device_type="cpu", in_place=True)
    total, calls = torch.zeros(3), []

    def add(values: Tensor) -> list[Tensor]:
        calls.append(len(calls))
        total.add_(values)
        return [2 * total]

    for number in range(1, 6):
        (double,) = cache.run(add, [torch.ones(3)], lambda: "add")
        assert torch.equal(double, torch.full((3,), 2.0 * number))
        assert torch.equal(total, double / 2)
    assert (recorder.captures, recorder.replays) == (1, 4)
    assert len(calls) == 2
    cache.forget()
    for _ in range(2):
        cache.run(add, [torch.ones(3)], lambda: "add")
    assert (recorder.captures, recorder.replays) == (2, 5)
    assert torch.equal(total, torch.full((3,), 7.0))


def test_errors_of_the_function_are_its_own() -> None:
    cache, _ = recorded()
    with pytest.warns(UserWarning, match="size of tensor"), pytest.raises(RuntimeError, match="size of tensor"):
        cache.run(sums, (torch.zeros(2), torch.zeros(3)), lambda: "sums")


def test_none_is_used_on_a_cpu() -> None:
    recorder = TapeRecorder()
    values = torch.randn(3)
    assert torch.equal(GraphCache(recorder).run(sums, (values, values), lambda: "sums")[0], 2 * values)
    assert recorder.captures == 0


class Cuda:
    """What `capture_cuda` does to torch.cuda, as a list."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.log: list[Any] = []
        stream = SimpleNamespace(wait_stream=lambda other: self.log.append("wait"))
        graph = SimpleNamespace(
            capture_begin=lambda capture_error_mode: self.log.append("begin"),
            capture_end=lambda: self.log.append("end"),
            replay=lambda: self.log.append("replay"),
        )
        monkeypatch.setattr(torch.cuda, "device", lambda device: nullcontext())
        monkeypatch.setattr(torch.cuda, "stream", lambda stream: nullcontext())
        monkeypatch.setattr(torch.cuda, "current_stream", lambda: stream)
        monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: graph)
        monkeypatch.setattr(graphs, "_capture_stream", lambda device: stream)

    def work(self) -> list[Tensor]:
        self.log.append("work")
        return [torch.zeros(1)]


@pytest.mark.parametrize("warm_ups", [0, 3])
def test_what_is_started_between_begin_and_end_is_captured(warm_ups: int, monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = Cuda(monkeypatch)
    _, replay = capture_cuda(cuda.work, torch.device("cuda:0"), warm_ups)
    replay()
    assert cuda.log == ["wait", *["work"] * warm_ups, "wait", "begin", "work", "end", "replay"]


def test_a_capture_ends_also_where_the_work_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = Cuda(monkeypatch)

    def fail() -> list[Tensor]:
        raise RuntimeError("operation not permitted when stream is capturing")

    with pytest.raises(RuntimeError, match="not permitted"):
        capture_cuda(fail, torch.device("cuda:0"), 0)
    assert cuda.log[-2:] == ["begin", "end"]


def test_graphs_go_with_their_network() -> None:
    network = nn.Linear(2, 2)
    assert graphs_of(network) is graphs_of(network)
    assert graphs_of(network) is not graphs_of(nn.Linear(2, 2))
    before = len(graphs._caches)
    del network
    gc.collect()
    assert len(graphs._caches) < before
