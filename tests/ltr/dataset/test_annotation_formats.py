"""Files of annotation programs, written and read again, and as others write them."""

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ltr.common.errors import InputError
from ltr.dataset.annotation_formats import ENDINGS, Tracks, read_tracks, write_tracks

NAN = [np.nan] * 4
IMAGES = [f"{number:06d}.jpg" for number in range(1, 7)]
# Fractional boxes, a target that comes late, one with a gap, one that ends, one of a single frame; numbers with a gap.
TRACKS = Tracks(
    {
        1: np.array([[10.25, 20.5, 30.125, 40], NAN, NAN, [0, 0, 1, 1], [-3.5, 2, 10, 12], NAN]),
        2: np.array([NAN, NAN, [5, 6, 7, 8], [5.0001, 6, 7, 8], [5, 6, 7, 8], [5, 6, 7, 8.75]]),
        7: np.array([NAN, NAN, NAN, NAN, NAN, [100, 50, 20, 10]]),
    },
    IMAGES,
    (320, 240),
    "clip",
)


@pytest.mark.parametrize("form", ENDINGS)
def test_what_is_written_is_read(tmp_path: Path, form: str) -> None:
    path = tmp_path / f"clip{ENDINGS[form]}"
    write_tracks(path, TRACKS, form)
    read = read_tracks(path, IMAGES)
    assert list(read.boxes) == list(TRACKS.boxes)
    for number, boxes in TRACKS.boxes.items():
        np.testing.assert_allclose(read.boxes[number], boxes, rtol=0, atol=1e-7)  # ten digits of numbers below 1000


box = st.tuples(*[st.floats(-500, 4000)] * 2, *[st.floats(0.001, 4000)] * 2)
track = st.lists(st.one_of(st.none(), box), min_size=5, max_size=5).filter(any)


@given(st.dictionaries(st.integers(1, 30), track, min_size=1, max_size=4), st.sampled_from(sorted(ENDINGS)))
def test_any_tracks_are_read_as_written(tmp_path_factory: pytest.TempPathFactory, tracks: dict, form: str) -> None:
    boxes = {number: np.array([NAN if row is None else row for row in rows]) for number, rows in tracks.items()}
    path = tmp_path_factory.getbasetemp() / f"any{ENDINGS[form]}"
    write_tracks(path, Tracks(boxes, IMAGES[:5]), form)
    read = read_tracks(path, IMAGES[:5]).boxes
    assert sorted(read) == sorted(boxes)
    for number, rows in boxes.items():
        np.testing.assert_allclose(read[number], rows, rtol=0, atol=1e-5)  # ten digits of numbers up to 8000, twice


def test_conventions_at_the_edges_of_the_files(tmp_path: Path) -> None:
    for form, ending in ENDINGS.items():
        write_tracks(tmp_path / f"clip{ending}", TRACKS, form)
    first = (tmp_path / "clip.mot.txt").read_text().splitlines()[0]
    assert first == "1,1,11.25,21.5,30.125,40,1,-1,-1,-1"  # frames and pixels from 1
    coco = json.loads((tmp_path / "clip.coco.json").read_text())
    assert coco["images"][0] == {"id": 1, "file_name": "000001.jpg", "width": 320, "height": 240}
    assert coco["annotations"][0]["bbox"] == [10.25, 20.5, 30.125, 40]
    assert coco["annotations"][0]["area"] == 30.125 * 40
    root = ElementTree.parse(tmp_path / "clip.cvat.xml").getroot()
    boxes = [(b.get("frame"), b.get("outside"), b.get("xbr")) for b in root.find("track[@id='0']").iter("box")]
    assert boxes == [("0", "0", "40.375"), ("1", "1", "40.375"), ("3", "0", "1"), ("4", "0", "6.5"), ("5", "1", "6.5")]
    assert root.find("meta/task/original_size/width").text == "320"


