"""What a run leaves, however it ends, and what it leaves alone."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from ltr.common.claims import claim, claim_file
from ltr.common.errors import InputError
from ltr.dataset.annotations import read_boxes
from pytracking.evaluation import Tracker
from pytracking.evaluation.results import load_result
from pytracking.video import run as video_run
from pytracking.video.run import run_video
from tests.pytracking.dummy import DummyTracker, write_frames
from tests.pytracking.dummy.tracker.wander.wander import Wander
from tests.pytracking.video.test_run import Endless
from tests.waiting import PATIENCE

ROOT = Path(__file__).resolve().parents[3]
BOX = [4.0, 5.0, 10.0, 8.0]
OTHER = [20.0, 10.0, 8.0, 8.0]
COLUMNS = ("", "_time", "_object_presence_scores", "_flags")


@pytest.fixture
def setup(tmp_path: Path) -> Tracker:
    return DummyTracker("wander", "default", results_path=tmp_path / "results", device="cpu")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_frames(tmp_path / "walk", 6)
    return tmp_path / "walk"


def run(setup: Tracker, source: Path | int, *boxes: list[float], **options):
    options = {"save_results": True, "save_video": True} | options
    return run_video(setup, source, boxes or [BOX], display=False, **options)


def contents(setup: Tracker) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in setup.results_dir.iterdir()}


def num_frames(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def kept(setup: Tracker, before: dict[str, bytes]) -> set[str]:
    """New names; asserts that all old files are as they were."""
    after = contents(setup)
    assert {name: after.get(name) for name in before} == before
    return after.keys() - before.keys()


def of_run(name: str, *numbers: int) -> set[str]:
    ends = {f"_{number}{kind}.txt" for number in numbers for kind in COLUMNS}
    return {f"{name}{end}" for end in ends | {f"_{n}_info.json" for n in numbers} | {"_run.json", ".mp4"}}


def test_the_same_run_replaces_itself(setup, folder):
    run(setup, folder)
    before = contents(setup)
    run(setup, folder / ".." / folder.name)
    assert contents(setup).keys() == before.keys() == of_run("video_walk", 1) | {"run.json"}


def test_other_frames_of_the_same_name_are_another_run(setup, tmp_path):
    for parent, brightness in (("A", 6), ("B", 6), ("C", 4)):
        write_frames(tmp_path / parent / "img1", brightness)
    run(setup, tmp_path / "A" / "img1")
    before = contents(setup)
    summary = run(setup, tmp_path / "B" / "img1")  # equal files elsewhere
    assert kept(setup, before) == of_run("video_img1-2", 1)
    assert "video_img1 is another run, which is kept; this one is video_img1-2" in summary.describe()
    assert f"written: {setup.results_dir / 'video_img1-2_1.txt'}" in summary.describe()
    before = contents(setup)
    shutil.rmtree(tmp_path / "A" / "img1")
    shutil.copytree(tmp_path / "C" / "img1", tmp_path / "A" / "img1")  # other files in the same place
    run(setup, tmp_path / "A" / "img1")
    assert kept(setup, before) == of_run("video_img1-3", 1)


@pytest.mark.parametrize("boxes", [[OTHER], [BOX, OTHER], [OTHER, BOX]])
def test_other_boxes_are_another_run(setup, folder, boxes):
    run(setup, folder)
    before = contents(setup)
    run(setup, folder, *boxes)
    assert kept(setup, before) == of_run("video_walk-2", *range(1, 1 + len(boxes)))


def test_a_shorter_run_does_not_replace_a_longer_one(setup, folder):
    run(setup, folder)
    before = contents(setup)
    run(setup, folder, max_frames=3)
    assert kept(setup, before) == of_run("video_walk-2", 1)
    shutil.rmtree(setup.results_dir)
    run(setup, folder, max_frames=3)
    run(setup, folder)
    assert contents(setup).keys() == of_run("video_walk", 1) | {"run.json"}
    assert len(load_result(setup.results_dir, "video_walk_1").boxes) == 6


def test_every_run_of_a_camera_is_another_one(setup, monkeypatch):
    monkeypatch.setattr(video_run, "open_source", lambda _: Endless())
    new = []
    before: dict[str, bytes] = {}
    for _ in range(3):
        run(setup, 0, max_frames=4)
        new.append(kept(setup, before) - {"run.json"})
        before = contents(setup)
    assert new == [of_run(f"video_endless{end}", 1) for end in ("", "-2", "-3")]


def test_names_that_differ_in_case_and_foreign_files(setup, tmp_path):
    write_frames(tmp_path / "Walk", 6)
    setup.results_dir.mkdir(parents=True)
    (setup.results_dir / "video_walk.mp4").write_bytes(b"of an older version, without a record")
    (setup.results_dir / "video_walk-2_run.json").write_text("damaged")
    before = contents(setup)
    run(setup, tmp_path / "Walk")
    assert kept(setup, before) - {"run.json"} == of_run("video_Walk-3", 1)


def test_the_record_tells_runs_apart(setup, folder):
    run(setup, folder, BOX, OTHER)
    record = json.loads((setup.results_dir / "video_walk_run.json").read_text())
    assert (record["source"], record["frames"], record["frames_dropped"]) == (str(folder.resolve()), 6, 0)
    assert [target["init_bbox"] for target in record["targets"].values()] == [BOX, OTHER]
    info = json.loads((setup.results_dir / "video_walk_2_info.json").read_text())
    assert (info["fingerprint"], info["init_bbox"]) == (record["fingerprint"], OTHER)


def test_passwords_of_streams_are_not_written(setup, monkeypatch):
    monkeypatch.setattr(video_run, "open_source", lambda _: Endless())
    run_video(setup, "rtsp://me:secret@camera/1", [BOX], display=False, save_results=True, max_frames=2)
    record = json.loads((setup.results_dir / "video_endless_run.json").read_text())
    assert record["source"] == "rtsp://camera/1"


def test_the_source_is_not_replaced(setup, folder, tmp_path):
    run(setup, folder, save_results=False, save_video=tmp_path / "holiday.mp4")
    source = tmp_path / "holiday.mp4"
    content = source.read_bytes()
    tracked: list[int] = []
    for output in (source, str(source), tmp_path / "link.mp4"):
        if output == tmp_path / "link.mp4":
            output.symlink_to(source)
        with pytest.raises(InputError, match=r"would replace .*holiday\.mp4, which is read"):
            run(setup, source, save_video=output, on_frame=lambda number, _: tracked.append(number))
    with pytest.raises(InputError, match=r"ends in \.mp4.*found .*out\.avi"):
        run(setup, source, save_video=tmp_path / "out.avi", on_frame=lambda number, _: tracked.append(number))
    assert tracked == []
    assert source.read_bytes() == content


def test_results_of_other_parameters_are_set_aside_where_that_is_wanted(setup, folder, capsys):
    run(setup, folder)
    other = DummyTracker("wander", "default", results_path=setup.results_path, device="cpu", seed=5)
    run(other, folder, overwrite=True)
    (aside,) = (path for path in setup.results_dir.parent.iterdir() if "replaced" in path.name)
    assert (aside / "video_walk_1.txt").exists()
    assert f"set aside: {aside}" in capsys.readouterr().err


def test_no_room(setup, folder):
    """A limit of the size of files stands for a full disk; whole rows are kept."""
    write_frames(folder, 200)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, before[1]))
    try:
        with pytest.raises(InputError, match=r"cannot write to .*: File too large\n  free space"):
            run(setup, folder, save_video=False)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    result = load_result(setup.results_dir, "video_walk_1")
    assert 40 < len(result.boxes) == len(result.time) == len(result.scores) == len(result.flags) < 100


RUN = """if True:
    import sys
    from pathlib import Path
    from ltr.common.errors import exit_status
    from pytracking.video.run import run_video
    from tests.pytracking.dummy import DummyTracker
    setup = DummyTracker("wander", "slow", results_path=Path(sys.argv[1]), device="cpu")
    boxes = [[4.0, 5.0, 10.0, 8.0], [20.0, 10.0, 8.0, 8.0]]
    def run():
        on_frame = lambda number, _: print(number, flush=True)
        summary = run_video(
            setup, sys.argv[2], boxes, display=False, save_results="rows" in sys.argv[3], save_video=True,
            on_frame=on_frame,
        )
        print(summary.describe(), file=sys.stderr)
        return 0
    sys.exit(exit_status(run))
