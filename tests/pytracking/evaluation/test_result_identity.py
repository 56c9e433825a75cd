"""Two data sets of equal names, lengths and first boxes in one results folder: nothing finished is lost or mistaken."""

import io
import json
import os
import shutil

import cv2
import numpy as np
import pytest
from rich.console import Console

from ltr.common.errors import InputError
from pytracking.analysis.evaluation import evaluate
from pytracking.analysis.result_files import find_results
from pytracking.analysis.run_scores import ScoringOptions
from pytracking.evaluation.data import Sequence
from pytracking.evaluation.dry_run import show_plan
from pytracking.evaluation.engines.local import LocalEngine
from pytracking.evaluation.engines.serial import SerialEngine
from pytracking.evaluation.planning import Part, make_plan
from pytracking.evaluation.result_identity import array_fingerprint
from pytracking.evaluation.running import run_parts, run_sequence
from tests.pytracking.dummy import DummyTracker
from tests.pytracking.dummy.results import stored

NAMES = ("walk", "run", "jump")


def copy_of(folder, brightness, kind="jpg", count=6, names=NAMES):
    """Sequences of images that are all alike; uncompressed ones have the same size whatever they show."""
    sequences = []
    for name in names:
        (folder / name).mkdir(parents=True, exist_ok=True)
        frames = [folder / name / f"{number:04d}.{kind}" for number in range(count)]
        for frame in frames:
            cv2.imwrite(str(frame), np.full((36, 48, 3), brightness, np.uint8))
        boxes = np.array([[4.0 + number, 5.0, 10.0, 8.0] for number in range(count)])
        sequences.append(Sequence(name, frames, "dummy", boxes))
    return sequences


def tracker(tmp_path, run_id=0):
    return DummyTracker("wander", "default", run_id, results_path=tmp_path / "results")


def run(sequences, *trackers, engine=None, **options):
    console = Console(file=io.StringIO(), width=300)
    parts = [Part(trackers, sequences)]
    summary = run_parts(parts, engine or SerialEngine(), console=console, **options)
    return [outcome.status for outcome in summary.outcomes], console.file.getvalue()


@pytest.mark.parametrize("kind", ["jpg", "png", "bmp"])
def test_a_second_data_set_is_refused_then_set_aside(tmp_path, kind):
    visible, infrared = copy_of(tmp_path / "visible", 90, kind), copy_of(tmp_path / "infrared", 120, kind)
    one = tracker(tmp_path)
    run(visible, one)
    before = stored(one.results_dir)
    statuses, text = run(infrared, one)
    assert statuses == ["failed"] * 3
    assert f"images: those of {tmp_path}/visible/walk there, those of {tmp_path}/infrared/walk here" in text
    assert "give another --results_path or --runid; --overwrite sets the old one aside" in text
    assert stored(one.results_dir) == before

    statuses, text = run(infrared, one, overwrite=True)
    assert statuses == ["done"] * 3
    aside = one.results_dir.with_name("default_000.replaced-data")
    assert f"3 of 3 results are of other data, and will be set aside in {aside}" in text
    assert stored(aside) == before
    assert run(infrared, one)[0] == ["skipped"] * 3

    assert run(visible, one, overwrite=True)[0] == ["done"] * 3  # and back again
    assert {path.name for path in aside.parent.iterdir()} == {
        "default_000", "default_000.replaced-data", "default_000.replaced-data-2",
    }  # fmt: skip
    assert stored(one.results_dir) == before


def test_with_several_workers_as_with_one(tmp_path):
    visible, infrared = copy_of(tmp_path / "visible", 90), copy_of(tmp_path / "infrared", 120)
    results = {}
    for name, engine in (("serial", None), ("workers", LocalEngine(2, torch_threads=1))):
        trackers = [DummyTracker("wander", "default", i, results_path=tmp_path / name) for i in (0, 1)]
        run(visible[:2], *trackers, engine=engine)
        statuses, _ = run(infrared, *trackers, engine=engine)
        assert sorted(statuses) == ["done"] * 2 + ["failed"] * 4  # what no copy has is tracked
        statuses, _ = run(infrared, *trackers, engine=engine, overwrite=True)
        assert statuses == ["done"] * 6
        folders = sorted((tmp_path / name / "wander").iterdir())
        results[name] = {folder.name: stored(folder) for folder in folders}
    assert len(results["serial"]) == 4
    assert results["serial"] == results["workers"]


