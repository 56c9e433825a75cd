"""Results with more or fewer rows than frames: mapped where it is known how, and never without a word."""

import json

import numpy as np
import pytest

from ltr.common.errors import InputError
from pytracking.analysis.evaluation import evaluate
from pytracking.analysis.extract_results import extract_results
from pytracking.analysis.oxuva import count_results
from pytracking.analysis.playback_results import Overlay
from pytracking.analysis.plot_results import print_per_sequence_results, print_results
from pytracking.analysis.presence import evaluate_presence
from pytracking.analysis.report import make_report, write_report_files
from pytracking.analysis.result_files import RawResults
from pytracking.analysis.run_scores import ScoringOptions
from pytracking.evaluation import Sequence, Tracker
from pytracking.evaluation.datasets import load_dataset
from pytracking.scoring.conventions import Rules
from pytracking.scoring.rows import RowCountWarning, row_offsets, row_text
from tests.pytracking.dummy import make_sequence

PERFECT = 20 / 21  # AUC: an overlap of 1 is not greater than 1


def no_cache() -> ScoringOptions:
    return ScoringOptions(cache=None, workers=1)


def moving(count: int, start: int = 0) -> np.ndarray:
    """Boxes of a target that never stays where it was, counted from 1."""
    t = np.arange(start, start + count)
    return np.stack((10 + 37 * t % 400, 20 + 23 * t % 200, np.full(count, 20), np.full(count, 20)), axis=1)


def otb_sequence(root, name: str, images: range, annotated: range, rows_before: int = 0) -> Sequence:
    """A sequence of OTB whose folder has these images; the boxes are those of `moving` by the images' numbers."""
    (root / name / "img").mkdir(parents=True)
    for number in images:
        (root / name / "img" / f"{number:04d}.jpg").touch()
    boxes = moving(len(annotated) + rows_before, annotated.start - rows_before)
    np.savetxt(root / name / "groundtruth_rect.txt", boxes, fmt="%d", delimiter=",")
    return load_dataset(f"otb:{root}").get_sequence_list()[name]


def raw(folder, name: str, boxes: np.ndarray) -> RawResults:
    folder.mkdir(exist_ok=True)
    np.savetxt(folder / f"{name}.txt", boxes, fmt="%d", delimiter=",")
    return RawResults("theirs", folder, one_based=True)


@pytest.mark.parametrize(
    ("name", "images", "annotated", "rows_before", "first", "rows"),
    [
        ("Tiger1", range(1, 355), range(6, 355), 5, 1, 354),
        ("David", range(1, 771), range(300, 771), 0, 1, 770),
        ("David", range(1, 772), range(300, 771), 0, 1, 771),  # an image after the last annotated one
        ("David", range(300, 771), range(300, 771), 0, 1, 770),  # counted by number, whatever is in the folder
        ("BlurCar1", range(247, 989), range(247, 989), 0, 1, 988),
        ("BlurCar3", range(1, 360), range(3, 360), 0, 1, 359),
        ("BlurCar4", range(10, 398), range(18, 398), 0, 10, 388),  # the folder begins in between
    ],
)
def test_known_offsets(tmp_path, name, images, annotated, rows_before, first, rows):
    sequence = otb_sequence(tmp_path / "otb", name, images, annotated, rows_before)
    assert len(sequence.ground_truth_rect) == len(annotated)
    tracker = raw(tmp_path / "theirs", name, moving(rows, first))
    with pytest.warns(RowCountWarning, match=rf"theirs, {name}: {rows} rows for {len(annotated)} frames: the first "):
        scores = evaluate([tracker], [sequence], options=no_cache()).trackers[0]
    assert scores.auc[0, 0] == pytest.approx(PERFECT)


def test_offsets_without_images(tmp_path):
    sequence = otb_sequence(tmp_path, "David", range(0), range(300, 771))
    assert row_offsets(sequence) == {770: 299}
    assert row_offsets(otb_sequence(tmp_path, "Crossing", range(1, 121), range(1, 121))) == {}


