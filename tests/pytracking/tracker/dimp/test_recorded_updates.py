"""Online updates as CUDA graphs, without CUDA: a tape of their operations is played in place of them."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from ltr.models.target_classifier.optimizer import BatchGradientDescent, RLSBatchGradientDescent
from pytracking.features.graphs import GraphCache
from pytracking.parameter.dimp._base import bgd, rls
from pytracking.tracker.dimp import recorded_updates
from pytracking.tracker.dimp.params import DiMPParams
from pytracking.tracker.dimp.recorded_updates import RecordedUpdates
from pytracking.tracker.dimp.sample_memory import SampleMemory
from tests.cuda_graphs import TapeRecorder
from tests.ltr.models.target_classifier.test_optimizer import problem
from tests.pytracking.tracker.dimp.test_requests import LITE, alone, start


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> TapeRecorder:
    """Records what updates of the test do on the CPU, which goes about them as if it were a GPU."""
    recorder = TapeRecorder()
    monkeypatch.setattr(
        recorded_updates, "update_graphs", lambda: GraphCache(recorder, device_type="cpu", in_place=True)
    )
    monkeypatch.setattr("rls.base.reads_are_free", lambda device: False)
    return recorder


def float64(optimizer: type[RLSBatchGradientDescent] = RLSBatchGradientDescent, **settings: Any) -> Callable[..., Any]:
    return lambda loss: optimizer(loss, 0.01, dtype=torch.float64, **settings)


OPTIMIZERS: dict[str, tuple[Callable[..., Any], int]] = {  # and the least share of replays, per cent
    "steepest descent": (lambda loss: loss, 90),
    "BGD": (lambda loss: BatchGradientDescent(loss, 0.05, ema_coefficient=0.5), 90),
    "RLS": (float64(max_rank=64), 80),
    "columns run out": (float64(max_rank=20), 60),  # every ten updates: one reads, one warms up for the next graph
    "columns grow": (float64(max_rank=None), 60),
    "dense": (float64(estimator="dense"), 90),
    "reset": (float64(max_rank=20, reset_interval=7, virtual_input_stride=2), 70),
    "forgetting": (float64(beta=0.97), 0),
}


def memory_and_filters(count: int) -> tuple[Any, SampleMemory, Tensor, Iterator[int]]:
    """Loss, memory of 6 slots, 3 of them filled, filter, and the iterations of updates: before each a sample comes."""
    loss, filter, features, boxes = problem()
    memory = SampleMemory(features[:3], boxes[:3], 6)
    generator = torch.Generator().manual_seed(0)

    def iterations() -> Iterator[int]:
        for number in range(count):
            yield 1 if number % 4 == 3 else 2
            feature = torch.randn(features[:1].shape, dtype=features.dtype, generator=generator)
            memory.insert(feature, boxes[number % 3], 0.1)

    return loss, memory, filter, iterations()


@torch.inference_mode()
@pytest.mark.parametrize("name", list(OPTIMIZERS))
def test_replayed_updates_are_those_of_the_optimizer(name: str, recorder: TapeRecorder) -> None:
    make, share = OPTIMIZERS[name]
    loss, memory, filter, iterations = memory_and_filters(60)
    ordinary, optimizer = make(loss), make(loss)
    updates = RecordedUpdates(optimizer, memory)
    filters = [filter, filter]
    for num_iter in iterations:
        arguments = {"feat": memory.features, "bb": memory.boxes, "sample_weight": memory.weights}
        arguments |= {"num_iter": num_iter, "compute_losses": False}
        expected = ordinary(filters[0], **arguments)[0]
        found = updates(filters[1], num_iter)
        filters = [expected, optimizer(filters[1], **arguments)[0] if found is None else found]
        # Sums of some hundred products in another order, and P applied with c (1 - η) for its other number of columns.
        torch.testing.assert_close(filters[1], filters[0], rtol=1e-9, atol=1e-11)
    assert recorder.replays >= 0.6 * share
    if isinstance(optimizer, RLSBatchGradientDescent):
        assert optimizer.P is not None
        assert ordinary.P is not None
        assert optimizer.num_calls == ordinary.num_calls == 60
        torch.testing.assert_close(optimizer.P.to_dense(), ordinary.P.to_dense(), rtol=1e-9, atol=1e-10)


@torch.inference_mode()
def test_each_filter_stays_what_it_was(recorder: TapeRecorder) -> None:
    loss, memory, filter, iterations = memory_and_filters(8)
    updates = RecordedUpdates(BatchGradientDescent(loss, 0.05), memory)
    filters, copies = [filter], [filter.clone()]
    for _ in iterations:
        updated = updates(filters[-1], 2)
        assert updated is not None
        filters.append(updated)
        copies.append(updated.clone())
    assert recorder.replays == 7
    for kept, copy in zip(filters, copies, strict=True):
        assert torch.equal(kept, copy)
    assert all((after - before).abs().max() > 0 for before, after in itertools.pairwise(filters))


@torch.inference_mode()
def test_what_is_wrong_with_an_input_is_raised_by_the_next_update(recorder: TapeRecorder) -> None:
    loss, memory, filter, iterations = memory_and_filters(12)
    optimizer = RLSBatchGradientDescent(loss, 0.01, dtype=torch.float64, max_rank=30)
    updates = RecordedUpdates(optimizer, memory)
    for _ in iterations:
        found = updates(filter, 2)
        filter = optimizer(filter, *memory.slots)[0] if found is None else found
    assert optimizer.P is not None
    before = optimizer.P.to_dense()
    replays = recorder.replays
    features, *_ = memory.slots
    kept = features[5, 2, 4, 4].clone()
    features[5, 2, 4, 4] = torch.nan
    updates(filter, 2)
    assert recorder.replays == replays + 1
    features[5, 2, 4, 4] = kept
    with pytest.raises(ValueError, match=r"finite numbers in x.*in update 13"):
        updates(filter, 2)
    assert torch.equal(optimizer.P.to_dense(), before)
    assert updates(filter, 2) is not None
    assert recorder.replays == replays + 2


def outputs(params: DiMPParams) -> list[dict[str, Any]]:
    return alone(*start([params]), 30)


@pytest.mark.parametrize(
    "params",
    [LITE, bgd(LITE, 0.03, 0.5), rls(LITE, 0.01), rls(LITE, 0.01).replace(rls_max_rank=8)],
    ids=["steepest descent", "BGD with EMA", "RLS", "RLS of few columns"],
)
def test_trackers(params: DiMPParams, recorder: TapeRecorder) -> None:
    params = params.replace(train_skipping=2)
    expected = outputs(params.replace(use_cuda_graphs=False))
    assert recorder.captures == 0
    found = outputs(params)
    assert recorder.replays >= 6
    assert "hard_negative" in {output["flag"] for output in found}  # which takes a graph of its own
    for output, other in zip(found, expected, strict=True):
        assert output["flag"] == other["flag"]
        # Pixels: rounding of a filter of some thousand float32 weights, which moves peaks between cells a little.
        assert output["target_bbox"] == pytest.approx(other["target_bbox"], abs=1e-3)


@pytest.mark.parametrize(("debug", "replays"), [(0, True), (3, False)])
def test_watched_updates_are_not_recorded(debug: int, replays: bool, recorder: TapeRecorder) -> None:
    """Their losses are computed, by lines of Python in between."""
    outputs(LITE.replace(debug=debug))
    assert (recorder.replays > 0) == replays
