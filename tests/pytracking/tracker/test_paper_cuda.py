"""Whole trackers on a GPU on paper: no tensor of the host meets one of the device, and a frame waits once."""

from typing import Any

import pytest
import torch
from torch import Tensor

from pytracking.evaluation.tracker import Tracker
from pytracking.features.graphs import GraphCache
from pytracking.features.net_wrappers import NetWithBackbone
from pytracking.tracker.base import BaseTracker
from pytracking.tracker.base.lockstep import run_together
from pytracking.tracker.dimp import requests
from tests.cuda_graphs import NothingOfTheHost
from tests.paper_cuda import DEVICE, PaperCuda, paper_cuda
from tests.pytracking.tracker.dimp.test_dimp import SMALL, frame, path
from tests.pytracking.tracker.rtmdnet.test_rtmdnet import SMALL as SMALL_RTMDNET

INFO = {"init_bbox": [*path(0), 40, 40]}
WARM_UP = 3  # frames after which what is made once is there


def small_net(**kwargs: Any) -> NetWithBackbone:
    return NetWithBackbone(architecture="dimpnet18", filter_init="zero", **kwargs)


@pytest.fixture
def read_back(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Made-up numbers of the search, every flag in turn; they are one wait."""
    reads: list[str] = []

    def read(rows: Tensor) -> list[list[float]]:
        assert rows.device.type == "cuda"
        reads.append("read_back")
        found = [float(len(reads) % 4), 0.0, 0.9, 3.0, -2.0]
        return [[*found, 1.0, 115.0, 115.0, 60.0, 55.0][: rows.shape[1]]] * len(rows)

    monkeypatch.setattr(requests, "read_back", read)
    monkeypatch.setattr(GraphCache, "run", as_recorded)
    return reads


def as_recorded(cache: GraphCache, function: Any, inputs: Any, kind: Any) -> Any:
    """In place of `GraphCache.run`: without a graph, but after the first call with nothing that none could record."""
    if kind() not in cache._called:
        cache._called.add(kind())
        return function(*inputs)
    with NothingOfTheHost():
        return function(*inputs)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("rls_dimp_lite", {}),  # ridge boxes
        ("bgd_dimp_lite_untrained_fm", {"scale_factors": [0.97, 1.0, 1.03], "scale_penalty": 0.9}),
        ("dimp_lite_iounet", {}),
        ("rls_dimp50", {"net": small_net()}),
        ("rls_dimp50", {"net": small_net(), "use_cuda_graphs": False}),
        ("rls_dimp50_authors", {"net": small_net(), "network_dtype": "float16"}),
        ("dimp50_star", {"net": small_net(), "window_output": True, "score_preprocess": "softmax"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.parametrize("runs", [1, 2])
def test_dimp(
    name: str, changes: dict[str, Any], runs: int, read_back: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with paper_cuda(monkeypatch) as gpu:
        setup = Tracker("dimp", name, device=DEVICE)
        params = setup.get_parameters().replace(train_skipping=2, **{**SMALL, **changes})
        trackers: list[Any] = [setup.create_tracker(params) for _ in range(runs)]
        for seed, tracker in enumerate(trackers):
            tracker.seed(seed)
        image = frame(*path(0))
        ends = run_together([tracker.initialize_steps(image, INFO) for tracker in trackers])
        assert [type(end) for end in ends] == [dict] * runs, ends
        for t in range(1, 13):
            gpu.waits.clear()
            before, image = len(read_back), frame(*path(t))
            ends = run_together([tracker.track_steps(image) for tracker in trackers])
            assert [type(end) for end in ends] == [dict] * runs, ends
            assert len(read_back) == before + 1
            if t > WARM_UP:
                assert gpu.waits == []


@pytest.mark.parametrize("name", ["rls_rtmdnet_lite", "rtmdnet_lite", "simple_rtmdnet_lite"])
def test_rtmdnet(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with paper_cuda(monkeypatch) as gpu:
        setup = Tracker("rtmdnet", name, device=DEVICE)
        # Every second frame, of made-up scores, is one of failure.
        params = setup.get_parameters().replace(success_threshold=0.5, update_interval=3, **SMALL_RTMDNET)
        tracker: BaseTracker = setup.create_tracker(params)
        tracker.seed(0)
        tracker.initialize(frame(*path(0)), INFO)
        flags = set()
        for t in range(1, 13):
            gpu.waits.clear()
            flags.add(tracker.track(frame(*path(t)))["flag"])
            if t > WARM_UP:
                assert [wait.split()[-1] for wait in gpu.waits] == ["dim=1).cpu()"], gpu.waits
        assert flags == {"normal", "not_found"}


def test_what_is_wrong_on_a_gpu_is_wrong_on_paper(monkeypatch: pytest.MonkeyPatch) -> None:
    with paper_cuda(monkeypatch) as gpu:
        here, there = torch.ones(3), torch.ones(3, device=DEVICE)
        with pytest.raises(RuntimeError, match="same device"):
            here + there
        assert gpu.waits == []
        assert isinstance(gpu, PaperCuda)
        for read in (
            lambda: float(there.sum()),
            there.cpu,
            there.nonzero,
            lambda: bool(there.any()),
            lambda: here.to(DEVICE),
        ):
            gpu.waits.clear()
            read()
            assert len(gpu.waits) == 1
        gpu.waits.clear()
        here.to(DEVICE, non_blocking=True)
        assert gpu.waits == []
        with pytest.raises(RuntimeError):
            there.numpy()
