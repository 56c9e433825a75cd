"""The stream that learners of `benchmarks/retention` see is the tracker's own, made once."""

import numpy as np
import pytest
import torch

from benchmarks.retention import streams
from benchmarks.retention.measure import follow
from benchmarks.retention.returning import render, returning_scene
from ltr.common.image import read_image
from pytracking.evaluation.tracker import Tracker
from pytracking.utils.seeding import sequence_seed

FRAMES = 24


@pytest.fixture(scope="module")
def sequence(tmp_path_factory):
    return render(returning_scene(0, FRAMES), tmp_path_factory.mktemp("returning"))


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTRACKING_CACHE_PATH", str(tmp_path_factory.mktemp("cache")))
        streams._read.cache_clear()
        yield


def lite(**overrides):
    return Tracker("dimp", "dimp_lite_untrained", device="cpu", overrides=overrides)


def test_the_first_filter_is_the_trackers(sequence):
    tracker = lite()
    stream, network = streams.stream_of(tracker, sequence, 0)
    followed = follow(network, tracker.get_parameters(), stream)
    tracked = tracker.create_tracker(tracker.get_parameters())
    tracked.seed(sequence_seed(0, "retention", "", None, sequence.name))
    tracked.initialize(read_image(sequence.frames[0]), sequence.init_info())
    assert torch.equal(followed.filters[0], tracked.classifier.filter[0])
    assert followed.at == [0, 20]
    assert stream.numbers == list(range(1, FRAMES + 1))


def test_search_areas_lie_around_the_last_place_but_for_the_jitter(sequence):
    stream, _ = streams.stream_of(lite(), sequence, 0)
    boxes = sequence.ground_truth_rect
    centers = boxes[:, :2] + boxes[:, 2:] / 2
    side = np.sqrt(boxes[:, 2:].prod(axis=1))
    scale = 3.5 * side[:-1] / 288  # image pixels of a crop pixel
    moved = (centers[1:] - centers[:-1]) / scale[:, None]
    found = (stream.boxes[1:, :2] + stream.boxes[1:, 2:] / 2).numpy() - 144
    # Half a cell of 16 pixels, a pixel of rounding at either side, and what the jitter of the scale makes of both.
    assert np.abs(found - moved).max() < (8 + 2) * np.exp(streams.JITTER_SCALE) + 0.06 * np.abs(moved).max()
    sizes = np.sqrt(stream.boxes[1:, 2:].prod(dim=1).numpy()) / (288 / 3.5)
    growth = np.log(sizes / (side[1:] / side[:-1]))
    assert 0.01 < np.abs(growth).max() < streams.JITTER_SCALE + 0.02  # crops are whole pixels of the image


def test_features_are_computed_once(sequence, monkeypatch):
    made, _ = streams.stream_of(lite(), sequence, 0)
    streams._read.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(streams, "_collect", None)  # would fail
        again, _ = streams.stream_of(lite(online_optimizer="bgd", net_opt_update_iter=5), sequence, 0)
        assert torch.equal(again.features, made.features)
        assert torch.equal(again.initial, made.initial)
        for changed in (lite(search_area_scale=4.0), lite(random_shift_factor=0.1)):
            with pytest.raises(TypeError, match="not callable"):
                streams.stream_of(changed, sequence, 0)
        with pytest.raises(TypeError, match="not callable"):
            streams.stream_of(lite(), sequence, 1)
    other, _ = streams.stream_of(lite(), sequence, 1)
    assert not torch.equal(other.boxes, made.boxes)


def test_a_damaged_file_is_made_again(sequence):
    made, _ = streams.stream_of(lite(), sequence, 0)
    [path] = (streams.cache_folder() / "retention").glob(f"*{made.key}*")
    path.write_bytes(path.read_bytes()[:1000])
    streams._read.cache_clear()
    again, _ = streams.stream_of(lite(), sequence, 0)
    assert torch.equal(again.features, made.features)


def test_the_key_knows_the_weights(sequence):
    _, network = streams.stream_of(lite(), sequence, 0)
    before = streams._weights_hash(network.net)
    names = [name for name, _ in network.net.state_dict().items()]
    assert any("feature_extractor" in name for name in names)  # the compiled backbone's are among them
    parameter = next(iter(network.net.state_dict().values()))
    streams._weights_hash.cache_clear()
    kept = parameter.clone()
    try:
        parameter.add_(1)
        assert streams._weights_hash(network.net) != before
    finally:
        parameter.copy_(kept)
        streams._weights_hash.cache_clear()


def test_frames_without_target_are_left_out(sequence, monkeypatch):
    boxes = sequence.ground_truth_rect.copy()
    boxes[5:8] = np.nan
    boxes[12, :2] += 300  # it jumps out of the search area, and back
    jumping = streams.Sequence("jumping", sequence.frames, "returning", boxes)
    stream, _ = streams.stream_of(lite(), jumping, 0)
    assert set(range(1, FRAMES + 1)) - set(stream.numbers) == {6, 7, 8, 13, 14}
