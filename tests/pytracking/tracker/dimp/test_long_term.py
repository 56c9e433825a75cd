"""Whole trackers with re-detection, on small rendered videos."""

from typing import Any

import numpy as np
import pytest
import torch

from ltr.inference import prepare
from ltr.models.tracking.dimpnet import dimpnet18
from pytracking.features.net_wrappers import NetWithBackbone
from pytracking.parameter.dimp._base import dimp_lite, lite_long_term, long_term, rls
from pytracking.tracker.dimp.dimp import DiMP
from pytracking.tracker.dimp.params import DiMPParams
from tests.pytracking.tracker.dimp.test_dimp import SMALL, frame, overlap

NOWHERE = {"visible": False, "x": 0, "y": 0}


def lost(params: DiMPParams) -> DiMP:
    """A tracker whose target was at (60, 60) and has gone."""
    tracker = DiMP(params.replace(train_skipping=4, **SMALL))
    tracker.initialize(frame(60, 60), {"init_bbox": [60, 60, 40, 40]})
    for _ in range(10):
        tracker.track(frame(60, 60))
    for _ in range(params.redetection_patience):
        output = tracker.track(frame(**NOWHERE))
        assert output["flag"] == "not_found"
        assert "search" not in output
    return tracker


def frames_until_found(tracker: DiMP, x: float, y: float, limit: int) -> int | None:
    for number in range(1, limit + 1):
        if tracker.track(frame(x, y))["flag"] != "not_found":
            return number
    return None


@pytest.mark.parametrize("base", [dimp_lite(), rls(dimp_lite(), 0.03)], ids=["steepest_descent", "rls"])
def test_target_that_comes_back_elsewhere_is_found(base: DiMPParams) -> None:
    tracker = lost(long_term(base).replace(redetection_reach=0.3))
    for _ in range(3):
        assert tracker.track(frame(**NOWHERE))["search"] == "searching"
    assert frames_until_found(tracker, 240, 160, 40) is not None
    assert overlap(tracker.track(frame(240, 160))["target_bbox"], [240, 160, 40, 40]) > 0.5


def test_without_redetection_it_is_not() -> None:
    assert frames_until_found(lost(dimp_lite()), 240, 160, 40) is None


def test_until_it_is_lost_the_tracker_is_the_short_term_one() -> None:
    """To the last bit, also where the target is gone for a moment."""
    base = rls(dimp_lite(), 0.03).replace(train_skipping=4, **SMALL)
    outputs = []
    for params in (base, long_term(base)):
        tracker = DiMP(params)
        tracker.initialize(frame(60, 60), {"init_bbox": [60, 60, 40, 40]})
        images = [frame(60 + 2 * t, 60, visible=t not in range(5, 12)) for t in range(1, 16)]
        outputs.append([tracker.track(image) for image in images])
    assert [output["flag"] for output in outputs[0]].count("not_found") == 7
    assert outputs[0] == outputs[1]


def test_nothing_is_learnt_or_moved_while_it_is_lost() -> None:
    tracker = lost(long_term(rls(dimp_lite(), 0.03)))
    P = tracker.classifier.optimizer.P
    before = {name: value.clone() for name, value in P.state_dict().items() if isinstance(value, torch.Tensor)}
    filter, weights, box = tracker.classifier.filter, tracker.classifier.memory.weights, tracker.target.box()
    for _ in range(30):
        output = tracker.track(frame(**NOWHERE))
        assert output["flag"] == "not_found"
        assert output["target_bbox"] == box
    assert tracker.classifier.filter is filter
    assert torch.equal(tracker.classifier.memory.weights, weights)
    assert all(torch.equal(P.state_dict()[name], value) for name, value in before.items())


def test_presence_is_low_while_it_is_lost() -> None:
    tracker = lost(lite_long_term(dimp_lite()))
    seen = DiMP(lite_long_term(dimp_lite()).replace(**SMALL))
    seen.initialize(frame(60, 60), {"init_bbox": [60, 60, 40, 40]})
    present = [seen.track(frame(60, 60))["object_presence_score"] for _ in range(5)]
    absent = [tracker.track(frame(**NOWHERE))["object_presence_score"] for _ in range(5)]
    assert max(absent) < 0.3
    assert min(present) > 0.6


def test_boxes_are_withheld_on_request() -> None:
    tracker = lost(long_term(dimp_lite()).replace(output_not_found_box=True))
    assert tracker.track(frame(**NOWHERE))["target_bbox"] == [-1, -1, -1, -1]


@pytest.mark.parametrize("crops", [1, 3])
def test_cost_of_a_lost_frame_is_bounded(crops: int, monkeypatch: pytest.MonkeyPatch) -> None:
    tracker = lost(long_term(dimp_lite()).replace(redetection_crops=crops))
    extracted: list[int] = []
    extract = tracker._extract

    def counting(images: torch.Tensor) -> Any:
        extracted.append(len(images))
        return extract(images)

    monkeypatch.setattr(tracker, "_extract", counting)
    monkeypatch.setattr(tracker, "boxes", None)  # no box is refined, or this would fail
    for _ in range(5):
        extracted.clear()
        output = tracker.track(frame(**NOWHERE))
        assert sum(extracted) == 1 + crops
        assert len(output["search_tiles"]) == crops


def test_kept_filter_knows_only_believed_samples() -> None:
    """Samples of a low score, whatever they are, do not change it."""
    filters = []
    for value in (0.0, 5.0):
        tracker = DiMP(long_term(dimp_lite()).replace(**SMALL))
        tracker.initialize(frame(60, 60), {"init_bbox": [60, 60, 40, 40]})
        for _ in range(3):
            tracker.track(frame(60, 60))
        memory = tracker.classifier.memory
        usual = memory.usual_score
        memory.insert(torch.full_like(memory.features[:1], value), torch.tensor([10.0, 10, 50, 50]), 0.01, 0.3 * usual)
        filters.append(tracker.classifier.kept_filter(0.7, 5))
        assert not torch.equal(tracker.classifier.kept_filter(0.2, 5), filters[-1])
    assert torch.equal(*filters)


def test_images_of_other_sizes_are_searched() -> None:
    tracker = lost(long_term(dimp_lite()))
    for size in ((240, 320), (60, 50), (20, 300), (400, 300)):
        image = np.full((*size, 3), 90, np.uint8)
        for _ in range(3):
            assert np.isfinite(tracker.track(image)["target_bbox"]).all()


def test_network_with_an_iou_net_searches_too() -> None:
    """DiMP-18 with random weights and a target that is never found: every step of the search runs."""
    torch.manual_seed(0)
    net = NetWithBackbone(net_path="unused.pth")
    net.net = prepare(dimpnet18().eval())
    params = rls(DiMPParams(net=net, **SMALL), 3e-3).replace(target_not_found_threshold=1e9, redetection_patience=2)
    tracker = DiMP(long_term(params))
    tracker.initialize(frame(60, 60), {"init_bbox": [60, 60, 40, 40]})
    outputs = [tracker.track(frame(60, 60)) for _ in range(4)]
    assert [output.get("search") for output in outputs[:3]] == [None, None, "searching"]
    assert np.isfinite([output["target_bbox"] for output in outputs]).all()


def test_parameters_without_redetection_report_scores_as_they_are() -> None:
    tracker = DiMP(dimp_lite().replace(**SMALL))
    tracker.initialize(frame(60, 60), {"init_bbox": [60, 60, 40, 40]})
    output = tracker.track(frame(62, 60))
    assert output["object_presence_score"] == tracker.found.score  # type: ignore[union-attr]
