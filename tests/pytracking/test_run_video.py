"""Command lines for videos and cameras, and what a run without debugging imports."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pytracking import run_video, run_webcam
from pytracking.evaluation import Tracker
from pytracking.evaluation.results import load_result
from tests.pytracking.dummy import write_frames

ROOT = Path(__file__).resolve().parents[2]
LITE = ["dimp", "dimp_lite", "--device", "cpu"]


@pytest.fixture
def walk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PYTRACKING_RESULTS_PATH", str(tmp_path / "results"))
    write_frames(tmp_path / "walk", 4)
    return tmp_path / "walk"


def test_command_line(walk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    boxes = ["--optional_box", "4", "5", "20", "16", "--optional-box", "20.5", "10", "16", "12"]
    status = run_video.main([*LITE, str(walk), *boxes, "--no_display", "--save_results", "--max_frames", "2"])
    assert status == 0
    error = capsys.readouterr().err
    assert error.startswith("2 frames, ")
    folder = tmp_path / "results" / "dimp" / "dimp_lite"
    assert f"written: {folder / 'video_walk_1.txt'}\nwritten: {folder / 'video_walk_2.txt'}" in error
    assert load_result(folder, "video_walk_2").boxes[0].tolist() == [20.5, 10, 16, 12]


def test_save_debug_needs_no_server(walk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [*LITE, str(walk), "--optional_box", "4", "5", "20", "16", "--no_display", "--max_frames", "2"]
    assert run_video.main([*arguments, "--save_debug", "--save_video", str(tmp_path / "my.mp4")]) == 0
    captured = capsys.readouterr()
    assert "visdom" not in captured.err
    assert captured.out == ""
    debug = tmp_path / "results" / "dimp" / "dimp_lite" / "debug"
    assert sorted(path.name for path in debug.iterdir()) == ["video_walk_1_panels.mp4", "video_walk_1_strip.png"]
    assert (tmp_path / "my.mp4").exists()


def test_functions_and_methods_of_pytracking(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are other names of one method; a camera is the first one."""
    calls: list[tuple[Any, ...]] = []
    monkeypatch.setattr(Tracker, "run_video_generic", lambda self, *arguments: calls.append((self.name, *arguments)))
    Tracker("dimp", "dimp_lite").run_video("v.mp4", [1, 2, 3, 4], 1, {"port": 1}, True)
    Tracker("dimp", "dimp_lite").run_webcam(2)
    run_webcam.run_webcam("dimp", "dimp_lite", visdom_info={"port": 2})
    assert calls == [
        ("dimp", 1, {"port": 1}, "v.mp4", [1, 2, 3, 4], True),
        ("dimp", 2, None),
        ("dimp", None, {"port": 2}),
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["dimp", "dimp_lite", "missing.mp4"], "there is no 'missing.mp4'"),
        (["dimp", "dimp_light", "missing.mp4"], "did you mean 'dimp_lite'"),
        (["dimp", "dimp_lite", "99", "--no_display"], "cannot read camera 99"),
    ],
)
def test_wrong_input_is_one_message(arguments: list[str], message: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert run_video.main(arguments) == 2
    assert message in capfd.readouterr().err


def test_webcam(capfd: pytest.CaptureFixture[str]) -> None:
    assert run_webcam.main(["dimp", "dimp_lite", "98", "--no_display"]) == 2
    assert "cannot read camera 98" in capfd.readouterr().err


def test_wrong_usage() -> None:
    for arguments in (["dimp", "dimp_lite"], ["dimp", "dimp_lite", "x", "--optional_box", "1", "2", "3"]):
        with pytest.raises(SystemExit):
            run_video.main(arguments)


def test_without_debugging_no_viewer_is_imported(tmp_path: Path) -> None:
    code = """if True:
        import sys
        from pathlib import Path
        from pytracking.evaluation import Tracker
        from tests.pytracking.dummy import make_sequence
        sequence = make_sequence(Path(sys.argv[1]), "s", 3)
        Tracker("dimp", "rls_dimp_lite", device="cpu").run_sequence(sequence)
        assert "torch" in sys.modules
        viewers = {name for name in sys.modules if name.startswith("pytracking.visualization.")}
        assert viewers == {"pytracking.visualization.panels", "pytracking.visualization.learning"}, viewers
        assert not {"visdom", "tornado", "requests", "websocket", "matplotlib"} & set(sys.modules)
    """
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
