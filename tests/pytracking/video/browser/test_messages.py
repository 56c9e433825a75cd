"""What goes over the connection."""

import json
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from pytracking.utils.drawing import LOST
from pytracking.video.browser.messages import LARGEST, Boxes, Key, Picture, Seen, describe_scene, parse_message
from pytracking.video.scene import Scene
from pytracking.video.targets import Target


@pytest.mark.parametrize(
    ("shape", "sent"),
    [
        ((2160, 3840, 3), (720, 1280)),
        ((479, 641, 3), (479, 641)),
        ((1, 1, 3), (1, 1)),
        ((3, 4000, 3), (1, 1280)),
        ((4001, 33, 3), (1280, 11)),
    ],
)
def test_pictures_are_scaled_for_display(shape, sent):
    image = np.full(shape, (200, 30, 60), np.uint8)
    decoded = cv2.imdecode(np.frombuffer(Picture(image).jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert decoded.shape[:2] == sent
    assert max(sent) <= LARGEST
    assert np.abs(decoded[0, 0].astype(int) - (60, 30, 200)).max() < 10  # RGB inside, BGR of OpenCV


def test_a_picture_is_encoded_once(monkeypatch):
    picture = Picture(np.zeros((20, 30, 3), np.uint8))
    first = picture.jpeg
    monkeypatch.setattr(cv2, "imencode", None)
    assert picture.jpeg is first


def make_target(**output: Any) -> Target:
    tracker: Any = SimpleNamespace()
    return Target(3, tracker, output, 0.1)


def test_state_is_json_whatever_the_tracker_says():
    image = np.zeros((479, 641, 3), np.uint8)
    strange = make_target(target_bbox=[np.nan] * 4, object_presence_score=np.float32(np.nan))
    lost = make_target(target_bbox=np.array([1, 2, 3, 4.5]), object_presence_score=np.float32(0.5), flag="not_found")
    silent = make_target(target_bbox=[1, 2, 3, 4])
    state = describe_scene(Scene(image, (strange, lost, silent), "walk", 4, None, num_dropped=2, next_target=7))
    assert json.loads(json.dumps(state, allow_nan=False)) == state
    assert state["size"] == [641, 479]
    assert (state["frame"], state["num_frames"], state["num_dropped"], state["next_target"]) == (4, None, 2, 7)
    assert state["targets"][0]["box"] is state["targets"][0]["score"] is None
    assert state["targets"][1]["box"] == [1, 2, 3, 4.5]
    assert state["targets"][1]["state"] == "target lost"
    assert state["targets"][1]["color"] == "#{:02x}{:02x}{:02x}".format(*LOST)
    assert state["targets"][2]["score"] is None


def test_what_the_page_may_say():
    assert parse_message('{"seen": 4}') == Seen(4)
    assert parse_message('{"key": " "}') == Key(" ")
    assert parse_message('{"question": 2, "boxes": [[1, 2, 3.5, 4]]}') == Boxes(2, ((1, 2, 3.5, 4),))
    assert parse_message('{"question": 2, "boxes": []}') == Boxes(2, ())


@pytest.mark.parametrize(
    "text",
    [
        "", "no JSON", "[]", "null", "{}", '{"seen": "4"}', '{"key": "x"}', '{"key": 1}', '{"boxes": [[1, 2, 3, 4]]}',
        '{"question": 1, "boxes": [[1, 2, 3]]}', '{"question": 1, "boxes": [[1, 2, 3, NaN]]}',
        '{"question": 1, "boxes": [[1, 2, 3, "4"]]}', '{"question": 1, "boxes": {}}', b"\xff\xfe\x00",
        f'{{"question": 1, "boxes": [[1, 2, 3, 1{"0" * 400}]]}}',
        f'{{"question": 1, "boxes": [{", ".join(["[1, 2, 3, 4]"] * 101)}]}}',
    ],
)  # fmt: skip
def test_anything_else_is_refused(text):
    with pytest.raises(ValueError, match=r"not understood|four finite numbers|Expecting|codec|JSON"):
        parse_message(text)
