import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from ltr.common.errors import InputError
from pytracking.evaluation import results
from pytracking.evaluation.data import Sequence
from pytracking.evaluation.engines.serial import SerialEngine
from pytracking.evaluation.planning import Part
from pytracking.evaluation.results import load_result, result_file
from pytracking.evaluation.running import run_dataset, run_parts, run_sequence
from pytracking.evaluation.tracker_setup import SetupError
from pytracking.scoring.conventions import Rules
from pytracking.scoring.metrics import score_boxes
from tests.pytracking.dummy import DummyTracker, make_sequence, write_black_frame, write_white_frame
from tests.waiting import PATIENCE, wait_until

ROOT = Path(__file__).resolve().parents[3]


def wander(folder: Path, parameter: str = "default", **options) -> DummyTracker:
    return DummyTracker("wander", parameter, results_path=folder, **options)


def run(*args, **options):
    """run_dataset and what it printed."""
    console = Console(file=io.StringIO(), width=200)
    summary = run_dataset(*args, console=console, **options)
    return summary, console.file.getvalue()


@pytest.fixture
def sequences(tmp_path):
    return [make_sequence(tmp_path / "data", name) for name in ("a", "b", "c", "d")]


def result_files(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.glob("*.txt") if not path.name.endswith("_time.txt")}


def test_done_then_skipped_then_overwritten(tmp_path, sequences):
    tracker = wander(tmp_path / "results")
    summary, text = run(sequences[:2], [tracker])
    assert summary.exit_status == 0
    assert [o.status for o in summary.outcomes] == ["done", "done"]
    assert "[2/2] wander_default b: 6 frames" in text
    assert "reading images and loading the network are not counted" in text
    boxes = result_file(tracker.results_dir, "a")
    before = boxes.stat().st_mtime_ns
    summary, text = run(sequences, [tracker])
    assert [o.status for o in summary.outcomes] == ["skipped", "skipped", "done", "done"]
    assert "skipped: results exist (use --overwrite)" in text
    assert boxes.stat().st_mtime_ns == before
    summary, _ = run(sequences[:1], [tracker], overwrite=True)
    assert summary.with_status("done")
    assert boxes.stat().st_mtime_ns > before
    assert result_file(tracker.results_dir, "b").exists()


