import subprocess
import sys

import cv2
import numpy as np
import pytest

from pytracking.util_scripts.check_dataset import check_dataset, main
from tests.pytracking.evaluation.layouts import ROW, write_images, write_rows
from tests.shared_data import shared_path


@pytest.fixture
def root(tmp_path):
    """VOT2018 with four complete sequences."""
    for name in ("ants1", "bag", "ball1", "book"):
        write_images(tmp_path, f"{name}/color/{{:08d}}.jpg", range(1, 6))
        write_rows(tmp_path / name / "groundtruth.txt", [ROW] * 5)
    return tmp_path


def test_partial_copy(root):
    (root / "mine").mkdir()
    report = check_dataset(f"vot:{root}")
    assert report.complete == ["ants1", "bag", "ball1", "book"]
    assert len(report.missing) == 56
    assert (report.inconsistent, report.extra) == ({}, ["mine"])
    text = report.text()
    assert "60 sequences, 4 complete, 56 missing, 0 inconsistent, 1 extra" in text
    assert "<sequence>/color/00000001.jpg" in text
    assert "(56 in all; --all shows them)" in " ".join(text.split())
    assert "zebrafish1" in report.text(limit=None)


def rows_and_images(root):
    write_rows(root / "bag" / "groundtruth.txt", [ROW] * 4)
    return "expected as many ground-truth rows as images, found 4 rows, 5 images"


def missing_images(root):
    (root / "bag" / "color" / "00000004.jpg").unlink()
    return "1 of 5 images are missing, the first is"


def no_annotation(root):
    (root / "bag" / "groundtruth.txt").unlink()
    return "cannot read annotation"


def unreadable_annotation(root):
    write_rows(root / "bag" / "groundtruth.txt", [ROW, ROW[:3], ROW, ROW, ROW])
    return "groundtruth.txt, line 2: expected 1, 4 or 8 numbers, found 3"


def relative_boxes(root):
    write_rows(root / "bag" / "groundtruth.txt", [(0.1, 0.2, 0.3, 0.4)] * 5)
    return "if it is relative to the image of 48x36 pixels"


def empty_first_box(root):
    write_rows(root / "bag" / "groundtruth.txt", [(5, 6, 0, 10), ROW, ROW, ROW, ROW])
    return "with positive width and height"


def first_box_outside(root):
    write_rows(root / "bag" / "groundtruth.txt", [(500, 6, 20, 10), ROW, ROW, ROW, ROW])
    return "an initial box that meets the image of 48x36 pixels"


def undecodable_first_image(root):
    (root / "bag" / "color" / "00000001.jpg").write_bytes(b"\xff\xd8 cut")
    return "is cut off"


@pytest.mark.parametrize(
    "damage",
    [
        rows_and_images, missing_images, no_annotation, unreadable_annotation, empty_first_box, relative_boxes,
        first_box_outside, undecodable_first_image,
    ],
)  # fmt: skip
def test_inconsistent_sequence(root, damage):
    message = damage(root)
    report = check_dataset(f"vot2018:{root}")
    assert list(report.inconsistent) == ["bag"]
    assert message in report.inconsistent["bag"]
    assert report.inconsistent["bag"].startswith("sequence 'bag' of vot2018: ")
    assert report.complete == ["ants1", "ball1", "book"]


def test_every_image(root):
    name = f"vot:{root}"
    assert "bag" in check_dataset(name).complete  # the others are empty files
    assert "is no image that OpenCV can decode" in check_dataset(name, images=True).inconsistent["bag"]
    for number in range(1, 6):
        shape = (36, 48, 3) if number < 5 else (30, 48, 3)
        cv2.imwrite(str(root / "bag" / "color" / f"{number:08d}.jpg"), np.zeros(shape, np.uint8))
    report = check_dataset(name, images=True)
    assert (report.complete, report.changing) == (["bag"], ["bag"])  # as GOT-10k_Val_000136
    assert "images of several sizes, which trackers follow:\n    bag" in report.text()


def test_negative_sizes(tmp_path):
    write_images(tmp_path, "{}.jpg", range(5))
    write_rows(tmp_path / "groundtruth.txt", [ROW, ROW, (5, 6, -20, 10), ROW, ROW])
    (message,) = check_dataset(f"folder:{tmp_path}").inconsistent.values()
    assert "1 boxes have a negative width or height, the first is that of frame 3 (-20 x 10)" in message


def test_number_of_sequences_alone_is_known(tmp_path):
    write_images(tmp_path, "TEST/frames/a_0/{}.jpg", range(3))
    (tmp_path / "TEST" / "frames" / "b_0").mkdir()
    write_rows(tmp_path / "TEST" / "anno" / "a_0.txt", [ROW])
    report = check_dataset(f"trackingnet:{tmp_path}")
    assert report.complete == ["a_0"]
    assert report.extra == ["TEST/frames/b_0"]
    assert "511 sequences, 1 complete, 510 missing" in report.text()
    assert "expected 511 sequences, found 1" in report.text()


def test_exit_status(root, capsys):
    assert main([f"vot:{root}"]) == 1
    write_images(root / "own", "{}.jpg", range(5))
    write_rows(root / "own" / "groundtruth.txt", [ROW] * 5)
    assert main([f"folder:{root / 'own'}"]) == 0
    assert main([f"folder:{root / 'own'}", f"vot:{root}"]) == 1
    assert capsys.readouterr().out.count("expected there:") == 4
    assert main(["vott"]) == 2
    assert "did you mean 'vot'" in capsys.readouterr().err
    assert main([f"otb:{root / 'nowhere'}"]) == 2
    assert "expected there for data set otb: <Sequence>/img/0001.jpg" in capsys.readouterr().err


def test_as_a_module(root):
    command = [sys.executable, "-m", "pytracking.util_scripts.check_dataset", f"vot:{root}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")
    assert "4 complete" in done.stdout


@pytest.mark.parametrize(
    ("name", "folder", "complete", "inconsistent"),
    [
        ("otb", "OTB100", 10, 0),
        ("uav10fps", "UAV123_10fps", 1, 0),
        ("vot2018", "VOT2018", 1, 0),
        ("tinytlp", "TLP", 0, 1),
        ("folder", "train", 5, 0),
    ],
)
def test_real_sequences(name, folder, complete, inconsistent):
    report = check_dataset(f"{name}:{shared_path('data', folder)}")
    assert (len(report.complete), len(report.inconsistent), report.extra) == (complete, inconsistent, [])
