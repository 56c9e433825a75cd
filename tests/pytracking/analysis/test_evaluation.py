import json
import os

import numpy as np
import pytest

from ltr.common.errors import InputError
from pytracking.analysis import run_scores
from pytracking.analysis.evaluation import evaluate
from pytracking.analysis.result_files import RawResults
from pytracking.analysis.run_scores import ScoringOptions
from pytracking.evaluation import Sequence, Tracker, trackerlist
from pytracking.scoring.conventions import rules_of
from pytracking.scoring.metrics import score_boxes

TRUTH = {
    "a": np.array([[10.0, 10, 20, 20]] * 4),
    "b": np.array([[30.0, 5, 10, 40]] * 6),
    "c": np.array([[30.0, 5, 10, 40]] * 5),
}


@pytest.fixture(autouse=True)
def cache_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTRACKING_RESULT_PLOT_PATH", str(tmp_path / "plots"))
    return tmp_path / "plots" / "scores"


@pytest.fixture
def dataset():
    return [Sequence(name, [], "otb", boxes) for name, boxes in TRUTH.items()]


def write_result(tracker, name, boxes, fps=None, memory=None, times=None):
    folder = tracker.results_dir
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.txt").write_text("".join("\t".join(f"{v:.4f}" for v in box) + "\n" for box in boxes))
    if fps is not None:
        (folder / f"{name}_info.json").write_text(json.dumps({"fps": fps, "peak_memory": memory}))
    if times is not None:
        (folder / f"{name}_time.txt").write_text("".join(f"{value}\n" for value in times))


def shifted(name, pixels):
    return TRUTH[name] + np.array([pixels, 0, 0, 0])


@pytest.fixture
def runs(tmp_path):
    """Two runs of a tracker, which are off by 1, 2 and 3, and by 2, 4 and 6 pixels."""
    trackers = trackerlist("dimp", "dimp50", (0, 1), results_path=tmp_path)
    for run, tracker in enumerate(trackers, start=1):
        for i, name in enumerate(TRUTH, start=1):
            write_result(tracker, name, shifted(name, i * run), fps=10 * run, memory=1000 * i * run)
    return trackers


@pytest.fixture
def single(tmp_path):
    tracker = Tracker("other", "default", results_path=tmp_path)
    for name, boxes in TRUTH.items():
        write_result(tracker, name, shifted(name, 5), times=[0.5] * len(boxes))
    return tracker


def test_tables(runs, single, dataset):
    evaluation = evaluate([*runs, single], dataset)
    assert (evaluation.dataset, evaluation.convention, evaluation.sequences) == ("otb", "official", ("a", "b", "c"))
    two, one = evaluation.trackers
    assert (two.name, two.parameter_name, two.run_ids) == ("dimp_dimp50", "dimp50", (0, 1))
    assert (one.name, one.run_ids) == ("other_default", (None,))
    for run in range(2):
        for s, (name, truth) in enumerate(TRUTH.items()):
            wanted = score_boxes(shifted(name, (s + 1) * (run + 1)), truth, rules_of("official", "otb"))
            np.testing.assert_array_equal(two.success[run, s], wanted.success)
            np.testing.assert_array_equal(two.precision[run, s], wanted.precision)
            np.testing.assert_array_equal(two.norm_precision[run, s], wanted.norm_precision)
            assert two.average_overlap[run, s] == wanted.average_overlap
    assert two.frames.tolist() == [4, 6, 5]
    assert two.fps.tolist() == [[10] * 3, [20] * 3]
    assert two.peak_memory.tolist() == [[1000, 2000, 3000], [2000, 4000, 6000]]
    assert one.fps.tolist() == [[2, 2, 2]]
    assert np.isnan(one.peak_memory).all()


def test_data_set_scores(runs, single, dataset):
    two, one = evaluate([*runs, single], dataset).trackers
    means = two.auc.mean(axis=1)
    assert two.mean(two.auc) == pytest.approx(means.mean())
    assert two.std(two.auc) == pytest.approx(abs(means[0] - means[1]) / np.sqrt(2))
    assert two.run_means(two.success).shape == (2, 21)
    assert np.isnan(one.std(one.auc))
    # 15 frames in 1.5 seconds, and in 0.75.
    assert two.mean_fps == pytest.approx(30 / 2.25)
    assert (two.max_memory, one.mean_fps) == (6000, pytest.approx(2))
    assert np.isnan(one.max_memory)
    np.testing.assert_array_equal(two.op50, two.success[:, :, 10])
    np.testing.assert_array_equal(two.op75, two.success[:, :, 15])
    np.testing.assert_array_equal(two.precision_score, two.precision[:, :, 20])
    np.testing.assert_array_equal(two.norm_precision_score, two.norm_precision[:, :, 20])


def test_frames_weigh_in_got10k(tmp_path):
    dataset = [Sequence(name, [], "got10k_val", boxes) for name, boxes in TRUTH.items()]
    tracker = Tracker("t", "p", results_path=tmp_path)
    for i, name in enumerate(TRUTH):
        write_result(tracker, name, shifted(name, 3 * i))
    scores = evaluate([tracker], dataset).trackers[0]
    overlaps = np.repeat(scores.average_overlap[0], [3, 5, 4])  # the first frames do not count
    assert scores.mean(scores.average_overlap) == pytest.approx(overlaps.mean())


