"""No update of the filter makes it worse unseen, whatever the optimizer, the network and its weights."""

import warnings
from typing import Any

import pytest
import torch
from torch import Tensor

from ltr.models.target_classifier.guard import RejectedUpdateWarning
from pytracking.features.net_wrappers import NetWithBackbone
from pytracking.parameter.dimp._base import LITE_BGD_STEP, bgd, dimp_lite, dimp_lite_untrained, rls_sd, star
from pytracking.tracker.dimp.dimp import DiMP
from pytracking.tracker.dimp.online_optimizers import ONLINE_OPTIMIZERS
from pytracking.tracker.dimp.params import DiMPParams
from tests.pytracking.tracker.dimp.test_dimp import SMALL, frame, path

OFTEN: dict[str, Any] = {"train_skipping": 2, **SMALL}  # updates at every second frame


def track(params: DiMPParams, num_frames: int = 8) -> tuple[DiMP, list[Tensor], list[str], list[dict[str, Any]]]:
    """The tracker, the filter after each frame, what it warned of, and its outputs."""
    tracker = DiMP(params.replace(**OFTEN))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        outputs = [tracker.initialize(frame(*path(0)), {"init_bbox": [*path(0), 40, 40]})]
        filters = [tracker.classifier.filter]
        for t in range(1, num_frames):
            outputs.append(tracker.track(frame(*path(t))))
            filters.append(tracker.classifier.filter)
    told = [str(warning.message) for warning in caught if warning.category is RejectedUpdateWarning]
    return tracker, filters, told, outputs


def test_bgd_at_ten_times_its_step_keeps_its_filter_and_says_so_once() -> None:
    tracker, filters, told, outputs = track(bgd(dimp_lite(), 10 * LITE_BGD_STEP))
    assert all(torch.equal(filter, filters[0]) for filter in filters)
    assert tracker.classifier.rejected_updates == 3
    assert [output["rejected_updates"] for output in outputs] == [0, 0, 1, 1, 2, 2, 3, 3]
    (text,) = told
    assert "update of the filter by 'bgd' took its loss from" in text
    assert "an online_step_length below 1, or online_optimizer='rls_sd'" in text
    _, _, again, _ = track(bgd(dimp_lite(), 10 * LITE_BGD_STEP), num_frames=3)  # another sequence
    assert len(again) == 1


def test_without_the_guard_it_diverges() -> None:
    tracker, filters, told, outputs = track(bgd(dimp_lite(), 10 * LITE_BGD_STEP).replace(guard_updates=False))
    assert filters[-1].norm() > 100 * filters[0].norm()
    assert not told
    assert tracker.classifier.rejected_updates == 0
    assert outputs[-1]["rejected_updates"] == 0


def test_the_guard_changes_nothing_where_nothing_is_wrong() -> None:
    for params in (bgd(dimp_lite(), LITE_BGD_STEP), rls_sd(dimp_lite()), star(dimp_lite())):
        _, filters, told, _ = track(params)
        _, alone, _, _ = track(params.replace(guard_updates=False))
        assert not told
        assert all(map(torch.equal, filters, alone))
        assert not torch.equal(filters[-1], filters[0])


def test_the_kept_filter_is_watched() -> None:
    tracker, filters, _, _ = track(bgd(dimp_lite(), 10 * LITE_BGD_STEP))
    before = tracker.classifier.rejected_updates
    assert torch.equal(tracker.classifier.kept_filter(0.0, 5), filters[0])
    assert tracker.classifier.rejected_updates == before + 1


def test_optimizers_of_others_are_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    def explodes(weights: Tensor, feat: Tensor, bb: Tensor, **_: Any) -> Any:
        return weights * 1e30, [], []

    monkeypatch.setitem(ONLINE_OPTIMIZERS, "explodes", lambda params, loss: explodes)
    tracker, filters, told, _ = track(dimp_lite().replace(online_optimizer="explodes"))
    assert torch.equal(filters[-1], filters[0])
    assert tracker.classifier.rejected_updates == 3
    assert len(told) == 1


def test_the_networks_own_steepest_descent_is_watched() -> None:
    """In the first frame, too."""
    params = dimp_lite()
    assert params.net is not None
    params.net.initialize("cpu")
    learnt = params.net.classifier.filter_optimizer.log_step_length
    saved = learnt.clone()
    try:
        learnt.fill_(5.0)  # steps that are e^5 times too long
        tracker, filters, told, _ = track(params)
    finally:
        learnt.copy_(saved)
    assert tracker.classifier.rejected_updates == 4
    assert torch.equal(filters[-1], filters[0])
    assert filters[0].isfinite().all()
    assert "fewer iterations (net_opt_iter" in told[0]
    assert len(told) == 1


@pytest.mark.parametrize("virtual_inputs", [1, 4])
@pytest.mark.parametrize("member", ["lite", "untrained", "dimp50"])
def test_rls_sd_needs_no_step_length(member: str, virtual_inputs: int) -> None:
    """The same settings for trained and untrained heads, and for a network with random weights."""
    base = dimp_lite() if member == "lite" else dimp_lite_untrained()
    if member == "dimp50":
        torch.manual_seed(0)
        base = DiMPParams(net=NetWithBackbone(architecture="dimpnet50"), image_sample_size=160, num_init_random_boxes=2)
    tracker, filters, told, _ = track(rls_sd(base).replace(rls_virtual_inputs=virtual_inputs), num_frames=6)
    assert tracker.classifier.rejected_updates == 0
    assert not told
    assert not torch.equal(filters[-1], filters[0])
    assert tracker.classifier.guard is not None
    before, after = tracker.classifier.guard.last
    assert after < before