def test_other_lengths_are_said_and_scored_by_the_rules(tmp_path):
    sequence = otb_sequence(tmp_path / "otb", "Tiger1", range(1, 355), range(6, 355), 5)
    short = raw(tmp_path / "short", "Tiger1", moving(200, 6))
    with pytest.warns(RowCountWarning, match="200 rows for 349 frames: the last box stands for the 149 missing ones"):
        (official,) = evaluate([short], [sequence], options=no_cache()).trackers
    with pytest.warns(RowCountWarning, match="200 rows for 349 frames: boxes of zeros stand for the 149 missing ones"):
        evaluation = evaluate([short], [sequence], "pytracking", options=no_cache())
    assert evaluation.trackers[0].auc[0, 0] == pytest.approx(PERFECT * 200 / 349)
    assert official.auc[0, 0] >= evaluation.trackers[0].auc[0, 0]
    with pytest.warns(RowCountWarning, match="353 rows for 349 frames: the last 4 are left out"):
        evaluate([raw(tmp_path / "long", "Tiger1", moving(353, 6))], [sequence], options=no_cache())


def test_what_comes_from_the_cache_is_said_too(tmp_path):
    sequence = otb_sequence(tmp_path / "otb", "Crossing", range(1, 121), range(1, 121))
    options = ScoringOptions(cache=tmp_path / "cache", workers=1)
    for _ in range(2):
        with pytest.warns(RowCountWarning, match="100 rows for 120 frames"):
            evaluate([raw(tmp_path / "theirs", "Crossing", moving(100, 1))], [sequence], options=options)


def test_text():
    assert row_text(3, 3, Rules()) == ""
    both = "the first 2, of images before the sequence, are left out and the last 4 are left out"
    assert row_text(9, 3, Rules(), {9: 2}) == f"9 rows for 3 frames: {both}"


@pytest.fixture
def stored(tmp_path):
    """Two runs on two sequences, of which run 1 is too short on the second."""
    dataset = [make_sequence(tmp_path / "images", name, 6) for name in ("cat", "dog")]
    runs = [Tracker("t", "p", run, "mine", results_path=tmp_path / "results") for run in (0, 1)]
    for run in runs:
        run.results_dir.mkdir(parents=True)
        for sequence in dataset:
            rows = 4 if run.run_id == 1 and sequence.name == "dog" else 6
            np.savetxt(run.results_dir / f"{sequence.name}.txt", sequence.ground_truth_rect[:rows], delimiter="\t")
    return runs, dataset


SAID = "mine, run 1, dog: 4 rows for 6 frames: the last box stands for the 2 missing ones"


@pytest.mark.filterwarnings("ignore::pytracking.scoring.rows.RowCountWarning")
def test_reports_say_so(stored, tmp_path):
    runs, dataset = stored
    evaluation = evaluate(runs, dataset, options=no_cache())
    report = make_report(evaluation, {"mine": runs}, dataset)
    write_report_files(report, tmp_path / "report")
    suffixes = (".html", ".md", ".json", ".csv")
    texts = {path.name: path.read_text() for path in (tmp_path / "report").rglob("*") if path.suffix in suffixes}
    for name in ("report.html", "report.md", "report.json"):
        assert SAID in texts[name], name
    assert json.loads(texts["report.json"])["row_counts"] == [
        {"tracker": "mine", "run_id": 1, "sequence": "dog", "rows": 4, "frames": 6, "text": SAID.split(": ", 1)[1]}
    ]
    rows = [line.split(",")[-2:] for line in texts["runs.csv"].splitlines()]
    assert rows == [["frames", "rows"], ["6", "6"], ["6", "6"], ["6", "6"], ["6", "4"]]
    assert "other_rows" in texts["summary.csv"]
    assert "mine run 1: 4" in texts["sequences_auc.csv"]
    whole = make_report(evaluation.subset(["cat"]), {"mine": runs}, dataset)
    assert not whole.notices
    assert "other_rows" not in whole.summary.csv()


