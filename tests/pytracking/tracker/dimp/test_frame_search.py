"""The part of a frame that a GPU does on its own, shown without one: tensors without numbers cannot be read."""

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ltr.models.bbreg.iou_gradient import Reach
from pytracking.features.graphs import GraphCache
from pytracking.features.net_wrappers import NetWithBackbone
from pytracking.parameter.dimp._base import dimp_lite_iounet, ridge_boxes, rls
from pytracking.tracker.base.box_regression import BoxRegressor
from pytracking.tracker.base.lockstep import run_together
from pytracking.tracker.dimp import box_refinement, frame_search, requests
from pytracking.tracker.dimp.box_refinement import IoUBoxes
from pytracking.tracker.dimp.dimp import DiMP
from pytracking.tracker.dimp.frame_search import SEARCH_PARAMS
from pytracking.tracker.dimp.params import DiMPParams
from pytracking.tracker.dimp.ridge_boxes import RidgeBoxes
from tests.cuda_graphs import NothingOfTheHost, TapeRecorder
from tests.pytracking.tracker.dimp.test_dimp import SMALL, frame, path
from tests.pytracking.tracker.dimp.test_requests import LITE, together
from tests.pytracking.tracker.dimp.test_ridge_boxes import fitted

SCALES = [0.97, 1.0, 1.03]
IOU_NET = dimp_lite_iounet().replace(train_skipping=4, **SMALL)
RIDGE = ridge_boxes(LITE)
SETTINGS = {
    "scales": LITE,
    "ridge": RIDGE,
    "ridge, scales": RIDGE.replace(scale_factors=[0.95, 1.0, 1.05]),
    "alternating scales, RLS": rls(LITE.replace(alternate_scales=True, scale_penalty=0.95), 0.01),
    "IoU-Net": IOU_NET,
    "IoU-Net, scales and window": IOU_NET.replace(
        scale_factors=[0.95, 1.0, 1.05], window_output=True, perform_hn_without_windowing=True
    ),
}


def outputs(params: DiMPParams, runs: int) -> list[list[dict[str, Any]]]:
    trackers = [DiMP(params) for _ in range(runs)]
    for seed, tracker in enumerate(trackers):
        tracker.seed(seed)
    return together(trackers, 10)


@pytest.fixture
def as_on_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame_search, "reads_are_free", lambda values: False)
    monkeypatch.setattr(Reach, "of", lambda edges: None)  # for which the boxes are read


