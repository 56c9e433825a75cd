"""Boxes of the tracker in files of annotation programs, and back as sequences of `folder:`."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from ltr.dataset.annotation_formats import ENDINGS, read_tracks
from pytracking.arguments import FORMATS
from pytracking.evaluation import Tracker, get_dataset
from pytracking.evaluation.annotation_export import export_results
from pytracking.run_tracker import run_tracker
from pytracking.run_video import run_video


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of images with two moving squares."""
    folder = tmp_path_factory.mktemp("squares")
    random = np.random.default_rng(0)
    background = random.integers(40, 90, (120, 160, 3), dtype=np.uint8)
    square = np.kron(random.integers(120, 255, (4, 4, 3), dtype=np.uint8), np.ones((6, 6, 1), dtype=np.uint8))
    for number in range(5):
        image = background.copy()
        for x, y in ((20 + 2 * number, 20), (100 - 2 * number, 80)):
            image[y : y + 24, x : x + 24] = square
        cv2.imwrite(str(folder / f"{number + 1:04d}.png"), image)
    return folder


def test_formats_are_those_that_can_be_written() -> None:
    assert sorted(FORMATS) == sorted(ENDINGS)


def test_targets_of_a_video_come_back_as_sequences(tmp_path: Path, video: Path) -> None:
    summary = run_video(
        "dimp", "dimp_lite", video, [[20, 20, 24, 24], [100.5, 80, 24, 24]], display=False, results_path=tmp_path,
        annotation_formats=FORMATS, device="cpu",
    )  # fmt: skip
    results = tmp_path / "dimp" / "dimp_lite"
    name = f"video_{video.name}"
    stored = [np.loadtxt(results / f"{name}_{number}.txt") for number in (1, 2)]
    for form, ending in ENDINGS.items():
        file = results / "annotations" / f"{name}{ending}"
        assert file in summary.files
        folder = tmp_path / form
        shutil.copytree(video, folder)
        shutil.copy(file, folder)
        sequences = get_dataset(f"folder:{folder}")
        assert sequences.names == [f"{form}_1", f"{form}_2"]
        for sequence, boxes in zip(sequences, stored, strict=True):
            sequence.check()
            np.testing.assert_allclose(sequence.ground_truth_rect, boxes, atol=1e-6)
    tracks = read_tracks(results / "annotations" / f"{name}.coco.json", [f"{n:04d}.png" for n in range(1, 6)])
    assert sorted(tracks.boxes) == [1, 2]


def test_results_of_a_data_set_are_written_beside_them(tmp_path: Path, video: Path) -> None:
    folder = tmp_path / "mine"
    shutil.copytree(video, folder)
    (folder / "groundtruth.txt").write_text("20,20,24,24\n" * 5)
    run_tracker("dimp", "dimp_lite", dataset_name=f"folder:{folder}", results_path=tmp_path, annotation_formats=["mot"])
    (file,) = (tmp_path / "dimp" / "dimp_lite" / "annotations").iterdir()
    read = read_tracks(file, [""] * 5).boxes[1]
    np.testing.assert_allclose(read, np.loadtxt(tmp_path / "dimp" / "dimp_lite" / "mine.txt"), atol=1e-6)


def test_frames_without_a_reported_box_have_none(tmp_path: Path, video: Path) -> None:
    folder = tmp_path / "mine"
    shutil.copytree(video, folder)
    (folder / "groundtruth.txt").write_text("20,20,24,24\n" * 5)
    run_tracker("dimp", "dimp_lite", dataset_name=f"folder:{folder}", results_path=tmp_path)
    results = Tracker("dimp", "dimp_lite", results_path=tmp_path).results_dir
    lines = (results / "mine.txt").read_text().splitlines()
    lines[2] = "-1.0000\t-1.0000\t-1.0000\t-1.0000"
    (results / "mine.txt").write_text("\n".join(lines) + "\n")
    (file,) = export_results(results, get_dataset(f"folder:{folder}"), ["cvat"])
    assert np.isfinite(read_tracks(file, [""] * 5).boxes[1]).all(axis=1).tolist() == [True, True, False, True, True]


def test_targets_that_come_later_begin_there(tmp_path: Path, video: Path) -> None:
    folder = tmp_path / "late"
    shutil.copytree(video, folder)
    (folder / "gt").mkdir()
    (folder / "gt" / "gt.txt").write_text("3,1,11,11,5,5,1,1,1\n5,1,12,11,5,5,1,1,1\n")
    (sequence,) = get_dataset(f"folder:{folder}")
    sequence.check()
    assert sequence.name == "late"
    assert (len(sequence), sequence.frames_before, sequence.frames[0].name) == (3, 2, "0003.png")
    assert sequence.init_bbox() == [10, 10, 5, 5]
    assert sequence.target_visible.tolist() == [True, False, True]
