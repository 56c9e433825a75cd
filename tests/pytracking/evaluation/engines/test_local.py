import io
import json
import os
import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from rich.console import Console

from ltr.common.device_errors import DeviceError
from ltr.common.errors import InputError
from pytracking.evaluation.data import Sequence
from pytracking.evaluation.engines.local import LocalEngine
from pytracking.evaluation.engines.serial import SerialEngine
from pytracking.evaluation.planning import Part
from pytracking.evaluation.running import run_parts
from tests.pytracking.dummy import DummyTracker, driver, make_sequence, write_black_frame, write_white_frame
from tests.pytracking.dummy.results import stored
from tests.waiting import PATIENCE, wait_until

ROOT = Path(__file__).resolve().parents[4]


def run(parts, engine, **options):
    """run_parts and what it printed."""
    console = Console(file=io.StringIO(), width=200)
    summary = run_parts(parts, engine, console=console, **options)
    return summary, console.file.getvalue()


def start_driver(folder: Path, workers: int) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.pytracking.dummy.driver", str(folder), str(workers)],
        cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def read_until(process: subprocess.Popen, pattern: str) -> re.Match[str]:
    """Match of the first line of a program with the pattern."""
    for line in process.stdout:
        if match := re.search(pattern, line):
            return match
    raise AssertionError(f"the program ended without a line like {pattern}")


def undisturbed(folder: Path) -> dict:
    parts = driver.parts(folder, "undisturbed")
    assert run(parts, SerialEngine())[0].exit_status == 0
    return stored(parts[0].trackers[0].results_dir)


def test_killed_workers_crashes_and_lost_memory(tmp_path):
    """One run has it all: what goes wrong with one sequence costs the others nothing."""
    sequences = [make_sequence(tmp_path / "data", name) for name in ("a", "killed", "dark", "b", "c", "d")]
    write_white_frame(sequences[1].frames[3])
    write_black_frame(sequences[2].frames[3])
    memory = [make_sequence(tmp_path / "data", "white"), make_sequence(tmp_path / "data", "e")]
    write_white_frame(memory[0].frames[2])
    frames = sequences[0].frames
    stuck = Sequence("stuck", lambda: frames, "dummy", sequences[0].ground_truth_rect)  # a lambda cannot be pickled
    options = {"memo": str(tmp_path / "memo")}

    def parts(results: str) -> list[Part]:
        tracker = partial(DummyTracker, "wander", "default", results_path=tmp_path / results)
        return [
            Part([tracker(overrides={"white": "kill once", **options}, label="once")], sequences),
            Part([tracker(overrides={"white": "kill", **options}, label="always")], sequences[1:2]),
            Part([tracker(overrides={"white": "memory", **options}, label="memory")], memory),
            Part([tracker()], [stuck]),
        ]

    summary, text = run(parts("results"), LocalEngine(2, torch_threads=1))
    failed = {(o.tracker, o.sequence): o for o in summary.with_status("failed")}
    assert sorted(failed) == [
        ("wander_default", "stuck"),
        ("wander_default+always", "killed"),
        ("wander_default+memory", "white"),
        ("wander_default+once", "dark"),
    ]
    assert "wander_default+once killed: its worker was killed (SIGKILL): out of memory?; it is run again" in text
    assert "2 workers died of it; the last one was killed" in failed["wander_default+always", "killed"].message
    assert "it is too dark" in failed["wander_default+once", "dark"].traceback
    assert "pickle" in failed["wander_default", "stuck"].traceback
    assert "6 done, 0 skipped, 4 failed, 0 not run" in text
    assert "MemoryError: no memory for a white image" in text
    # With the memory of the first kill, nothing kills this process.
    run([parts("undisturbed")[0], parts("undisturbed")[2]], SerialEngine())
    for label in ("once", "memory"):
        folders = [tmp_path / results / "wander" / f"default+{label}" for results in ("results", "undisturbed")]
        assert stored(folders[0]) == stored(folders[1])