@pytest.mark.filterwarnings("ignore::pytracking.scoring.rows.RowCountWarning")
def test_printed_tables_say_so(stored, capsys):
    print_results(*stored, "r", merge_results=True, force_evaluation=True)
    assert "other rows" in capsys.readouterr().out
    print_per_sequence_results(*stored, "r", force_evaluation=True)
    assert "mine_001 run 1: 4" in capsys.readouterr().out.replace("\n", " ")


def test_every_way_to_scores_warns(stored):
    runs, dataset = stored
    with pytest.warns(RowCountWarning, match="mine, run 1, dog: 4 rows for 6 frames"):
        extract_results(runs, dataset, "r")
    for use in (evaluate_presence, count_results):
        with pytest.warns(RowCountWarning, match="mine, dog: 4 rows for 6 frames"):
            use(runs[1], dataset)
    with pytest.warns(RowCountWarning, match="dog: mine, 4 rows for 6 frames"):
        assert Overlay(runs, dataset[1]).names == ["mine", "mine, 4 rows for 6 frames"]


def test_presence_scores_are_mapped_with_the_boxes(tmp_path):
    sequence = otb_sequence(tmp_path / "otb", "Tiger1", range(1, 355), range(6, 355), 5)
    tracker = raw(tmp_path / "theirs", "Tiger1", moving(354, 1))
    scores = np.r_[np.zeros(5), np.ones(349)]
    np.savetxt(tmp_path / "theirs" / "Tiger1_object_presence_scores.txt", scores)
    with pytest.warns(RowCountWarning, match="354 rows for 349 frames"):
        curve = evaluate_presence(tracker, [sequence])
    assert curve.thresholds.tolist() == [1.0]
    assert curve.f1.tolist() == [1.0]


def test_ground_truth_on_a_server_has_no_presence_measure(stored):
    unknown = Sequence("cat", ["0.jpg"] * 6, "oxuva_test", np.array([[1.0, 2, 3, 4]]), first_box_only=True)
    with pytest.raises(InputError, match="scored by the benchmark's server"):
        count_results(stored[0][0], [unknown])


def test_times_of_other_frames_are_refused(stored):
    runs, dataset = stored
    (runs[0].results_dir / "cat_time.txt").write_text("0.1\n" * 5)
    with pytest.raises(InputError, match=r"cat_time\.txt: expected 6 seconds, one for each box, found 5"):
        evaluate(runs[:1], dataset, options=no_cache())


@pytest.fixture
def cut_off(stored):
    """A result whose record knows that it had more rows."""
    runs, dataset = stored
    (runs[1].results_dir / "dog_info.json").write_text(json.dumps({"frames": 6, "fps": 10.0}))
    return runs, dataset


def test_results_that_are_cut_off_count_as_missing(cut_off):
    runs, dataset = cut_off
    with pytest.raises(InputError, match=r"(?s)mine, run 1, dog: 4 rows for 6 frames: other than its record.*again"):
        evaluate(runs, dataset, options=no_cache())
    with pytest.warns(RowCountWarning, match="mine, run 1, dog: 4 rows"):
        assert evaluate(runs, dataset, skip_missing=True, options=no_cache()).sequences == ("cat",)
    with pytest.warns(RowCountWarning, match="counts as missing"):
        kept = evaluate(runs, dataset, keep_missing=True, options=no_cache())
    assert kept.missing() == [("mine", 1, "dog")]
    notices = make_report(kept, {"mine": runs}, dataset).notices
    assert any("left out for want of results of mine: dog" in notice for notice in notices)
    assert any("4 rows for 6 frames" in notice for notice in notices)
    for use in (evaluate_presence, count_results, Overlay):
        arguments = (runs[1:], dataset[1]) if use is Overlay else (runs[1], dataset)
        with pytest.raises(InputError, match=r"dog\.txt: expected the rows that dog_info\.json tells of, found 4"):
            use(*arguments)


def test_parts_of_a_benchmark_are_told(stored):
    runs, dataset = stored
    dataset[0].expected_frames = 12
    with pytest.warns(RowCountWarning):
        evaluation = evaluate(runs, dataset, options=no_cache())
    assert "cat: 6 of 12 frames" in " ".join(make_report(evaluation, {"mine": runs}, dataset).notices)