def test_missing_results(runs, single, dataset):
    (single.results_dir / "b.txt").unlink()
    (runs[1].results_dir / "c.txt").unlink()
    trackers = [*runs, single]
    with pytest.raises(InputError, match=r"dimp_dimp50_001: c in .*\n.*other_default: b in .*\n.*skip_missing=True"):
        evaluate(trackers, dataset)
    assert evaluate(trackers, dataset, skip_missing=True).sequences == ("a",)
    kept = evaluate(trackers, dataset, keep_missing=True)
    assert kept.missing() == [("dimp_dimp50", 1, "c"), ("other_default", None, "b")]
    scores = kept.trackers[0]
    assert np.isnan(scores.mean(scores.auc))  # no mean of other sequences than asked for
    assert kept.complete().sequences == ("a",)
    with pytest.raises(InputError, match="found none"):
        evaluate([*trackers, Tracker("never", "run", results_path=runs[0].results_path)], dataset, skip_missing=True)


def test_ground_truth_of_skipped_sequences_is_not_needed(runs, dataset):
    def unreadable():
        raise InputError("not on this machine")

    absent = Sequence("absent", [], "otb", unreadable)
    assert evaluate(runs, [*dataset, absent], skip_missing=True).sequences == ("a", "b", "c")


def test_subset_attributes_and_runs(runs, dataset):
    evaluation = evaluate(runs, dataset)
    subset = evaluation.subset(["c", "a"])
    assert subset.sequences == ("c", "a")
    np.testing.assert_array_equal(subset.trackers[0].auc, evaluation.trackers[0].auc[:, [2, 0]])
    assert subset.trackers[0].frames.tolist() == [5, 4]
    with pytest.raises(InputError, match="unknown sequence 'd'"):
        evaluation.subset(["d"])
    parts = evaluation.per_attribute({"OCC": [dataset[1], dataset[0]], "FM": ["c", "elsewhere"], "IV": []})
    assert {name: part.sequences for name, part in parts.items()} == {"OCC": ("a", "b"), "FM": ("c",)}
    split = evaluation.split_runs()
    assert [tracker.name for tracker in split.trackers] == ["dimp_dimp50_000", "dimp_dimp50_001"]
    np.testing.assert_array_equal(split.trackers[1].auc, evaluation.trackers[0].auc[1:])


def test_wrong_arguments(runs, dataset, tmp_path):
    with pytest.raises(InputError, match="unknown convention"):
        evaluate(runs, dataset, "mine")
    with pytest.raises(InputError, match="at least one tracker"):
        evaluate([], dataset)
    with pytest.raises(InputError, match="at least one sequence"):
        evaluate(runs, [])
    with pytest.raises(InputError, match="run 0 of dimp_dimp50 is given twice"):
        evaluate([runs[0], runs[0]], dataset)
    with pytest.raises(InputError, match="two sequences are called 'a'"):
        evaluate(runs, [*dataset, Sequence("a", [], "nfs", TRUTH["a"])])
    first_box = Sequence("a", [], "got10k_test", TRUTH["a"][:1], first_box_only=True)
    with pytest.raises(InputError, match="scored by the benchmark's server"):
        evaluate(runs, [first_box])
    nothing = Sequence("a", [], "demo", np.full((4, 4), np.nan))
    with pytest.raises(InputError, match="at least one frame to score"):
        evaluate(runs, [nothing])


def test_display_names_keep_trackers_apart(runs, dataset):
    named = [Tracker("dimp", "dimp50", r, f"mine {r}", results_path=runs[0].results_path) for r in (0, 1)]
    assert [tracker.name for tracker in evaluate(named, dataset).trackers] == ["mine 0", "mine 1"]


def test_bad_files_are_named(runs, dataset):
    path = runs[1].results_dir / "b.txt"
    for content, problem in (("1 2 3\n", "line 1"), ("", "empty"), ("1\t2\t-3\t4\n", "line 1: expected a width")):
        path.write_text(content)
        with pytest.raises(InputError, match=rf"dimp50_001/b\.txt.*{problem}"):
            evaluate(runs, dataset)
    path.write_text("1\t2\t3\t4\n" * 3)
    lasot = [Sequence(name, [], "lasot", boxes) for name, boxes in TRUTH.items()]
    with pytest.raises(InputError, match=r"b\.txt: expected 6 boxes, one for each frame, found 3"):
        evaluate(runs, lasot, "pytracking")
    (runs[0].results_dir / "a_info.json").unlink()
    (runs[0].results_dir / "a_time.txt").write_text("0.1\nfast\n")
    with pytest.raises(InputError, match=r"a_time\.txt, line 2"):
        evaluate(runs, dataset)