def test_extracted_again_in_place(tmp_path):
    sequences, one = copy_of(tmp_path / "data", 90), tracker(tmp_path)
    run(sequences, one)
    cv2.imwrite(str(sequences[1].frames[4]), np.full((36, 48, 3), 91, np.uint8))
    statuses, text = run(sequences, one)
    assert sorted(statuses) == ["failed", "skipped", "skipped"]
    assert f"images: those in {tmp_path}/data/run have changed since" in text


def test_a_copy_on_another_disk_is_the_same_data(tmp_path):
    sequences, one = copy_of(tmp_path / "data", 90), tracker(tmp_path)
    run(sequences, one)
    shutil.copytree(tmp_path / "data", tmp_path / "other")
    copies = [
        Sequence(s.name, [tmp_path / "other" / s.name / f.name for f in s.frames], "dummy", s.ground_truth_rect)
        for s in sequences
    ]
    for frame in copies[0].frames:
        os.utime(frame, (1, 1))
    assert run(copies, one)[0] == ["skipped"] * 3


def test_results_of_an_earlier_version_stay(tmp_path):
    sequences, one = copy_of(tmp_path / "data", 90), tracker(tmp_path)
    run(sequences, one)
    info = one.results_dir / "walk_info.json"
    record = json.loads(info.read_text())
    del record["data"]
    info.write_text(json.dumps(record))
    statuses, text = run(sequences, one)
    assert statuses == ["skipped"] * 3
    assert "1 of 3 results are of an earlier version, and were compared by name" in text
    assert "data" not in json.loads(info.read_text())
    console = Console(file=io.StringIO())
    assert show_plan([Part([one], sequences)], console=console) == 0
    assert "of an earlier version" in console.file.getvalue()
    run(sequences, one, overwrite=True)  # whether it is of these images nobody knows: it is not lost
    assert (one.results_dir.with_name("default_000.replaced-data") / "walk.txt").exists()
    assert not (one.results_dir.with_name("default_000.replaced-data") / "jump.txt").exists()


def test_annotation_that_was_corrected(tmp_path):
    """A tracker sees the first box alone: its results stay, and it is said."""
    sequences, one = copy_of(tmp_path / "data", 90), tracker(tmp_path)
    run(sequences, one)
    boxes = sequences[0].ground_truth_rect.copy()
    boxes[3, 0] += 1
    corrected = [Sequence("walk", sequences[0].frames, "dummy", boxes), *sequences[1:]]
    statuses, text = run(corrected, one)
    assert statuses == ["skipped"] * 3
    assert "1 of 3 results have another annotation now, but the same first box" in text
    boxes[0, 0] += 1
    other_start = [Sequence("walk", sequences[0].frames, "dummy", boxes)]
    statuses, text = run(other_start, one)
    assert statuses == ["failed"]
    assert "init_bbox: [4.0, 5.0, 10.0, 8.0] there, [5.0, 5.0, 10.0, 8.0] here" in text


def test_without_the_images_nothing_is_compared(tmp_path):
    sequences, one = copy_of(tmp_path / "data", 90), tracker(tmp_path)
    run(sequences, one)
    shutil.rmtree(tmp_path / "data" / "walk")
    statuses, text = run(sequences, one)
    assert statuses == ["skipped"] * 3
    assert "1 of 3 results were not compared with their images, which cannot be read here" in text


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "".join(text.splitlines(keepends=True)[:3]),
        lambda text: text[:-7],
        lambda text: text[:-1],
        lambda text: text + text.splitlines(keepends=True)[-1],
        lambda text: "\0" * len(text),
        lambda text: text.replace("\t", " no number ", 1),
        lambda text: "",
    ],
)
def test_damaged_results_count_as_missing(tmp_path, damage):
    sequences, one = copy_of(tmp_path / "data", 90), tracker(tmp_path)
    run(sequences, one)
    before = stored(one.results_dir)
    boxes = one.results_dir / "walk.txt"
    boxes.write_text(damage(boxes.read_text()))
    plan = make_plan([Part([one], sequences)])
    assert [planned.state for planned in plan.jobs] == ["again", "done", "done"]
    assert "walk.txt" in plan.jobs[0].reason
    statuses, text = run(sequences, one)
    assert sorted(statuses) == ["done", "skipped", "skipped"]
    assert "1 of 3 results are damaged and count as missing: wander_default_000 walk" in text
    assert stored(one.results_dir) == before
    assert len(list(one.results_dir.parent.iterdir())) == 1


def test_line_ends_of_another_system_are_no_damage(tmp_path):
    sequences, one = copy_of(tmp_path / "data", 90), tracker(tmp_path)
    run(sequences, one)
    boxes = one.results_dir / "walk.txt"
    boxes.write_bytes(boxes.read_bytes().replace(b"\n", b"\r\n").replace(b"\t", b" "))
    assert run(sequences, one)[0] == ["skipped"] * 3