@pytest.mark.parametrize("name", list(SETTINGS))
def test_a_device_finds_what_the_host_does(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Localized as tensors, refined also in vain: boxes and random numbers are those of the other way, bit for bit.

    All but ridge boxes: numpy adds in another order.
    """
    (expected,) = outputs(SETTINGS[name], 1)
    assert "not_found" in {output["flag"] for output in expected}
    monkeypatch.setattr(frame_search, "reads_are_free", lambda values: False)
    (found,) = outputs(SETTINGS[name], 1)
    if "ridge" not in name:
        assert found == expected
    for output, other in zip(found, expected, strict=True):
        # Pixels: sums of some thousand products in float32, times coefficients of a few pixels.
        assert output["target_bbox"] == pytest.approx(other["target_bbox"], abs=1e-3)
        assert output["flag"] == other["flag"]


def test_random_numbers_wait_for_a_target_that_is_found() -> None:
    tracker = DiMP(IOU_NET.replace(target_not_found_threshold=0.25))
    tracker.initialize(frame(120, 90), {"init_bbox": [120, 90, 40, 40]})
    states = []
    for visible in (True, False, False, True, True):
        flag = tracker.track(frame(120, 90, visible=visible))["flag"]
        assert (flag != "not_found") == visible
        states.append(tracker.generator.get_state())
    used = [not torch.equal(before, after) for before, after in itertools.pairwise(states)]
    assert used == [True, False, False, True]  # drawn ahead once, and used by the next frame that needs them


@pytest.mark.parametrize("name", list(SETTINGS))
@pytest.mark.parametrize("runs", [1, 3])
def test_graphs_change_nothing(name: str, runs: int, monkeypatch: pytest.MonkeyPatch, as_on_a_device: None) -> None:
    expected = outputs(SETTINGS[name].replace(use_cuda_graphs=False), runs)
    recorder = TapeRecorder()
    cache = GraphCache(recorder, device_type="cpu")
    monkeypatch.setattr(requests, "graphs_of", lambda network: cache)
    assert outputs(SETTINGS[name], runs) == expected
    assert recorder.captures >= 2  # of the features and of the search
    assert recorder.replays >= 18


def test_the_score_map_of_a_frame_outlives_the_next_one_of_another_tracker(
    monkeypatch: pytest.MonkeyPatch, as_on_a_device: None
) -> None:
    cache = GraphCache(TapeRecorder(), device_type="cpu")
    monkeypatch.setattr(requests, "graphs_of", lambda network: cache)
    first, second = DiMP(IOU_NET), DiMP(IOU_NET)
    for tracker in (first, second):
        tracker.initialize(frame(*path(0)), {"init_bbox": [*path(0), 40, 40]})
    assert first.score_map is None
    first.track(frame(*path(1)))
    kept = first.score_map
    second.track(frame(*path(7)))
    np.testing.assert_array_equal(first.score_map, kept)


class Watched:
    """Parameters that tell which of them are read."""

    def __init__(self, params: DiMPParams) -> None:
        self._params = params
        self.read: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        self.read.add(name)
        return getattr(self._params, name)


@pytest.mark.parametrize("name", list(SETTINGS))
@pytest.mark.parametrize("advanced", [True, False])
def test_runs_that_differ_in_what_the_search_reads_are_kept_apart(name: str, advanced: bool) -> None:
    tracker = DiMP(SETTINGS[name].replace(advanced_localization=advanced))
    tracker.initialize(frame(*path(0)), {"init_bbox": [*path(0), 40, 40]})
    watched, of_boxes = Watched(tracker.params), Watched(tracker.params)
    boxes: Any = tracker.search.boxes
    if isinstance(boxes, IoUBoxes):
        boxes = dataclasses.replace(boxes, params=of_boxes)  # type: ignore[arg-type]
    tracker.search = dataclasses.replace(tracker.search, params=watched, boxes=boxes)  # type: ignore[arg-type]
    tracker.track(frame(*path(1)))
    assert "score_preprocess" in watched.read
    assert watched.read - {"use_cuda_graphs"} <= set(SEARCH_PARAMS)
    assert of_boxes.read <= set(box_refinement.PARAMS)
    assert bool(of_boxes.read) == isinstance(boxes, IoUBoxes)


def test_boxes_of_other_parameters_are_searched_apart() -> None:
    searches = []
    for params in (IOU_NET, IOU_NET, IOU_NET.replace(box_refinement_iter=7), RIDGE, LITE):
        tracker = DiMP(params)
        tracker.initialize(frame(*path(0)), {"init_bbox": [*path(0), 40, 40]})
        searches.append(tracker.search.key)
    assert searches[0] == searches[1]
    assert len(set(searches)) == 4
    other_context = dataclasses.replace(fitted(), context=1.5)
    assert other_context.key != fitted().key


def on_device_alone(cache: GraphCache, function: Any, inputs: Sequence[Tensor], kind: Any) -> list[Tensor]:
    """In place of `GraphCache.run`: what a graph could record after a warm-up."""
    function(*inputs)
    with NothingOfTheHost():
        return list(function(*inputs))


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Replaces the numbers read back, and counts the runs of each read."""
    counts: list[int] = []

    def read_back(rows: Tensor) -> list[list[float]]:
        counts.append(len(rows))
        found = [float(len(counts) % 4), 0.0, 0.9, 3.0, -2.0]  # every flag in turn
        return [[*found, 1.0, 115.0, 115.0, 60.0, 55.0][: rows.shape[1]]] * len(rows)

    monkeypatch.setattr(requests, "read_back", read_back)
    return counts


def fit_without_numbers(
    layers: dict[str, Tensor], targets: Tensor, crop_sz: tuple[int, int], params: DiMPParams, *rest: Any
) -> RidgeBoxes:
    """In place of `RidgeBoxes.fit`, which reads the features of the first frame."""
    like = next(iter(layers.values())).double()
    factors = [like.new_empty(1, 4, layers[name].shape[1] * side**2) for name, side in params.ridge_cells.items()]
    regressor = BoxRegressor(torch.cat(factors, dim=2)[0], like.new_empty(4))
    return RidgeBoxes(regressor, (*factors, like.new_empty(1, 4)), params.ridge_cells, params.ridge_context, crop_sz)


@pytest.mark.parametrize(
    ("architecture", "changes"),
    [
        ("dimpnet50", {}),
        ("dimpnet18", {"box_refinement_space": "relative", "box_refinement_step_length": (2.5e-3, 1e-2)}),
        ("dimpnet18", {"window_output": True, "perform_hn_without_windowing": True, "scale_factors": SCALES}),
        ("dimpnet_lite0", {"scale_factors": SCALES, "scale_penalty": 0.9, "score_filter_ksz": 3, "train_skipping": 2}),
        ("dimpnet18", {"score_preprocess": "softmax", "advanced_localization": False, "num_init_random_boxes": 0}),
        ("dimpnet_lite0", {"box_estimator": "ridge", "scale_factors": SCALES}),
    ],
    ids=["dimp50", "relative", "window", "lite", "simple", "ridge"],
)
@pytest.mark.parametrize("runs", [1, 2])
def test_a_frame_reads_back_once(
    architecture: str, changes: dict[str, Any], runs: int, reads: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the device "meta" tensors have no numbers, so that any other read is an error.

    The score maps of panels are read when they are looked at.
    """
    monkeypatch.setattr(GraphCache, "run", on_device_alone)
    monkeypatch.setattr(RidgeBoxes, "fit", fit_without_numbers)
    net = NetWithBackbone(architecture=architecture, filter_init="zero")
    params = DiMPParams(net=net, device="meta", **{**SMALL, **changes})
    trackers = [DiMP(params) for _ in range(runs)]
    image, info = frame(*path(0)), {"init_bbox": [*path(0), 40, 40]}
    ends = run_together([tracker.initialize_steps(image, info) for tracker in trackers])
    assert [type(end) for end in ends] == [dict] * runs, ends
    assert reads == []
    for t in range(1, 6):
        ends = run_together([tracker.track_steps(frame(*path(t))) for tracker in trackers])
        assert [type(end) for end in ends] == [dict] * runs, ends
        assert reads == [runs] * t
    with pytest.raises(NotImplementedError, match="meta"):
        assert trackers[0].score_map is not None
