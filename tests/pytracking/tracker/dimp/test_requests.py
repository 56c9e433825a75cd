"""Runs in lock-step against runs alone: the whole tracker on a small rendered video."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ltr.models.target_classifier.joint import FilterUpdate, update_together
from pytracking.features.net_wrappers import NetWithBackbone
from pytracking.features.preprocessing import crop_geometry
from pytracking.parameter.dimp._base import bgd, rls
from pytracking.tracker.base.lockstep import Request, run_together
from pytracking.tracker.dimp import requests
from pytracking.tracker.dimp.dimp import DiMP
from pytracking.tracker.dimp.params import DiMPParams
from pytracking.tracker.dimp.requests import Crops, Extraction, Location, Update
from tests.paper_cuda import DEVICE, paper_cuda
from tests.pytracking.tracker.dimp.test_dimp import SMALL, frame, iou_net_params, path

LITE = DiMPParams(
    net=NetWithBackbone(architecture="dimpnet_lite0"),
    use_iou_net=False,
    image_sample_size=12 * 16,
    search_area_scale=3.5,
    scale_factors=[0.97, 1.0, 1.03],
    target_not_found_threshold=0.1,
    hard_sample_threshold=0.8,  # some runs learn from hard negatives when others do not learn
    train_skipping=4,
    **SMALL,
)


def start(params: Sequence[DiMPParams]) -> list[DiMP]:
    """One tracker for each, with seeds 0, 1, ..."""
    trackers = [DiMP(each) for each in params]
    for seed, tracker in enumerate(trackers):
        tracker.seed(seed)
    return trackers


def together(trackers: list[DiMP], frames: int) -> list[list[dict[str, Any]]]:
    """Outputs of each tracker, frame by frame."""
    info = {"init_bbox": [*path(0), 40, 40]}
    outputs: list[Any] = [run_together([tracker.initialize_steps(frame(*path(0)), info) for tracker in trackers])]
    for t in range(1, frames):
        image = frame(*path(t), visible=t != 7)
        outputs.append(run_together([tracker.track_steps(image) for tracker in trackers]))
    return [list(of_tracker) for of_tracker in zip(*outputs, strict=True)]


def alone(tracker: DiMP, frames: int) -> list[dict[str, Any]]:
    return together([tracker], frames)[0]


@pytest.mark.parametrize("shared_updates", [False, True], ids=["", "shared_updates"])
@pytest.mark.parametrize(
    "params",
    [[LITE, LITE, bgd(LITE, 0.03, 0.5)], [rls(LITE, 0.01), rls(LITE, 0.01), LITE]],
    ids=["dimp", "rls"],
)
def test_runs_together_have_the_boxes_of_runs_alone(
    params: list[DiMPParams], shared_updates: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Update, "_is_shared", lambda request: shared_updates)  # as on a GPU
    updates: list[int] = []

    def counted(together: Sequence[FilterUpdate], num_iter: int) -> list[Tensor | Exception]:
        updates.append(len(together))
        return update_together(together, num_iter)

    monkeypatch.setattr(requests, "update_together", counted)
    singles = [alone(tracker, 10) for tracker in start(params)]
    batched = together(start(params), 10)
    assert (2 in updates) == shared_updates
    assert {output["flag"] for outputs in singles for output in outputs} >= {"normal", "hard_negative", "not_found"}
    for single, batch in zip(singles, batched, strict=True):
        assert [output["flag"] for output in batch] == [output["flag"] for output in single]
        # Rounding (1e-7 of a score) reaches the filter; the scores choose among the same few cells and scales.
        np.testing.assert_allclose(*values("object_presence_score", single, batch), rtol=1e-4)
        np.testing.assert_allclose(*values("target_bbox", single, batch), atol=1e-3)


@pytest.mark.parametrize(
    "changes",
    [{}, {"box_refinement_space": "relative", "box_refinement_step_length": (2.5e-3, 1e-2)}],
    ids=["default", "relative"],
)
def test_boxes_are_refined_together(changes: dict[str, Any]) -> None:
    """Random weights make the predicted IoU steep, so that rounding grows from frame to frame: two frames tell all."""
    params = [iou_net_params().replace(**changes)] * 3
    singles = [alone(tracker, 3) for tracker in start(params)]
    batched = together(start(params), 3)
    assert len({str(outputs[1]["target_bbox"]) for outputs in singles}) == 3
    for single, batch in zip(singles, batched, strict=True):
        np.testing.assert_allclose(*values("target_bbox", single, batch), rtol=1e-3)


def test_work_is_shared_where_it_is_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where runs go apart: only those that update at a frame do, and those with as many iterations together."""
    answered: dict[str, list[int]] = {}
    for cls in (Extraction, Location, Update):
        count(cls, answered.setdefault(cls.__name__, []), monkeypatch)
    params = iou_net_params()
    trackers = start([params, params.replace(net_opt_update_iter=1), params.replace(train_skipping=1000), params])
    together(trackers, 3)
    assert answered["Extraction"] == [4, 4, 4]
    assert answered["Location"] == [4, 4]
    assert answered["Update"] == [2, 1]


