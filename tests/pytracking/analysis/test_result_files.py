import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ltr.common.errors import InputError
from pytracking.analysis.evaluation import evaluate
from pytracking.analysis.playback_results import Overlay
from pytracking.analysis.presence import evaluate_presence
from pytracking.analysis.result_files import (
    RawResults,
    find_results,
    load_boxes,
    parse_boxes,
    parse_column,
    plain_name,
    raw_results,
    read_info,
)
from pytracking.analysis.run_scores import ScoringOptions
from pytracking.evaluation import Sequence, Tracker

CLEAN = b"1.5\t2\t30\t40\n-3.25\t4.0001\t5\t6\n7\t8\t9\t10\n"
BOXES = [[1.5, 2, 30, 40], [-3.25, 4.0001, 5, 6], [7, 8, 9, 10]]
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)


@pytest.fixture(scope="module")
def parse(tmp_path_factory):
    """Parse bytes as the content of a file."""
    path = tmp_path_factory.mktemp("results") / "seq.txt"

    def parse_content(content: bytes, **options) -> np.ndarray:
        path.write_bytes(content)
        return parse_boxes(content, path, **options)

    return parse_content


@pytest.mark.parametrize(
    "content",
    [
        CLEAN,
        CLEAN.replace(b"\t", b","),
        CLEAN.replace(b"\t", b" "),
        CLEAN.replace(b"\t", b", "),
        CLEAN.replace(b"\n", b"\r\n"),
        CLEAN.rstrip(),
        CLEAN + b"\n\n",
        b"\xef\xbb\xbf" + CLEAN,
        CLEAN.replace(b"30", b"3.0e1"),
        CLEAN.replace(b"\t", b",", 3),  # separators may differ from row to row
    ],
)
def test_usual_forms(parse, content):
    assert parse(content).tolist() == BOXES


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"1 2 3 4\n1 2 3\n", 2),
        (b"1\t2\t3\t4\n1\t2\t3\n", 2),
        (b"1,2,3,4\n1,2,3,4,5\n", 2),
        (b"1,2,3\n", 1),
        (b"1,2,3,4\n\n1,2,3,4\n", 2),
        (b"\n1,2,3,4\n", 1),
        (b"x,y,w,h\n1,2,3,4\n", 1),
        (b"1,2,3,4\n1,2,3-4,5\n", 2),
        (b"1,2,3,4\n1,2,3.4.5,6\n", 2),
        (b"1,2,3,4\n1,2,-,4\n", 2),
        (b"1,2,3,4\n1,2,.,4\n", 2),
        (b"1,2,3,4\n1,,3,4\n", 2),
        (b"1,2,3,4\n1,2,nan,4\n", 2),
        (b"1,2,3,4\n1,2,inf,4\n", 2),
        (b"1,2,3,4\n1,2,1e999,4\n", 2),
        (b"1,2,3,4\n1,2,1_000,4\n", 2),
        (b'1,2,3,4\n1,2,"3",4\n', 2),
        (b"1,2,3,4\n1,2,0x10,4\n", 2),
        (b"1,2,3,4\n1,2,3\x00,4\n", 2),
        (b"1,2,3,4\n1,2,3,4,\n", 2),
        ("1,2,3,4\n1,2,٣,4\n".encode(), 2),
    ],
)
def test_malformed_rows_are_named(parse, content, line):
    with pytest.raises(InputError, match=rf"seq\.txt, line {line}: expected"):
        parse(content)


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe1,2,3,4"])
def test_files_without_rows(parse, content):
    with pytest.raises(InputError, match=r"seq\.txt"):
        parse(content)


@given(st.data())
def test_fuzzed_files_give_the_right_boxes_or_an_error(parse, data):
    """Whatever happens to a few bytes: the numbers that are written there, or an error naming file and line."""
    content = bytearray(CLEAN.replace(b"\t", data.draw(st.sampled_from([b"\t", b",", b" "]))))
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(content)))
        length = data.draw(st.integers(0, 3))
        extra = st.text("0123456789.,-+eE\t\n\r nainf_\"'x;\x00", max_size=3).map(str.encode)
        content[position : position + length] = data.draw(extra)
    rows = [re.split(r"[ \t]*[,;][ \t]*|[ \t]+", row.strip()) for row in content.decode().rstrip().split("\n")]
    is_good = all(len(row) == 4 and all(NUMBER.fullmatch(cell) for cell in row) for row in rows)
    wanted = np.array([[float(cell) for cell in row] for row in rows]) if is_good else None
    try:
        found = parse(bytes(content))
    except InputError as error:
        assert wanted is None or not np.isfinite(wanted).all()
        assert re.search(r"seq\.txt(, line [1-4]|: expected one row)", str(error))  # noqa: PT017 - not in all examples
    else:
        assert wanted is not None
        np.testing.assert_array_equal(found, wanted)