def test_results_say_how_many_workers_there_were(tmp_path):
    sequences = [make_sequence(tmp_path / "data", name) for name in ("a", "b")]
    for engine, workers in ((LocalEngine(2, torch_threads=1), 2), (SerialEngine(), 1)):
        tracker = DummyTracker("wander", "default", results_path=tmp_path / f"{workers}")
        run([Part([tracker], sequences)], engine)
        for name in ("a", "b"):
            info = json.loads((tracker.results_dir / f"{name}_info.json").read_text())
            assert info["environment"]["workers"] == workers


ILLEGAL = "CUDA error: an illegal memory access was encountered"


def gpu_parts(folder: Path, white: str) -> list[Part]:
    """Two of five sequences have a white image, which costs its process the GPU."""
    sequences = [make_sequence(folder / "data", name) for name in ("a", "b", "c", "d", "e")]
    for sequence in sequences[1:3]:
        write_white_frame(sequence.frames[3])
    overrides = {"white": white, "memo": str(folder / "memo")}
    return [Part([DummyTracker("wander", "default", results_path=folder / "results", overrides=overrides)], sequences)]


def test_a_worker_that_lost_its_gpu_is_replaced(tmp_path):
    """The first white image costs a worker its GPU, so that whatever it does from then on fails."""
    parts = gpu_parts(tmp_path, "gpu once")
    summary, text = run(parts, LocalEngine(1, torch_threads=1))
    assert summary.exit_status == 0
    assert "5 done, 0 skipped, 0 failed, 0 not run" in text
    assert text.count(f"its worker lost its GPU ({ILLEGAL}); it is run again") == 1


def test_a_sequence_that_breaks_every_gpu_fails_and_the_others_do_not(tmp_path):
    summary, _ = run(gpu_parts(tmp_path, "gpu"), LocalEngine(1, torch_threads=1))
    assert [outcome.sequence for outcome in summary.with_status("done")] == ["a", "d", "e"]
    assert {outcome.sequence for outcome in summary.with_status("failed")} == {"b", "c"}
    for outcome in summary.with_status("failed"):
        assert outcome.message == f"2 workers died of it; the last one lost its GPU ({ILLEGAL})"
        assert "self.use_gpu()" in outcome.traceback


def test_a_gpu_that_fails_with_everything_ends_the_run(tmp_path):
    (part,) = gpu_parts(tmp_path, "gpu")
    for sequence in part.sequences:
        write_white_frame(sequence.frames[2])
    with pytest.raises(DeviceError, match=f"the GPU failed: {ILLEGAL} in one worker after the other; once the"):
        run([part], LocalEngine(1, torch_threads=1))
    folder = part.trackers[0].results_dir
    assert [path.name for path in folder.iterdir() if path.suffix == ".txt"] == []


def test_a_run_in_this_process_ends_with_its_gpu(tmp_path, monkeypatch):
    parts = gpu_parts(tmp_path, "gpu once")
    tracker = parts[0].trackers[0].tracker_class()
    monkeypatch.setattr(tracker, "lost_gpu", False)  # put back afterwards
    with pytest.raises(DeviceError, match=f"the GPU failed: {ILLEGAL}; only a new process can use it"):
        run(parts, SerialEngine())
    monkeypatch.setattr(tracker, "lost_gpu", False)  # a new process
    _, text = run(parts, SerialEngine())
    assert "4 done, 1 skipped, 0 failed, 0 not run" in text


def test_killed_driver_leaves_no_worker_and_loses_nothing(tmp_path):
    process = start_driver(tmp_path, workers=1)
    read_until(process, r"s1: 25 frames")
    folder = tmp_path / "results" / "wander" / "slow_000"
    worker = _holder(folder)
    assert worker != process.pid
    kept = {path: path.stat().st_mtime_ns for path in folder.glob("s[01]*")}
    assert len(kept) == 10
    process.kill()
    process.wait()
    wait_until(lambda: not _is_alive(worker))  # it notices at its next frame
    summary, _ = run(driver.parts(tmp_path), SerialEngine())
    assert summary.exit_status == 0
    assert len(summary.with_status("skipped")) >= 2
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert stored(folder) == undisturbed(tmp_path)