def test_raw_results_beside_trackers(runs, dataset, tmp_path):
    folder = tmp_path / "theirs"
    folder.mkdir()
    one_based = Sequence("a", [], "otb", TRUTH["a"], pixel_origin=1)
    (folder / "A.txt").write_text("11,11,20,20\n" * 4)
    evaluation = evaluate([*runs, RawResults("theirs", folder, one_based=True)], [one_based])
    assert evaluation.trackers[1].auc == pytest.approx(20 / 21)
    assert np.isnan(evaluation.trackers[1].fps)


def count_scored(monkeypatch):
    calls = []
    original = run_scores.score_boxes

    def counting(*args):
        calls.append(args)
        return original(*args)

    monkeypatch.setattr(run_scores, "score_boxes", counting)
    return calls


def assert_same(one, other):
    for left, right in zip(one.trackers, other.trackers, strict=True):
        for name in ("success", "precision", "norm_precision", "average_overlap", "fps", "peak_memory"):
            np.testing.assert_array_equal(getattr(left, name), getattr(right, name))


def test_cache_is_used(runs, dataset, monkeypatch, cache_folder):
    calls = count_scored(monkeypatch)
    first = evaluate(runs, dataset)
    assert (len(calls), len(list(cache_folder.glob("*.npz")))) == (6, 2)
    assert_same(evaluate(runs, dataset), first)
    assert len(calls) == 6
    evaluate(runs, dataset[:2])  # a part neither computes nor forgets anything
    evaluate(runs, dataset)
    assert len(calls) == 6
    evaluate(runs, dataset, options=ScoringOptions(cache=None))
    assert len(calls) == 12


def test_changed_result_of_the_same_size_and_time(runs, dataset, monkeypatch):
    """The score follows the content, whatever the file's date says."""
    before = evaluate(runs, dataset)
    path = runs[0].results_dir / "a.txt"
    stat, size = path.stat(), path.stat().st_size
    write_result(runs[0], "a", shifted("a", 9))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert path.stat().st_size == size
    calls = count_scored(monkeypatch)
    after = evaluate(runs, dataset)
    assert len(calls) == 1
    assert after.trackers[0].auc[0, 0] < before.trackers[0].auc[0, 0]
    assert_same(after, evaluate(runs, dataset, options=ScoringOptions(cache=None)))


def test_whatever_changes_a_score_misses_the_cache(runs, dataset, monkeypatch):
    evaluate(runs, dataset)
    calls = count_scored(monkeypatch)

    def scored(*args, **options) -> int:
        calls.clear()
        evaluate(*args, **options)
        return len(calls)

    assert scored(runs, dataset, "pytracking") == 6
    assert scored(runs, dataset, "pytracking") == scored(runs, dataset) == 0  # neither displaces the other
    moved = [Sequence(name, [], "otb", boxes + (name == "b")) for name, boxes in TRUTH.items()]
    assert scored(runs, moved) == 2
    assert scored(runs, [Sequence(name, [], "nfs", boxes) for name, boxes in TRUTH.items()]) == 6
    assert scored(runs, dataset, options=ScoringOptions(overlap_thresholds=np.linspace(0, 1, 101))) == 6
    assert scored(runs, dataset, options=ScoringOptions(exclude_invalid=True)) == 6
    write_result(runs[0], "a", shifted("a", 1), fps=99)
    assert scored(runs, dataset) >= 1
    monkeypatch.setattr(run_scores, "code_hash", lambda: "another version")
    assert scored(runs, dataset) == 6


@pytest.mark.parametrize("damage", ["empty", "cut", "flipped", "foreign"])
def test_damaged_cache_is_ignored(runs, dataset, cache_folder, damage):
    wanted = evaluate(runs, dataset)
    for path in cache_folder.glob("*.npz"):
        content = bytearray(path.read_bytes())
        if damage == "empty":
            content.clear()
        elif damage == "cut":
            del content[len(content) // 2 :]
        elif damage == "foreign":
            np.savez(path, names=np.array(["otb/a"]), keys=np.array(["x"]), numbers=np.zeros(3))
            continue
        else:
            position = content.index(b"numbers.npy") + 400  # among the scores, where only a checksum can tell
            content[position] ^= 1
        path.write_bytes(content)
    assert_same(evaluate(runs, dataset), wanted)


def test_cache_that_cannot_be_written(runs, dataset, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    wanted = evaluate(runs, dataset, options=ScoringOptions(cache=None))
    assert_same(evaluate(runs, dataset, options=ScoringOptions(cache=blocked / "scores")), wanted)


def test_no_temporary_files_are_left(runs, dataset, cache_folder):
    evaluate(runs, dataset)
    assert all(path.suffix == ".npz" and not path.name.startswith(".") for path in cache_folder.iterdir())


def test_worker_processes_give_the_same(runs, single, dataset):
    serial = evaluate([*runs, single], dataset, options=ScoringOptions(cache=None, workers=1))
    parallel = evaluate([*runs, single], dataset, options=ScoringOptions(cache=None, workers=2))
    assert_same(serial, parallel)
    (runs[1].results_dir / "c.txt").write_text("1 2 3\n")
    with pytest.raises(InputError, match=r"c\.txt, line 1"):
        evaluate([*runs, single], dataset, options=ScoringOptions(workers=2))