@given(st.lists(st.tuples(*[st.floats(-1e6, 1e6)] * 4), min_size=1, max_size=20), st.integers(0, 8))
def test_numbers_are_read_exactly(parse, rows, digits):
    """The fast parser rounds correctly: at most 15 digits, divided by an exact power of ten."""
    texts = [[f"{value:.{digits}f}" for value in row] for row in rows]
    content = "".join("\t".join(row) + "\n" for row in texts).encode()
    np.testing.assert_array_equal(parse(content), [[float(cell) for cell in row] for row in texts])


def test_rows_without_a_box(parse):
    content = b"1,2,3,4\nnan,nan,nan,nan\n"
    assert np.isnan(parse(content, absent=True)[1]).all()
    with pytest.raises(InputError, match="line 2"):
        parse(b"1,2,3,4\nnan,2,3,4\n", absent=True)


def test_column(tmp_path):
    path = tmp_path / "times.txt"
    for content in (b"0.5\n0.25\n", b"5e-1\n0.25"):
        path.write_bytes(content)
        assert parse_column(content, path).tolist() == [0.5, 0.25]
    path.write_bytes(b"0.5\n0.5 0.5\n")
    with pytest.raises(InputError, match=r"times\.txt, line 2"):
        parse_column(path.read_bytes(), path)


def write(folder, *names, content="1,2,3,4\n"):
    for name in names:
        path = folder / f"{name}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def test_results_of_a_tracker(tmp_path):
    tracker = Tracker("dimp", "dimp50", 3, results_path=tmp_path)
    assert find_results(tracker, ["a", "b"]) == {}
    write(tracker.results_dir, "a", "a_time", "A_flags")
    (tracker.results_dir / "a_info.json").write_text("{}")
    found = find_results(tracker, ["a", "b", "A"])
    assert list(found) == ["a"]  # the tracker's own names are exact
    assert (found["a"].time.name, found["a"].info.name) == ("a_time.txt", "a_info.json")


def test_names_of_others(tmp_path):
    write(tmp_path, "jogging-1", "Bike1", "human4", "BlurCar.4", "blurcar.4_time", "car_4")
    names = ["Jogging_1", "uav_bike1", "Human4_2", "BlurCar4", "Car4", "Jogging_2"]
    found = find_results(RawResults("theirs", tmp_path), names)
    assert {name: file.boxes.stem for name, file in found.items()} == {
        "Jogging_1": "jogging-1", "uav_bike1": "Bike1", "Human4_2": "human4", "BlurCar4": "BlurCar.4", "Car4": "car_4",
    }  # fmt: skip
    assert plain_name("Ocean-online_2.txt") == "oceanonline2txt"


def test_numbers_in_names_stay_apart(tmp_path):
    write(tmp_path, "car11", "car1-1", "Skating21")
    found = find_results(RawResults("theirs", tmp_path), ["uav_car1_1", "uav_car11", "Skating2_1"])
    assert {name: file.boxes.stem for name, file in found.items()} == {
        "uav_car1_1": "car1-1", "uav_car11": "car11", "Skating2_1": "Skating21",
    }  # fmt: skip
    (tmp_path / "car1-1.txt").unlink()
    assert find_results(RawResults("theirs", tmp_path), ["uav_car1_1"]) == {}


def test_ambiguous_names(tmp_path):
    write(tmp_path, "car-4", "Car4")
    with pytest.raises(InputError, match=r"Car4\.txt and .*car-4\.txt have the same name"):
        find_results(RawResults("theirs", tmp_path), ["Car4"])


def test_server_layout_of_got10k(tmp_path):
    for name in ("GOT-10k_Val_000001", "GOT-10k_Val_000002"):
        write(tmp_path / name, f"{name}_001", f"{name}_002", f"{name}_time")
    found = find_results(RawResults("theirs", tmp_path, run_id=1), ["GOT-10k_Val_000002"])
    assert found["GOT-10k_Val_000002"].boxes.name == "GOT-10k_Val_000002_002.txt"


def test_raw_folder_is_not_there(tmp_path):
    with pytest.raises(InputError, match="which is no folder"):
        find_results(RawResults("theirs", tmp_path / "no"), ["a"])