def test_a_result_without_its_record(tmp_path):
    sequences, one = copy_of(tmp_path / "data", 90), tracker(tmp_path)
    run(sequences, one)
    (one.results_dir / "walk_info.json").write_text("{")
    boxes = (one.results_dir / "walk.txt").read_text()
    statuses, text = run(sequences, one)
    assert sorted(statuses) == ["failed", "skipped", "skipped"]
    assert "walk.txt is there without a readable walk_info.json" in text
    run(sequences, one, overwrite=True)
    assert (one.results_dir.with_name("default_000.replaced-data") / "walk.txt").read_text() == boxes


@pytest.mark.parametrize("other", ["walk_time", "Walk", "walk_flags", "walk_object_presence_scores", "WALK_INFO"])
def test_names_that_collide(tmp_path, other):
    (walk, second) = copy_of(tmp_path / "data", 90, names=("walk", other))
    one = tracker(tmp_path)
    for order in ([walk, second], [second, walk]):
        with pytest.raises(InputError, match="would share result files"):
            run(order, one)
    assert not one.results_dir.exists()
    if other != other.lower():
        run([walk], one)
        run([second], one)  # here, on a disk that tells them apart, one after the other
        assert {path.stem for path in one.results_dir.glob("*_time.txt")} >= {"walk_time", f"{other}_time"}
        return
    for first, later in ((walk, second), (second, walk)):
        shutil.rmtree(tmp_path / "results", ignore_errors=True)
        run([first], one)
        before = stored(one.results_dir)
        with pytest.raises(InputError, match=r"results in .* are in the way: .*\n.*--results_path"):
            run([later], one, overwrite=True)
        with pytest.raises(InputError, match="would share result files"):
            run_sequence(later, one)
        assert stored(one.results_dir) == before


@pytest.mark.parametrize("name", ["a/b", "..", ".hidden", ""])
def test_names_that_are_no_file_names(tmp_path, name):
    sequence = Sequence(name, [], "dummy", np.ones((1, 4)))
    with pytest.raises(InputError, match="cannot name a file"):
        make_plan([Part([tracker(tmp_path)], [sequence])])


def test_composed_and_decomposed_accents_are_one_name(tmp_path):
    sequences = copy_of(tmp_path / "data", 90, names=("caf\u00e9", "cafe\u0301"))
    with pytest.raises(InputError, match="would share result files"):
        run(sequences, tracker(tmp_path))


def test_folders_of_trackers_that_collide(tmp_path):
    trackers = [
        DummyTracker("wander", "default", results_path=tmp_path, overrides={"step": step}, label=label)
        for step, label in ((2, "far"), (3, "FAR"))
    ]
    with pytest.raises(InputError, match="two trackers would write the same result files"):
        run(copy_of(tmp_path / "data", 90), *trackers)


def test_results_of_one_copy_are_not_scored_on_another(tmp_path):
    visible, infrared = copy_of(tmp_path / "visible", 90), copy_of(tmp_path / "infrared", 120)
    one, options = tracker(tmp_path), ScoringOptions(cache=tmp_path / "scores")
    run(visible, one)
    evaluation = evaluate([one], visible, options=options)
    with pytest.raises(InputError, match=r"was made on other images than those of sequence 'walk' of dummy:\n  images"):
        evaluate([one], infrared, options=options)
    shutil.move(tmp_path / "visible", tmp_path / "moved")
    moved = copy_of(tmp_path / "moved", 90)
    np.testing.assert_array_equal(evaluate([one], moved, options=options).trackers[0].auc, evaluation.trackers[0].auc)


def test_times_of_a_sequence_are_no_boxes_of_another(tmp_path):
    walk, other = copy_of(tmp_path / "data", 90, names=("walk", "walk_time"))
    one = tracker(tmp_path)
    run([walk], one)
    assert list(find_results(one, ["walk", "walk_time"])) == ["walk"]
    shutil.rmtree(one.results_dir)
    run([other], one)
    assert list(find_results(one, ["walk", "walk_time"])) == ["walk_time"]


def test_numbers_are_compared_as_they_are_stored():
    boxes = np.array([[1.0, 2, 3, 4], [np.nan] * 4, [0.00001, 0, 1, 1]])
    same = np.array([[1.00001, 2, 3, 4], [-np.nan] * 4, [-0.0, 0, 1, 1]])
    assert array_fingerprint(boxes) == array_fingerprint(same)
    assert array_fingerprint(boxes) != array_fingerprint(boxes[:2]) != array_fingerprint(boxes[:2].reshape(4, 2))
