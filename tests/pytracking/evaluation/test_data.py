import pickle

import numpy as np
import pytest

from pytracking.evaluation.data import Sequence, SequenceList
from pytracking.utils.errors import InputError
from tests.pytracking.dummy import make_sequence

BOXES = np.array([[1.0, 2, 3, 4], [np.nan] * 4])


def failing():
    raise InputError("not there")


def test_nothing_is_read_before_it_is_used():
    sequences = SequenceList(
        [Sequence("a", failing, "d", failing), Sequence("b", ["1.jpg", "2.jpg"], "d", lambda: BOXES)]
    )
    assert sequences.names == ["a", "b"]
    assert len(sequences["b"]) == 2
    assert sequences["b"].target_visible.tolist() == [True, False]
    with pytest.raises(InputError, match="not there"):
        _ = sequences["a"].frames


def test_visibility_of_the_data_set_wins():
    sequence = Sequence("a", ["1.jpg", "2.jpg"], "d", BOXES, target_visible=lambda: np.array([False, True]))
    assert sequence.target_visible.tolist() == [False, True]


def test_sequence_list_like_a_list():
    sequences = SequenceList(Sequence(name, [], "d", BOXES) for name in "abcd")
    assert sequences[1].name == sequences["b"].name == "b"
    assert sequences[-1].name == "d"
    assert sequences[1:3].names == ["b", "c"]
    assert sequences[["d", 0]].names == ["d", "a"]
    assert isinstance(sequences[:2] + sequences[["a"]], SequenceList)
    assert (sequences[:2] + sequences[["a"]]).names == ["a", "b", "a"]
    copy = sequences.copy()
    copy.pop()
    assert (len(sequences), len(copy)) == (4, 3)


def test_unknown_sequence():
    sequences = SequenceList(Sequence(name, [], "d", BOXES) for name in ("Basketball", "Jogging_1"))
    with pytest.raises(InputError, match=r"unknown sequence 'basketbal'; did you mean 'Basketball'\?"):
        sequences["basketbal"]
    with pytest.raises(InputError, match="below 2, found 7"):
        sequences[7]


def test_init_info_and_first_box_only(tmp_path):
    sequence = make_sequence(tmp_path, "s")
    assert sequence.init_info() == {"init_bbox": [4.0, 5.0, 10.0, 8.0]}
    server = Sequence("s", sequence.frames, "d", sequence.ground_truth_rect[:1], first_box_only=True)
    server.check()
    with pytest.raises(InputError, match="expected 6 ground-truth rows for 6 frames, found 1"):
        Sequence("s", sequence.frames, "d", sequence.ground_truth_rect[:1]).check()


def test_missing_folder(tmp_path):
    frames = [tmp_path / "img" / f"{i}.jpg" for i in range(3)]
    with pytest.raises(InputError, match=r"sequence 's' of d: 3 of 3 images are missing.*the folder is not there"):
        Sequence("s", frames, "d", BOXES).check()


def test_sequences_travel_to_other_processes(tmp_path):
    sequence = pickle.loads(pickle.dumps(make_sequence(tmp_path, "s")))
    sequence.check()