def test_failures_do_not_stop_the_others(tmp_path, sequences):
    write_black_frame(sequences[1].frames[3])
    sequences[2].frames[2].unlink()
    data = sequences[3].frames[4].read_bytes()
    sequences[3].frames[4].write_bytes(data[: len(data) // 2])
    tracker = wander(tmp_path / "results")
    summary, text = run(sequences, [tracker])
    assert [o.status for o in summary.outcomes] == ["done", "failed", "failed", "failed"]
    assert summary.exit_status == 1
    dark, missing, cut = summary.with_status("failed")
    assert "it is too dark" in dark.traceback
    assert "frame 4 of 6 of sequence 'b' of dummy" in dark.traceback
    assert "1 of 6 images are missing" in missing.message
    assert "0003.jpg" in missing.message
    assert "frame 5 of 6" in cut.message
    assert "0005.jpg is cut off" in cut.message
    assert not missing.traceback
    assert "1 done, 0 skipped, 3 failed, 0 not run" in text
    assert "Traceback" in text
    assert sorted(path.name for path in tracker.results_dir.glob("[bcd]*")) == []


def test_image_lost_while_running(tmp_path, sequences):
    sequences[0].check()

    def lose_next(finished: int, total: int) -> None:
        if finished == 2:
            sequences[0].frames[3].unlink()  # the third image is being read already

    with pytest.raises(InputError, match=r"frame 4 of 6: cannot read image .*0004\.jpg: No such file"):
        wander(tmp_path).run_sequence(sequences[0], on_frame=lose_next)


def test_bad_ground_truth(tmp_path, sequences):
    good, frames = sequences[0], sequences[0].frames
    boxes = good.ground_truth_rect
    nan_first = boxes.copy()
    nan_first[0] = np.nan
    no_area = boxes.copy()
    no_area[0, 2] = 0
    bad = [
        Sequence("nan", frames, "dummy", nan_first),
        Sequence("area", frames, "dummy", no_area),
        Sequence("short", frames, "dummy", boxes[:-2]),
        Sequence("columns", frames, "dummy", boxes[:, :3]),
    ]
    summary, _ = run([*bad, good], [wander(tmp_path / "results")])
    messages = [o.message for o in summary.outcomes]
    assert "sequence 'nan' of dummy: the first ground-truth box" in messages[0]
    assert "positive width and height" in messages[1]
    assert "expected 6 ground-truth rows for 6 frames, found 4" in messages[2]
    assert "(N, 4)" in messages[3]
    assert summary.outcomes[4].status == "done"
    assert not any(o.traceback for o in summary.outcomes)


def test_parallel_equals_serial_in_any_order(tmp_path, sequences):
    write_black_frame(sequences[1].frames[3])
    one, two = wander(tmp_path / "serial"), wander(tmp_path / "parallel")
    run(sequences, [one])
    summary, text = run(sequences[::-1], [two], threads=2)
    assert sorted(o.status for o in summary.outcomes) == ["done", "done", "done", "failed"]
    assert "it is too dark" in summary.with_status("failed")[0].traceback
    assert "2 processes shared this machine" in text
    assert result_files(one.results_dir) == result_files(two.results_dir)
    assert len(result_files(one.results_dir)) == 9


def test_seed_and_run_id_change_results(tmp_path, sequences):
    def boxes(**options):
        tracker = wander(tmp_path / str(options), **options)
        run_sequence(sequences[0], tracker)
        return load_result(tracker.results_dir, "a")

    first, again = boxes(), wander(tmp_path / "again")
    run_sequence(sequences[1], again)  # what was run before does not matter
    run_sequence(sequences[0], again)
    repeated = load_result(again.results_dir, "a")
    np.testing.assert_array_equal(repeated.boxes, first.boxes)
    np.testing.assert_array_equal(repeated.scores, first.scores)  # drawn from the global generators
    for options in ({"seed": 1}, {"run_id": 0}):
        assert not np.array_equal(boxes(**options).boxes, first.boxes)


def test_other_parameters_are_refused_then_set_aside(tmp_path, sequences):
    tracker = wander(tmp_path / "results")
    run(sequences[:1], [tracker])
    other = wander(tmp_path / "results", seed=5)
    with pytest.raises(InputError, match=r"seed: 0 there, 5 here\n.*--overwrite"):
        run(sequences, [other])
    assert sorted(path.name for path in tracker.results_dir.glob("b*")) == []
    summary, text = run(sequences[1:2], [other], overwrite=True)
    assert summary.exit_status == 0
    aside = next(tracker.results_dir.parent.glob("default.replaced-*"))
    assert str(aside) in text
    assert (aside / "a.txt").exists()
    assert not (tracker.results_dir / "a.txt").exists()
    assert json.loads((tracker.results_dir / "run.json").read_text())["seed"] == 5


def test_result_of_other_data_is_not_reused(tmp_path, sequences):
    tracker = wander(tmp_path / "results")
    run(sequences[:1], [tracker])
    longer = make_sequence(tmp_path / "data", "a", count=8)
    summary, _ = run([longer, sequences[1]], [tracker])
    assert [o.status for o in summary.outcomes] == ["failed", "done"]
    assert "frames: 6 there, 8 here" in summary.outcomes[0].message
    summary, _ = run([longer], [tracker], overwrite=True)
    assert summary.exit_status == 0
    assert len(load_result(tracker.results_dir, "a").boxes) == 8


def test_unwritable_results(tmp_path, sequences):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match=r"cannot write results to .*file.*\n.*PYTRACKING_RESULTS_PATH"):
        run(sequences, [wander(tmp_path / "file")])


def test_what_cannot_be_written_fails_and_the_others_go_on(tmp_path, sequences):
    tracker, blocked = wander(tmp_path / "results"), wander(tmp_path / "results", "slow")
    run(sequences[:1], [tracker])
    # A folder in the place of a file: root, who may write anywhere, cannot replace it either.
    (tracker.results_dir / "b_time.txt").mkdir()
    blocked.results_dir.write_text("a file in the place of the folder")
    summary, text = run(sequences[:3], [tracker, blocked])
    assert summary.exit_status == 1
    assert "1 done, 1 skipped, 4 failed, 0 not run" in text
    assert text.count("cannot write results to") >= 2
    assert not list(tracker.results_dir.glob(".*"))
    assert result_file(tracker.results_dir, "a").exists()
    assert not result_file(tracker.results_dir, "b").exists()
    assert result_file(tracker.results_dir, "c").exists()


def test_full_disk(tmp_path, sequences, monkeypatch):
    tracker = wander(tmp_path / "results")
    write = results._write_synced

    def full(path, text):
        if path.name.startswith(".b_info"):
            raise OSError(28, "No space left on device")
        write(path, text)

    monkeypatch.setattr(results, "_write_synced", full)
    summary, text = run(sequences[:3], [tracker])
    assert [o.status for o in summary.outcomes] == ["done", "failed", "done"]
    assert "cannot write results to" in text
    assert "No space left on device" in text
    assert not [path.name for path in tracker.results_dir.iterdir() if path.name.lstrip(".").startswith("b")]


def test_too_little_memory_for_one_sequence(tmp_path, sequences):
    write_white_frame(sequences[1].frames[2])
    summary, text = run(sequences[:3], [wander(tmp_path / "results", overrides={"white": "memory"})])
    assert [o.status for o in summary.outcomes] == ["done", "failed", "done"]
    assert summary.with_status("failed")[0].out_of_memory
    assert "MemoryError: no memory for a white image" in text


def test_fail_fast(tmp_path, sequences):
    write_black_frame(sequences[1].frames[3])
    console = Console(file=io.StringIO(), width=200)
    parts = [Part([wander(tmp_path / "results")], sequences)]
    summary = run_parts(parts, SerialEngine(), fail_fast=True, console=console)
    assert [o.status for o in summary.outcomes] == ["done", "failed"]
    assert "1 done, 0 skipped, 1 failed, 2 not run" in console.file.getvalue()
    assert summary.exit_status == 1


@pytest.mark.parametrize("threads", [0, 2])
def test_a_tracker_that_cannot_start_is_told_once_and_the_others_go_on(tmp_path, sequences, threads):
    (tmp_path / "net.pth").write_bytes(b"nothing")
    good = wander(tmp_path / "results", run_id=2)  # runs of higher numbers come later
    network = {"network": str(tmp_path / "net.pth")}
    broken = [wander(tmp_path / "results", run_id=run, overrides=network) for run in (0, 1)]
    console = Console(file=io.StringIO(), width=200)
    with pytest.raises(SetupError, match=r"net\.pth") as error:
        run_dataset(sequences, [*broken, good], threads=threads, console=console)
    assert str(error.value).count("net.pth") == 1
    assert console.file.getvalue().count("net.pth") == 1  # at once, since the end may be hours away
    assert not [path for tracker in broken for path in tracker.results_dir.glob("*.txt")]
    assert {path.name for path in good.results_dir.glob("?.txt")} == {f"{seq.name}.txt" for seq in sequences}


@pytest.mark.parametrize("threads", [0, 2])
def test_without_others_a_tracker_that_cannot_start_ends_the_run_at_once(tmp_path, sequences, threads):
    (tmp_path / "net.pth").write_bytes(b"nothing")
    broken = wander(tmp_path / "results", overrides={"network": str(tmp_path / "net.pth")})
    console = Console(file=io.StringIO(), width=200)
    with pytest.raises(SetupError, match=r"net\.pth"):
        run_dataset(sequences, [broken], threads=threads, console=console)
    assert "net.pth" not in console.file.getvalue()  # it is told by whoever catches the error


def test_scores_are_told(tmp_path, sequences):
    summary, text = run(sequences[:2], [wander(tmp_path / "results", overrides={"step": 0.0})])
    assert summary.outcomes[0].auc == pytest.approx(load_auc(tmp_path, sequences[0]))
    assert "mean AUC of what this run tracked:" in text
    assert f"{np.mean([o.auc for o in summary.outcomes]):.3f}  (2 sequences)" in text


def load_auc(folder: Path, sequence: Sequence) -> float:
    (boxes,) = folder.glob(f"results/wander/*/{sequence.name}.txt")
    return score_boxes(np.loadtxt(boxes), sequence.ground_truth_rect, Rules()).success.mean()


def test_debug_prints_saves_nothing_and_raises(tmp_path, sequences, capsys):
    tracker = wander(tmp_path / "results")
    run(sequences[:1], [tracker], debug=1, visdom_info={"use_visdom": False})
    assert "a frame 2/6: score" in capsys.readouterr().out
    assert not tracker.results_dir.exists()
    write_black_frame(sequences[1].frames[3])
    with pytest.raises(RuntimeError, match="too dark"):
        run(sequences[1:], [tracker], debug=1)


def test_two_writers_of_one_file_are_refused(tmp_path, sequences):
    with pytest.raises(InputError, match="two sequences would write the same result files: a"):
        run([sequences[0], sequences[0]], [wander(tmp_path)])
    with pytest.raises(InputError, match="two trackers"):
        run(sequences, [wander(tmp_path), wander(tmp_path)])


def test_tracker_without_scores_and_with_nan(tmp_path, sequences):
    tracker = DummyTracker("silent", "default", results_path=tmp_path / "results")
    write_black_frame(sequences[1].frames[3])
    summary, _ = run(sequences[:2], [tracker])
    assert [o.status for o in summary.outcomes] == ["done", "failed"]
    assert "four finite numbers" in summary.outcomes[1].message
    result = load_result(tracker.results_dir, "a")
    assert len(result.scores) == 0
    assert result.flags == []
    names = sorted(path.name for path in tracker.results_dir.iterdir())
    assert names == ["a.txt", "a_info.json", "a_time.txt", "run.json"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
@pytest.mark.parametrize("threads", [0, 1])
def test_interrupt_keeps_what_is_finished(tmp_path, threads, number):
    command = [sys.executable, "-m", "tests.pytracking.dummy.interruptible", str(tmp_path), str(threads)]
    process = subprocess.Popen(
        command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        start_new_session=True, env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    folder = tmp_path / "results" / "wander" / "slow"
    wait_until(lambda: result_file(folder, "s0").exists() or process.poll() is not None)
    time.sleep(0.2)  # into the middle of a long sequence
    os.killpg(process.pid, number)  # as a terminal or a batch system does: every process of the group gets it
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 128 + number, out + err
    assert "interrupted: 1 done, 0 skipped, 0 failed, 3 not run" in err
    assert "the same command runs the rest" in err
    assert "Traceback" not in err
    assert sorted(path.name for path in folder.glob("*.txt") if "_" not in path.name) == ["s0.txt"]
    assert not list(folder.glob(".*"))