def test_cvat_keyframes_are_interpolated_and_last_boxes_stay(tmp_path: Path) -> None:
    corners = 'ytl="0" xbr="{}" ybr="10"'
    rows = [(0, 0, 0), (2, 4, 0), (3, 4, 1), (4, 0, 0)]
    text = "".join(
        f'<box frame="{frame}" outside="{outside}" xtl="{x}" {corners.format(x + 10)}/>' for frame, x, outside in rows
    )
    path = tmp_path / "annotations.xml"
    path.write_text(f'<annotations><track id="0" label="car">{text}</track></annotations>')
    read = read_tracks(path, IMAGES).boxes[1]
    np.testing.assert_array_equal(read[:, 0], [0, 2, 4, np.nan, 0, 0])


def test_coco_images_are_found_by_name_then_by_order(tmp_path: Path) -> None:
    content = {
        "images": [{"id": 40, "file_name": "img/000003.jpg"}, {"id": 30, "file_name": "img/000001.jpg"}],
        "annotations": [{"image_id": 40, "bbox": [1, 2, 3, 4]}, {"image_id": 30, "bbox": [5, 6, 7, 8]}],
    }
    path = tmp_path / "annotations.json"
    path.write_text(json.dumps(content))
    read = read_tracks(path, IMAGES).boxes[1]
    assert read[2].tolist() == [1, 2, 3, 4]
    assert read[0].tolist() == [5, 6, 7, 8]
    by_order = read_tracks(path, ["a.jpg", "b.jpg"]).boxes[1]
    assert by_order.tolist() == [[5, 6, 7, 8], [1, 2, 3, 4]]


def test_mot_ground_truth_leaves_out_what_does_not_count(tmp_path: Path) -> None:
    path = tmp_path / "gt.txt"
    path.write_text("2, 3, 1, 1, 5, 5, 1, 1, 0.5\n1, 3, 2, 2, 5, 5, 1, 1, 1\n1, 4, 1, 1, 5, 5, 0, 8, 1\n")
    read = read_tracks(path, IMAGES).boxes
    assert list(read) == [3]
    assert read[3][:2].tolist() == [[1, 1, 5, 5], [0, 0, 5, 5]]


COCO = '{{"images": [{{"id": 1, "file_name": "a.jpg"}}], "annotations": [{}]}}'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,1,2,3,4", "line 1: expected frame,id,left,top,width,height"),
        ("0,1,2,3,4,5", "line 1: expected a frame from 1 to 6"),
        ("1,1,2,3,4,5\n7,1,2,3,4,5", "line 2: expected a frame from 1 to 6"),
        ("1,-1,2,3,4,5,0.9,-1,-1,-1", "detections are no tracks"),
        ("1,1,2,3,4,5\n1,1,2,3,4,5", "target 1 has two boxes in image 1"),
        ("1,1,2,3,-4,5", "target 1, image 1: expected a box"),
        ("1,1,2,nan,4,5", "target 1, image 1: expected a box"),
        ("", "holds no box"),
        ("{", "expected COCO's images and annotations"),
        ("[]", "expected COCO's images and annotations"),
        (COCO.format('{"image_id": 2, "bbox": [1, 2, 3, 4]}'), "a box is of image 2, which is not among the 6 images"),
        (COCO.format('{"image_id": 1, "bbox": [1, 2, 3]}'), "expected a bbox of four numbers"),
        (COCO.format(", ".join(['{"image_id": 1, "bbox": [1, 2, 3, 4]}'] * 2)), "2 of 2 boxes have no track_id"),
        ("<annotations>", "expected CVAT's XML with tracks"),
        ("<annotations><image id='0'/></annotations>", "export 'CVAT for video'"),
        (
            '<annotations><track id="0"><box frame="6" xtl="0" ytl="0" xbr="1" ybr="1"/></track></annotations>',
            "track 0: frame 6 is not among the 6 images",
        ),
    ],
)
def test_bad_files_are_told_with_their_place(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "file"
    path.write_text(text)
    with pytest.raises(InputError, match=re.escape(message)) as told:
        read_tracks(path, IMAGES)
    assert str(path) in str(told.value)
