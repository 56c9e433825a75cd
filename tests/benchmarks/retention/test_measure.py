"""Learners whose memory is known by hand, on streams made up for them."""

import math
from types import SimpleNamespace

import pytest
import torch

from benchmarks.retention.measure import LIMIT, evaluate, follow, map_values
from benchmarks.retention.streams import Stream
from ltr.models.layers.filter import apply_filter
from ltr.models.target_classifier.initializer import FilterInitializerZero
from ltr.models.target_classifier.linear_filter import LinearFilter
from ltr.models.target_classifier.optimizer import DiMPSteepestDescentGN
from pytracking.tracker.dimp.online_optimizers import ONLINE_OPTIMIZERS
from pytracking.tracker.dimp.params import DiMPParams

CELLS, STRIDE, FILTER = 9, 16, 3
PLACE, ELSEWHERE = (3, 3), (7, 7)  # cells of the target and of what is not
SWITCH, COUNT, EVERY = 24, 50, 10  # the target changes after frame 24; updates after frames 11, 21, 31 and 41
FIRST, SECOND = 0, 1  # channels of the two appearances
NEIGHBORHOOD = 2.2


def network():
    optimizer = DiMPSteepestDescentGN(feat_stride=STRIDE, num_iter=1, mask_act="sigmoid")
    extractor = torch.nn.Identity()
    return SimpleNamespace(classifier=LinearFilter(FILTER, FilterInitializerZero(FILTER), optimizer, extractor).eval())


def stream():
    """The target is a 1 in its channel; at the other place there is what it looks like at other times."""
    features = torch.zeros(COUNT, 2, CELLS, CELLS)
    for index in range(COUNT):
        own, other = (FIRST, SECOND) if index < SWITCH else (SECOND, FIRST)
        features[index, own, *PLACE] = 1
        features[index, other, *ELSEWHERE] = 1
    center = (torch.tensor(PLACE) + 0.5) * STRIDE
    boxes = torch.cat((center.flip(0) - 16, torch.tensor([32.0, 32.0]))).expand(COUNT, 4).contiguous()
    return Stream("made up", 0, features[:1], boxes[:1], features, boxes, list(range(1, COUNT + 1)))


def delta(channel):
    weights = torch.zeros(1, 2, FILTER, FILTER)
    weights[0, channel, 1, 1] = 1
    return weights


class Known:
    """Looks for the appearance of the newest sample, or for the first one for ever; or diverges."""

    def __init__(self, kind):
        self.kind = kind
        self.calls = 0

    def __call__(self, weights, feat, bb, sample_weight=None, num_iter=None, compute_losses=True):
        self.calls += 1
        if self.kind == "diverges":
            return delta(FIRST) * 1e6, [], [torch.tensor(1.0), torch.tensor(math.nan)]
        appearance = SECOND if self.kind == "newest" and self.calls > 2 else FIRST  # updates 3 and 4 see the second
        return delta(appearance), [], [torch.tensor(1.0), torch.tensor(0.5)]


def run(monkeypatch, kind, most=COUNT, guard_updates=False, **parameters):
    monkeypatch.setitem(ONLINE_OPTIMIZERS, "known", lambda params, loss: Known(kind))
    learning = {"train_skipping": EVERY, "sample_memory_size": 6, "guard_updates": guard_updates, **parameters}
    params = DiMPParams(online_optimizer="known", **learning)
    net, made = network(), stream()
    followed = follow(net, params, made)
    return followed, evaluate(net, followed, made, NEIGHBORHOOD, most)


def mean(*values):
    return pytest.approx(sum(values) / len(values), abs=1e-6)


# Frames are 0 to 49 here; updates happen after frames 10, 20, 30 and 40.


def test_a_learner_that_keeps_the_first_appearance(monkeypatch):
    followed, found = run(monkeypatch, "first")
    assert followed.at == [0, 10, 20, 30, 40]
    assert found["next_right"] == mean(1, 3 / 10, 0, 0)  # after update 2: frames 21 to 30, the first till 23
    assert found["earlier_right"] == mean(1, 1, 24 / 31, 24 / 41)
    assert found["first_right"] == mean(24 / 50)  # what steepest descent learnt of the first frame