def test_raw_options(tmp_path):
    first, second = raw_results("theirs", tmp_path, tmp_path, one_based=True)
    assert (first.run_id, second.run_id, second.one_based) == (0, 1, True)
    assert raw_results("theirs", tmp_path)[0].run_id is None
    write(tmp_path, "a", content="1,2,3,4\n5,6,-1,-1\n")
    file = find_results(first, ["a"])["a"]
    with pytest.raises(InputError, match=r"a\.txt, line 2: expected a width and height that are not negative"):
        file.read_boxes(file.boxes.read_bytes())
    lost = find_results(RawResults("theirs", tmp_path, one_based=True, lost_boxes=True), ["a"])["a"]
    assert lost.read_boxes(lost.boxes.read_bytes()).tolist() == [[0, 1, 3, 4], [4, 5, -1, -1]]


def otb(rows=1) -> Sequence:
    return Sequence("a", [], "otb", np.tile([10.0, 20, 30, 40], (rows, 1)), pixel_origin=1)


def test_unknown_pixel_numbers_are_refused(tmp_path):
    """pytracking's results among ours: 1-based where the data set's files are."""
    tracker = Tracker("dimp", "dimp50", results_path=tmp_path)
    write(tracker.results_dir, "a", content="11,21,30,40\n")
    raw = RawResults("theirs", tracker.results_dir)
    uses = (
        lambda source: evaluate([source], [otb()], options=ScoringOptions(cache=None, workers=1)),
        lambda source: evaluate_presence(source, [otb()]),
        lambda source: load_boxes(source, otb()),
        lambda source: Overlay([source], otb()),
    )
    origin = tracker.results_dir / "pixel_origin"
    for use in uses:
        for source in (tracker, raw):
            with pytest.raises(InputError, match=rf"(?s)dimp50/a\.txt: expected to be told .*: echo 1 > {origin}\n"):
                use(source)
    from_zero = Sequence("a", [], "nfs", otb().ground_truth_rect)
    assert load_boxes(tracker, from_zero)[1].tolist() == [[11, 21, 30, 40]]  # its files leave nothing to ask
    origin.write_text("1\n")
    for source in (tracker, raw):
        assert load_boxes(source, otb())[1].tolist() == [[10, 20, 30, 40]]
    assert load_boxes(RawResults("theirs", tracker.results_dir, one_based=False), otb())[1].tolist() == [
        [11, 21, 30, 40]
    ]
    origin.write_text("0")
    assert load_boxes(tracker, otb())[1].tolist() == [[11, 21, 30, 40]]
    origin.write_text("one")
    with pytest.raises(InputError, match="pixel_origin: expected 0 or 1"):
        load_boxes(tracker, otb())


def test_records_of_this_project_say_the_pixel_numbers(tmp_path):
    tracker = Tracker("dimp", "dimp50", results_path=tmp_path)
    write(tracker.results_dir, "a", content="10,20,30,40\n")
    (tracker.results_dir / "run.json").write_text("{}")
    for source in (tracker, RawResults("ours", tracker.results_dir)):
        assert load_boxes(source, otb())[1].tolist() == [[10, 20, 30, 40]]
    (tracker.results_dir / "b_info.json").write_text("{}")  # the run wrote records: what has none is not its own
    with pytest.raises(InputError, match="expected to be told"):
        load_boxes(tracker, otb())
    (tracker.results_dir / "a_info.json").write_text('{"frames": 1}')
    (tracker.results_dir / "pixel_origin").write_text("1")  # of the others
    for source in (tracker, RawResults("ours", tracker.results_dir)):
        assert load_boxes(source, otb())[1].tolist() == [[10, 20, 30, 40]]


def test_scores_with_and_without_the_pixel(tmp_path):
    """A cached score does not outlive what was said about the folder."""
    write(tmp_path / "theirs", "a", content="11,21,30,40\n" * 3)
    options = ScoringOptions(cache=tmp_path / "cache", workers=1)
    source, said = RawResults("theirs", tmp_path / "theirs"), tmp_path / "theirs" / "pixel_origin"
    for text, overlap in (("1", 1.0), ("0", (1 + 2 * 29 * 39 / (2 * 1200 - 29 * 39)) / 3)):
        said.write_text(text)
        scores = evaluate([source], [otb(3)], options=options).trackers[0]
        assert scores.average_overlap[0, 0] == pytest.approx(overlap)
    said.unlink()
    with pytest.raises(InputError, match="expected to be told"):
        evaluate([source], [otb(3)], options=options)


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"fps": null}', b'{"fps": "fast", "peak_memory": true}'])
def test_record_without_numbers(content):
    assert all(np.isnan(value) for value in read_info(content).values())


def test_record():
    assert read_info(b'{"fps": 12.5, "peak_memory": 1000}') == {"fps": 12.5, "peak_memory": 1000.0}