"""
FRAMES = 10


def signalled(tmp_path: Path, number: signal.Signals, what: str = "rows video") -> tuple[int, int, str]:
    """Exit status of a run that gets a signal after ten frames, the number of its last frame, what it said."""
    write_frames(tmp_path / "walk", 3000)
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, str(tmp_path / "results"), str(tmp_path / "walk"), what],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert process.stdout is not None
    for _ in range(FRAMES):
        assert process.stdout.readline()
    os.killpg(process.pid, number)
    out, err = process.communicate(timeout=PATIENCE)
    last = [int(line) for line in out.split()][-1] if out.split() else FRAMES
    return process.returncode, last, err


def slow(tmp_path: Path) -> Tracker:
    return DummyTracker("wander", "slow", results_path=tmp_path / "results", device="cpu")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_signals_complete_the_files(tmp_path, number):
    status, last, err = signalled(tmp_path, number)
    assert status == (0 if number == signal.SIGINT else 128 + number), err
    assert "Traceback" not in err
    assert "written: " in err
    results = slow(tmp_path).results_dir
    for target in (1, 2):
        result = load_result(results, f"video_walk_{target}")
        assert len(result.boxes) == len(result.time) == len(result.flags)
        assert last <= len(result.boxes) <= last + 1
    assert num_frames(results / "video_walk.mp4") == len(result.boxes)
    assert not list(results.glob(".*"))


def test_a_killed_run_is_completed_by_the_next(tmp_path, folder, capsys):
    status, last, _ = signalled(tmp_path, signal.SIGKILL)
    assert status == -signal.SIGKILL
    setup = slow(tmp_path)
    hidden = sorted(setup.results_dir.glob(".video_walk_1.*.tmp.txt"))
    assert len(hidden) == 1
    assert last <= len(read_boxes(hidden[0])) <= last + 1  # as they are
    run_video(setup, folder, [BOX], display=False, max_frames=1)  # even one that writes nothing
    results = setup.results_dir
    assert f"completed what a killed run left: {results / 'video_walk'}, " in capsys.readouterr().err
    assert contents(setup).keys() == of_run("video_walk", 1, 2) | {"run.json"}
    for target in (1, 2):
        result = load_result(results, f"video_walk_{target}")
        assert last <= len(result.boxes) == len(result.time) == len(result.scores) == len(result.flags) <= last + 1
    assert last - 1 <= num_frames(results / "video_walk.mp4") <= last + 1
    record = json.loads((results / "video_walk_run.json").read_text())
    assert (record["frames"], record["frames_dropped"]) == (len(result.boxes), None)
    assert np.isfinite(result.boxes).all()


def test_a_killed_run_with_a_video_alone(tmp_path, folder):
    _, last, _ = signalled(tmp_path, signal.SIGKILL, "video")
    setup = slow(tmp_path)
    run_video(setup, folder, [BOX], display=False, max_frames=1)
    assert contents(setup).keys() == {"run.json", "video_walk.mp4", "video_walk_run.json"}
    assert last - 1 <= num_frames(setup.results_dir / "video_walk.mp4") <= last + 1


@pytest.fixture
def left(setup, folder, monkeypatch):
    """Hidden files of a run of three frames that ended without completing them."""
    monkeypatch.setattr("pytracking.video.recording._Files.publish", lambda *_: ("", []))
    run(setup, folder, BOX, OTHER, max_frames=3)
    monkeypatch.undo()
    return setup.results_dir


def complete(setup: Tracker) -> dict[str, bytes]:
    video_run.recover_recordings(setup.results_dir)
    return contents(setup)


def test_torn_rows_are_cut_off(setup, left):
    (flags,) = left.glob(".video_walk_2_flags.*.txt")
    flags.write_text("init\nnormal\nnorm")
    complete(setup)
    for target in (1, 2):
        result = load_result(left, f"video_walk_{target}")
        assert len(result.boxes) == len(result.time) == len(result.flags) == 2


def test_a_target_without_rows_does_not_cost_the_others(setup, left):
    (boxes,) = left.glob(".video_walk_2.*.txt")
    boxes.write_text("20")
    assert complete(setup).keys() == of_run("video_walk", 1) | {"run.json"}
    assert len(load_result(left, "video_walk_1").boxes) == 3


@pytest.mark.parametrize("step", range(14))
def test_killed_while_files_get_their_names(setup, left, monkeypatch, step):
    """The process dies at each of the renamings; the next one goes on with them."""
    calls = iter(range(100))
    rename = os.replace

    def die(*paths: Path) -> None:
        if next(calls) == step:
            raise SystemError("killed")
        rename(*paths)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", die)
        try:
            complete(setup)
        except SystemError:
            pass
        else:
            assert step > 12
    assert complete(setup).keys() == of_run("video_walk", 1, 2) | {"run.json"}
    assert len(load_result(left, "video_walk_2").boxes) == 3
    assert num_frames(left / "video_walk.mp4") == 3


def test_images_of_several_sizes(setup, folder, capsys):
    for number in (4, 6):
        cv2.imwrite(str(folder / f"{number:04d}.jpg"), np.full((60, 90, 3), 90, np.uint8))
    run(setup, folder)
    assert (
        capsys.readouterr().err == "0004.jpg has 90x60 pixels, the images before it 48x36; a video has the first size\n"
    )
    assert len(load_result(setup.results_dir, "video_walk_1").boxes) == 6
    with av.open(str(setup.results_dir / "video_walk.mp4")) as container:
        assert [(frame.width, frame.height) for frame in container.decode(video=0)] == [(48, 36)] * 6


def test_a_video_alone_has_the_record_of_its_targets(setup, folder):
    run(setup, folder, save_results=False)
    (target,) = json.loads((setup.results_dir / "video_walk_run.json").read_text())["targets"].values()
    assert (target["first_frame"], target["init_bbox"]) == (1, BOX)


def test_updates_that_were_undone_are_counted(setup, folder, monkeypatch):
    frames = iter(range(100))
    original = Wander.track
    monkeypatch.setattr(Wander, "track", lambda *args: original(*args) | {"rejected_updates": (next(frames) + 1) // 2})
    run(setup, folder)
    info = json.loads((setup.results_dir / "video_walk_1_info.json").read_text())
    assert info["rejected_updates"] == 2  # of five frames
    monkeypatch.undo()
    run(setup, folder)
    info = json.loads((setup.results_dir / "video_walk_1_info.json").read_text())
    assert info["rejected_updates"] is None


def test_a_run_without_a_frame_leaves_nothing(setup, folder):
    dimp = Tracker("dimp", "dimp_lite_untrained", results_path=setup.results_path, device="cpu")
    with pytest.raises(InputError, match="target 1: expected an initial box"):
        run(dimp, folder, [1.0, 1.0, 0.0, 5.0])
    assert contents(dimp).keys() == {"run.json"}


def test_files_of_a_living_run_are_left_alone(setup, left):
    (record,) = left.glob(".video_walk_run.*.json")
    before = contents(setup)
    with claim(claim_file(record)):
        assert complete(setup).keys() == {*before, claim_file(record).name}


def test_damaged_records_and_runs_without_frames(setup, left, capsys):
    (record,) = left.glob(".video_walk_run.*.json")
    whole = record.read_text()
    record.write_text("{")
    before = contents(setup)
    assert complete(setup) == before
    assert "is damaged; the rows of its run are in" in capsys.readouterr().err
    record.write_text(whole)
    for path in left.glob(".*.tmp.*"):
        if path != record:
            path.unlink()
    assert complete(setup).keys() == {"run.json"}


def test_rows_are_on_the_disk_at_once(setup, folder):
    seen = []

    def count(number: int, _: object) -> None:
        seen.append([len(path.read_text().splitlines()) for path in setup.results_dir.glob(".video_walk_1*.txt")])

    run(setup, folder, on_frame=count)
    assert seen == [[number] * 4 for number in range(1, 7)]
