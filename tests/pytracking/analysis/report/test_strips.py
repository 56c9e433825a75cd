import base64

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytracking.analysis.report.strips import (
    WIDTH,
    bin_means,
    encode_jpeg,
    film_strips,
    shown_region,
    worst_sequences,
)  # fmt: skip
from tests.pytracking.analysis.report.synthetic import make_evaluation, make_files


@pytest.fixture
def files(tmp_path):
    evaluation = make_evaluation()
    sequences, sources = make_files(tmp_path, evaluation)
    return evaluation, sequences, {name: runs[0] for name, runs in sources.items()}


def test_worst_sequences():
    assert worst_sequences(make_evaluation(), 2) == ["horse", "rabbit"]
    assert worst_sequences(make_evaluation(), 99)[-1] == "kite"


def test_strips(files):
    evaluation, sequences, sources = files
    strips, problems = film_strips(evaluation, sequences, sources, 2)
    assert problems == []
    assert [strip.sequence for strip in strips] == ["horse", "rabbit"]
    strip = strips[0]
    assert [frame.number for frame in strip.frames] == [2, 3, 4, 5, 6]
    assert strip.scores == pytest.approx([tracker.auc[:, 2].mean() for tracker in evaluation.trackers])
    frame = strip.frames[1]
    assert frame.ground_truth == [6, 5, 10, 8]
    assert frame.boxes == [[6, 5, 10, 8], [7, 6, 10, 8], [8, 7, 10, 8]]
    assert frame.overlaps == pytest.approx([1, 63 / 97, 48 / 112], abs=1e-3)
    np.testing.assert_allclose(strip.timeline[1], [1, *[63 / 97] * 5])  # it starts on the ground truth
    kind, data = frame.data_uri.split(",")
    assert kind == "data:image/jpeg;base64"
    assert cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), 1).shape == (36, 48, 3)


def test_short_results_and_absent_targets(files):
    evaluation, sequences, sources = files
    sequences[2].ground_truth_rect[1:4] = np.nan
    path = sources["fair"].results_dir / "horse.txt"
    path.write_text("".join(f"{line}\n" for line in path.read_text().splitlines()[:5]))
    (strip,), _ = film_strips(evaluation, sequences, sources, 1)
    assert [frame.number for frame in strip.frames] == [5, 6]
    assert strip.frames[1].boxes[1] is None
    assert strip.frames[1].overlaps[1] is None
    assert np.isnan(strip.timeline[0, 1:4]).all()
    assert not np.isnan(strip.timeline[0, 4:]).any()


def test_missing_images_are_reported(files):
    evaluation, sequences, sources = files
    sequences[2].frames[3].unlink()
    strips, problems = film_strips(evaluation, sequences, sources, 2)
    assert [strip.sequence for strip in strips] == ["rabbit"]
    assert len(problems) == 1
    assert problems[0].startswith("horse: cannot read image")


corner = st.floats(-50, 700)
size = st.floats(1, 300)


box = st.tuples(corner, corner, size, size)


@given(st.lists(box, min_size=1, max_size=4), st.integers(20, 640), st.integers(20, 480))
def test_region_lies_in_the_frame_and_holds_the_boxes(boxes, width, height):
    boxes = np.array(boxes)
    x, y, w, h = shown_region(boxes[0], list(boxes), width, height)
    assert 0 <= x <= x + w <= width
    assert 0 <= y <= y + h <= height
    assert w >= 1
    assert h >= 1
    inside = np.clip(np.concatenate((boxes[:, :2], boxes[:, :2] + boxes[:, 2:]), axis=1), 0, (width, height) * 2)
    assert (inside[:, 0] >= x - 1).all()  # the region is rounded to pixels
    assert (inside[:, 2] <= x + w + 1).all()


def test_small_target_is_enlarged():
    truth = np.array([300.0, 200, 12, 10])
    x, y, w, h = shown_region(truth, [truth], 1280, 720)
    assert (x + w / 2, y + h / 2) == pytest.approx((306, 205), abs=1)
    assert w < 200
    assert w / h == pytest.approx(1280 / 720, rel=0.05)
    assert shown_region(truth, [truth, np.array([1250.0, 690, 20, 20])], 1280, 720) == (0, 0, 1280, 720)


def test_jpeg_is_small():
    image = np.random.default_rng(0).integers(0, 255, (720, 1280, 3), dtype=np.uint8)
    data = encode_jpeg(image, (0, 0, 1280, 720))
    assert cv2.imdecode(np.frombuffer(data, np.uint8), 1).shape == (270, WIDTH, 3)
    assert len(data) < 120_000  # noise is the worst there is


def test_bin_means():
    values = np.array([[1.0, 3, np.nan, np.nan, 5, np.nan]])
    np.testing.assert_array_equal(bin_means(values, 3), [[2, np.nan, 5]])
    np.testing.assert_array_equal(bin_means(values, 100), values)