def test_a_learner_that_forgets_the_first_appearance(monkeypatch):
    _, found = run(monkeypatch, "newest")
    assert found["next_right"] == mean(1, 3 / 10, 1, 1)
    assert found["earlier_right"] == mean(1, 1, 7 / 31, 17 / 41)
    assert found["earlier_margin"] == mean(1, 1, (7 - 24) / 31, (17 - 24) / 41)  # 1 there minus 0, or 0 minus 1


def test_frames_no_longer_stored(monkeypatch):
    """Five slots beside that of the first frame: the last five frames are stored, and the first one."""
    followed, found = run(monkeypatch, "newest")
    for update, now in enumerate(followed.at[1:], start=1):
        assert followed.stored[update].nonzero()[:, 0].tolist() == [0, *range(now - 4, now + 1)]
    # After update 3: frames 1 to 25, of the second appearance 24 and 25; after update 4: 1 to 35, of it 24 to 35.
    assert found["dropped_right"] == mean(1, 1, 2 / 25, 12 / 35)


def test_divergence_is_seen(monkeypatch):
    followed, found = run(monkeypatch, "diverges")
    assert followed.rose == 4
    assert found["next_right"] == 0
    assert found["earlier_margin"] == -LIMIT
    assert run(monkeypatch, "newest")[0].rose == 0


@pytest.mark.filterwarnings("ignore::ltr.models.target_classifier.guard.RejectedUpdateWarning")
def test_what_the_tracker_undoes_is_counted(monkeypatch):
    followed, _ = run(monkeypatch, "diverges", guard_updates=True)
    assert (followed.rose, followed.undone) == (4, 4)
    assert all(torch.equal(filter, followed.filters[0]) for filter in followed.filters)


def test_every_third_of_the_earlier_frames(monkeypatch):
    _, found = run(monkeypatch, "newest", most=17)  # 50 frames: every third
    assert found["next_right"] == mean(1, 3 / 10, 1, 1)  # all of these are looked at
    second = (len(range(24, 31, 3)) / len(range(0, 31, 3)), len(range(24, 41, 3)) / len(range(0, 41, 3)))
    assert found["earlier_right"] == mean(1, 1, *second)


def test_without_updates_the_first_filter_stays(monkeypatch):
    followed, found = run(monkeypatch, "newest", net_opt_update_iter=0)
    assert len(followed.at) == 5
    assert all(torch.equal(filter, followed.filters[0]) for filter in followed.filters)
    assert found["earlier_right"] == mean(1, 1, 24 / 31, 24 / 41)


def test_all_filters_at_once_are_the_products_correlation_and_loss():
    torch.manual_seed(0)
    for size in (3, 4):
        net = network()
        net.classifier.filter_size = size
        features, filters = torch.randn(3, 2, CELLS, CELLS), torch.randn(5, 2, size, size)
        boxes = torch.tensor([[20.0, 30, 40, 50], [60, 50, 30, 30], [90, 10, 33, 44]])
        maps = torch.nn.functional.conv2d(features, filters, padding=size // 2)
        _, _, losses = map_values(net, maps, features, boxes, NEIGHBORHOOD)
        for index, filter in enumerate(filters):
            torch.testing.assert_close(maps[:, index], apply_filter(features, filter[None]))
            for frame in range(3):
                loss = net.classifier.filter_optimizer.loss(
                    features[frame : frame + 1], boxes[frame : frame + 1], size, torch.ones(1)
                )
                expected = loss.data_term(loss.scores(filter[None]))
                torch.testing.assert_close(losses[frame, index], expected, rtol=1e-5, atol=1e-5)


def test_right_means_within_half_the_target():
    net = network()
    boxes = torch.tensor([[24.0, 40, 64, 64]])  # center 56, 72: cell 3, 4; half the size is two cells
    maps = torch.zeros(1, 4, CELLS, CELLS)
    for index, (row, column) in enumerate(((4, 3), (4, 5), (6, 4), (4, 6))):  # 0, 2, 2.2 and 3 cells away
        maps[0, index, row, column] = 1
    right, margin, _ = map_values(net, maps, torch.zeros(1, 2, CELLS, CELLS), boxes, neighborhood=1.0)
    assert right[0].tolist() == [1, 1, 0, 0]
    assert margin[0].tolist() == [1, 1, 0, -1]  # 2.2 cells away, but in the square of the target's box