def test_an_update_that_fails_is_not_done_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    trackers = start([LITE] * 3)
    together(trackers, 2)
    calls: list[int] = []

    def update(place: int, num_iter: int) -> None:
        calls.append(place)
        if place == 1:
            raise ArithmeticError("P is lost")

    for place, tracker in enumerate(trackers):
        monkeypatch.setattr(tracker.classifier, "update", partial(update, place))
    ends = Update.answer([Update(tracker.classifier, 1) for tracker in trackers])
    assert [type(end) for end in ends] == [type(None), ArithmeticError, type(None)]
    assert calls == [0, 1, 2]


def test_large_batches_go_through_the_network_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    net = LITE.net
    assert net is not None
    net.initialize("cpu")
    crops = torch.rand(7, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 255
    with torch.no_grad():
        (whole,) = Extraction.answer([Extraction(net, crops)])
        monkeypatch.setattr(requests, "BATCH_ON_CPU", 3)
        parts = Extraction.answer([Extraction(net, crops[:2]), Extraction(net, crops[2:])])
    for result, place in zip(parts, (slice(2), slice(2, None)), strict=True):
        torch.testing.assert_close(result[1], whole[1][place])
        torch.testing.assert_close(result[0]["layer3"], whole[0]["layer3"][place])


@pytest.mark.parametrize(("device", "runs", "ways"), [("cpu", 3, "ccc"), (DEVICE, 1, "c"), (DEVICE, 3, "t")])
def test_a_gpu_gets_the_image_where_more_is_cut_out_of_it(
    device: str, runs: int, ways: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = []

    def logged(letter: str, function: Callable[..., Tensor]) -> Callable[..., Tensor]:
        return lambda *args: (taken.append(letter), function(*args))[1]

    monkeypatch.setattr(requests, "crop", logged("c", requests.crop))
    monkeypatch.setattr(requests, "crop_together", logged("t", requests.crop_together))
    image = frame(*path(0))  # of 240 x 320 pixels
    geometry = crop_geometry(np.array(image.shape[:2]), np.array([100.0, 150.0]), np.array([170.0, 180.0]), (160, 160))
    with paper_cuda(monkeypatch):
        crops = Crops.answer([Crops(image, [geometry], (160, 160), torch.device(device), "torch")] * runs)
    assert "".join(taken) == ways
    assert [(each.shape, each.device.type) for each in crops if isinstance(each, Tensor)] == [
        ((1, 3, 160, 160), torch.device(device).type)
    ] * runs


def count(cls: type[Request[Any]], sizes: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Append the number of requests of each answer."""
    answer = cls.answer

    def counted(requests: Sequence[Any]) -> list[Any]:
        sizes.append(len(requests))
        return answer(requests)

    monkeypatch.setattr(cls, "answer", counted)


def values(name: str, *runs: list[dict[str, Any]]) -> list[list[Any]]:
    return [[output[name] for output in outputs] for outputs in runs]
