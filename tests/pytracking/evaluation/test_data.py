import pickle

import numpy as np
import pytest

from ltr.common.errors import InputError
from pytracking.evaluation.data import PartialCopyWarning, Sequence, SequenceList
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


def test_a_text_is_a_name_first_and_then_a_number():
    sequences = SequenceList(Sequence(name, [], "d", BOXES) for name in ("0003", "0002", "1", "d"))
    assert sequences["0002"].name == "0002"
    assert sequences["1"].name == "1"
    assert sequences[2].name == "1"
    assert sequences["0"].name == "0003"
    with pytest.raises(InputError, match=r"cannot tell whether '2' is the name '0002' or the number, from 0, of '1'"):
        sequences["2"]
    for text in ("-1", "1.0", "\u0663"):
        with pytest.raises(InputError, match="unknown sequence"):
            sequences[text]
    with pytest.raises(InputError, match=r"no sequence is called '4'\n  as a number: expected one below 4, found 4"):
        sequences["4"]
    with pytest.raises(InputError, match=r"no sequence is called '3'; did you mean '0003'\?"):
        sequences[:3]["3"]


def test_names_of_several_sequences():
    twins = SequenceList(Sequence(f"{year}_bag", [], year, BOXES, native_name="bag") for year in ("vot16", "vot19"))
    with pytest.raises(InputError, match=r"several sequences are called 'bag': 'vot16_bag' of vot16, 'vot19_bag' of"):
        twins["bag"]
    again = twins[:1] + twins[:1]  # the same one
    assert again["bag"] is twins[0]


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


def test_native_names_serve_too():
    names = {"x_a": "a", "a": "b"}
    sequences = SequenceList(Sequence(name, [], "d", BOXES, native_name=native) for name, native in names.items())
    assert sequences["x_a"].native_name == "a"
    assert sequences["a"].native_name == "b"  # a sequence's own name goes first
    assert sequences["b"].name == "a"
    assert Sequence("a", [], "d", BOXES).native_name == "a"


def test_part_of_a_sequence(tmp_path):
    sequence = make_sequence(tmp_path, "s")
    part = Sequence("s", sequence.frames, "d", sequence.ground_truth_rect, expected_frames=10)
    with pytest.warns(PartialCopyWarning, match="sequence 's' of d has 6 of 10 frames"):
        part.check()
    assert part.is_partial
    assert not sequence.is_partial


def test_polygons_and_annotated_frames():
    polygons = np.zeros((2, 8))
    sequence = Sequence("a", ["1.jpg", "2.jpg"], "d", BOXES, ground_truth_polygons=lambda: polygons, annotated=[1, 0])
    np.testing.assert_array_equal(sequence.ground_truth_polygons, polygons)
    assert sequence.annotated.tolist() == [True, False]
    plain = Sequence("a", ["1.jpg", "2.jpg"], "d", BOXES)
    assert plain.ground_truth_polygons is None
    assert plain.annotated.tolist() == [True, True]


@pytest.mark.parametrize("what", ["target_visible", "annotated", "ground_truth_polygons"])
def test_one_value_for_each_box(what):
    with pytest.raises(InputError, match=r"expected 2 .*, one for each annotated frame, found 3"):
        getattr(Sequence("a", ["1.jpg", "2.jpg"], "d", BOXES, **{what: np.zeros((3, 8))}), what)


def test_presence(tmp_path):
    assert Sequence("a", [], "d", BOXES).is_present()  # nothing is known of its folder
    folders = [tmp_path / "a", tmp_path / "b"]
    sequence = Sequence("a", [], "d", BOXES, folders=folders)
    assert not sequence.is_present()
    folders[1].mkdir()
    assert sequence.is_present()
