import numpy as np
import pytest

from ltr.common.errors import InputError
from pytracking.evaluation.oxuvadataset import OxUvADevDataset, OxUvATestDataset
from pytracking.evaluation.tabledataset import load_table
from tests.pytracking.evaluation.layouts import HEIGHT, WIDTH, write_images, write_rows
from tests.shared_data import shared_path

BOX = (0.25, 0.5, 0.5, 0.75)  # xmin, xmax, ymin, ymax
INFO = ("vid0005", "obj0001", 12, "knife", "false", "false")


def write_dev(root):
    write_images(root, "images/dev/vid0005/{:06d}.jpeg", range(30, 151))
    write_rows(root / "tasks" / "dev.csv", [("vid0005", "obj0001", 30, 120, *BOX)])
    labels = [
        (*INFO, 30, "present", *BOX),
        (*INFO, 60, "absent", 0.0, 0.0, 0.0, 0.0),
        (*INFO, 90, "present", 0, 1, 0, 1),
        (*INFO, 120, "present", *BOX),
        ("vid0009", *INFO[1:], 0, "present", *BOX),
    ]
    write_rows(root / "annotations" / "dev.csv", labels)


def test_dev(tmp_path):
    write_dev(tmp_path)
    sequences = OxUvADevDataset(tmp_path).get_sequence_list()
    assert sequences.names == ["vid0005_obj0001"]
    sequence = sequences[0]
    sequence.check()
    assert [frame.name for frame in (sequence.frames[0], sequence.frames[-1])] == ["000030.jpeg", "000120.jpeg"]
    boxes = sequence.ground_truth_rect
    np.testing.assert_array_equal(boxes[0], [WIDTH / 4, HEIGHT / 2, WIDTH / 4, HEIGHT / 4])
    np.testing.assert_array_equal(boxes[60], [0, 0, WIDTH, HEIGHT])
    assert np.flatnonzero(np.isfinite(boxes).all(axis=1)).tolist() == [0, 60, 90]
    assert np.flatnonzero(sequence.annotated).tolist() == [0, 30, 60, 90]
    assert np.flatnonzero(sequence.target_visible).tolist() == [0, 60, 90]


@pytest.mark.parametrize("header", [[], [("video", "object", "a", "b", "c", "d", "e", "f")]])
def test_test_split(tmp_path, header):
    write_images(tmp_path, "images/test/vid0001/{:06d}.jpeg", range(5, 8))
    write_rows(tmp_path / "tasks" / "test.csv", [*header, ("vid0001", "obj0000", 5, 7, *BOX)])
    sequence = OxUvATestDataset(tmp_path).get_sequence_list()["vid0001_obj0000"]
    sequence.check()
    assert (len(sequence), sequence.first_box_only) == (3, True)
    np.testing.assert_array_equal(sequence.ground_truth_rect, [[12, 18, 12, 9]])


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ((*INFO, 60, "maybe", *BOX), r"dev\.csv, line 2: expected present or absent, found 'maybe'"),
        ((*INFO, -3, "present", *BOX), r"line 2: expected the number of a frame, found '-3'"),
        ((*INFO, 60, "present", 0.5, 0.25, 0, 1), r"line 2: expected 0 <= xmin < xmax <= 1"),
        ((*INFO, 60, "present", 0.5, "nan", 0, 1), r"line 2: expected 0 <= xmin < xmax <= 1"),
        ((*INFO, 60, "present", 0.5, "x", 0, 1), r"line 2: expected four numbers"),
        ((*INFO, 60, "present", 0.5), r"line 2: expected 12 columns, found 9"),
        ((*INFO, 121, "present", *BOX), r"expected frames 30 to 120 of vid0005,obj0001, found 121"),
    ],
)
def test_malformed_labels(tmp_path, row, message):
    write_dev(tmp_path)
    write_rows(tmp_path / "annotations" / "dev.csv", [(*INFO, 30, "present", *BOX), row])
    with pytest.raises(InputError, match=message):
        _ = OxUvADevDataset(tmp_path).get_sequence_list()[0].ground_truth_rect


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (("v", "o", 9, 3, *BOX), "line 1: expected a last frame after the first, found 9 and 3"),
        (("v", "o", 0, 3), "line 1: expected 8 columns, found 4"),
        ((), "expected one track a line"),
    ],
)
def test_malformed_tasks(tmp_path, row, message):
    write_rows(tmp_path / "tasks" / "test.csv", [row])
    with pytest.raises(InputError, match=message):
        OxUvATestDataset(tmp_path).get_sequence_list()


def test_missing_labels(tmp_path):
    write_dev(tmp_path)
    write_rows(tmp_path / "annotations" / "dev.csv", [("vid0009", *INFO[1:], 0, "present", *BOX)])
    sequence = OxUvADevDataset(tmp_path).get_sequence_list()[0]
    with pytest.raises(InputError, match="expected rows of vid0005,obj0001, found none"):
        _ = sequence.annotated
    (tmp_path / "annotations" / "dev.csv").unlink()
    with pytest.raises(InputError, match="cannot read annotation"):
        _ = sequence.annotated


def test_real_tasks_and_labels(tmp_path):
    import tarfile

    with tarfile.open(shared_path("data", "metrics", "oxuva.tar.xz")) as archive:
        wanted = [m for m in archive.getmembers() if m.name.split("/")[1:2] in (["tasks"], ["annotations"])]
        archive.extractall(tmp_path, wanted, filter="data")
    dev, test = (d(tmp_path / "oxuva").get_sequence_list() for d in (OxUvADevDataset, OxUvATestDataset))
    assert (len(set(dev.names)), len(set(test.names))) == (200, 166)
    table = load_table("oxuva_tasks")
    for split, sequences in (("dev", dev), ("test", test)):
        assert {s.name: s._frames.args[2:] for s in sequences} == {n: tuple(r) for n, r in table[split].items()}
    rows = (tmp_path / "oxuva" / "annotations" / "dev.csv").read_text().splitlines()
    for sequence in dev[::10]:
        own = [row for row in rows if row.startswith(sequence.name.replace("_", ",") + ",")]
        assert sequence.annotated.sum() == len(own)
        assert sequence.target_visible.sum() == sum(",present," in row for row in own)