def _holder(folder: Path) -> int:
    """Process that is tracking."""

    def named() -> int:
        found = (re.match(r"process (\d+)", path.read_text()) for path in folder.glob(".s*.claim"))
        return next((int(match[1]) for match in found if match), 0)

    return wait_until(named)


def _is_alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


def test_two_runs_at_once_share_the_work(tmp_path):
    expected = undisturbed(tmp_path)
    parts = driver.parts(tmp_path)  # writes the images, which the other process is going to read
    other = start_driver(tmp_path, workers=0)
    read_until(other, r"s0: 25 frames")
    summary, text = run(parts, SerialEngine())
    output = other.communicate(timeout=PATIENCE)[0]
    assert other.returncode == summary.exit_status == 0, output
    theirs = 1 + len(re.findall(r"s\d: 25 frames", output))
    assert len(summary.with_status("done")) + theirs == driver.SEQUENCES  # nothing is done twice
    assert summary.with_status("done")
    assert f"process {other.pid} on" in text
    assert stored(tmp_path / "results" / "wander" / "slow_000") == expected


def test_workers_that_cannot_start_end_the_run(tmp_path, monkeypatch):
    monkeypatch.setattr("pytracking.evaluation.engines.local._work", os._exit)  # takes one argument: dies at once
    parts = [Part([DummyTracker("wander", "default", results_path=tmp_path)], [make_sequence(tmp_path, "a")])]
    with pytest.raises(InputError, match=r"(?s)worker processes end while they start.*exit status.*__main__"):
        run(parts, LocalEngine(1))


def test_missing_gpu(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(InputError, match="GPU 0 was asked for, but PyTorch finds 0 here"):
        LocalEngine(1, gpus=[0])


def test_one_gpu_by_its_number_and_several_workers(tmp_path, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 4)
    found = "'cuda:1' is one GPU, found 3 workers that share GPU 0, 1, 2, 3\n.*--gpus 1 .*CUDA_VISIBLE_DEVICES=1 "
    with pytest.raises(InputError, match=found):
        LocalEngine(3).check_device("cuda:1")
    with pytest.raises(InputError, match="device 'cuda:0' is one GPU"):
        LocalEngine(2, gpus=[0, 1]).check_device("cuda:0")
    with pytest.raises(InputError, match="unknown device 'cuda:one'"):
        LocalEngine(2).check_device("cuda:one")
    for device in (None, "cpu", "cuda"):
        LocalEngine(3).check_device(device)
    LocalEngine(3, gpus=[1]).check_device("cuda:1")
    LocalEngine(1).check_device("cuda:1")
    SerialEngine().check_device("cuda:1")
    # The device of an argument and of overrides, before anything is run or written.
    sequences = [make_sequence(tmp_path / "data", "a")]
    for options in ({"device": "cuda:1"}, {"overrides": {"device": "cuda:1"}}):
        tracker = DummyTracker("wander", "default", results_path=tmp_path / "results", **options)
        with pytest.raises(InputError, match="device 'cuda:1' is one GPU"):
            run([Part([tracker], sequences)], LocalEngine(2))
    assert not (tmp_path / "results").exists()


def test_gpus_and_threads_are_shared_out(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 4)
    monkeypatch.setattr("torch.get_num_threads", lambda: 8)
    engine = LocalEngine(3, gpus=[1, 3])
    started = []

    class Process:
        def __init__(self, target, args, daemon):
            started.append((*args[1:], os.environ.get("OMP_NUM_THREADS")))

        def start(self):
            started[-1] += (os.environ["OMP_NUM_THREADS"],)

    monkeypatch.setattr("multiprocessing.get_context", lambda kind: _Context(Process))
    before = os.environ.get("OMP_NUM_THREADS")
    for slot in range(3):
        engine._start(slot)
    assert started == [(1, 2, 3, before, "2"), (3, 2, 3, before, "2"), (1, 2, 3, before, "2")]
    assert os.environ.get("OMP_NUM_THREADS") == before
    assert LocalEngine(2).gpus == [0, 1, 2, 3]


class _Context:
    def __init__(self, process):
        self.Process = process

    def Pipe(self):
        import multiprocessing

        return multiprocessing.Pipe()
