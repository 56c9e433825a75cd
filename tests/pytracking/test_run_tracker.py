import json

import cv2
import pytest

from pytracking.evaluation.tracker import Tracker
from pytracking.run_tracker import main, run_tracker
from pytracking.visualization import visdom_viewer
from tests.pytracking.dummy import PARAMETERS, TRACKERS, write_black_frame, write_frames


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """Dummy trackers and an OTB folder with one sequence in place of the real ones."""
    monkeypatch.setattr(Tracker, "tracker_package", TRACKERS)
    monkeypatch.setattr(Tracker, "parameter_package", PARAMETERS)
    monkeypatch.setenv("PYTRACKING_CONFIG", str(tmp_path / "local.toml"))
    monkeypatch.setenv("PYTRACKING_OTB_PATH", str(tmp_path / "otb"))
    monkeypatch.setenv("PYTRACKING_RESULTS_PATH", str(tmp_path / "results"))
    write_frames(tmp_path / "otb" / "Deer" / "img", 71)
    (tmp_path / "otb" / "Deer" / "groundtruth_rect.txt").write_text("6,5,9,8\n" * 71)
    return tmp_path


def test_arguments_of_pytracking(workplace, capsys):
    status = main(["wander", "default", "--runid", "3", "--dataset_name", "otb", "--sequence", "Deer", "--debug", "0",
                   "--threads", "0", "--use_visdom", "False", "--visdom_server", "127.0.0.1", "--visdom_port", "8097",
                   "--device", "cpu", "--seed", "4"])  # fmt: skip
    assert status == 0
    folder = workplace / "results" / "wander" / "default_003"
    assert (folder / "Deer.txt").exists()
    assert json.loads((folder / "run.json").read_text())["seed"] == 4
    assert "71 frames" in capsys.readouterr().err


def test_dashes_and_numbers(workplace):
    number = "33"  # Deer, counted from 0
    path = workplace / "elsewhere"
    assert main(["wander", "default", "--dataset-name", "OTB", "--sequence", number, "--results-path", str(path)]) == 0
    assert (path / "wander" / "default" / "Deer.txt").exists()


def test_missing_sequences_fail_and_the_others_go_on(workplace, capsys):
    assert main(["wander", "default", "--sequence", "Biker", "Deer"]) == 1
    error = capsys.readouterr().err
    assert "1 done, 0 skipped, 1 failed" in error
    assert "142 of 142 images are missing" in error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["wandr", "default"], "unknown tracker 'wandr'; did you mean 'wander'?"),
        (["wander", "defaul"], "did you mean 'default'?"),
        (["wander", "default", "--dataset_name", "obt"], "unknown data set 'obt'; did you mean 'otb'?"),
        (["wander", "default", "--sequence", "Der"], "unknown sequence 'Der'; did you mean 'Deer'?"),
        (["wander", "default", "--sequence", "100"], "expected one below 100, found 100"),
        (["wander", "default", "--device", "gpu"], "unknown device 'gpu'; expected cpu, cuda or cuda:<number>"),
    ],
)
def test_unknown_names(workplace, capsys, arguments, message):
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert not (workplace / "results").exists()


def test_unset_path(workplace, monkeypatch, capsys):
    monkeypatch.delenv("PYTRACKING_OTB_PATH")
    assert main(["wander", "default"]) == 2
    error = capsys.readouterr().err
    for part in ("otb_path is not set", str(workplace / "local.toml"), "PYTRACKING_OTB_PATH", "groundtruth_rect.txt"):
        assert part in error


def test_unwritable_results_folder(workplace, monkeypatch, capsys):
    (workplace / "results").mkdir()
    (workplace / "results" / "wander").write_text("a file in the way")
    assert main(["wander", "default", "--sequence", "Deer"]) == 2
    assert "cannot write results to" in capsys.readouterr().err


def test_results_of_other_parameters(workplace, capsys):
    assert main(["wander", "default", "--sequence", "Deer"]) == 0
    assert main(["wander", "default", "--sequence", "Deer", "--seed", "1"]) == 2
    assert "seed: 0 there, 1 here" in capsys.readouterr().err
    assert main(["wander", "default", "--sequence", "Deer", "--seed", "1", "--overwrite"]) == 0


def test_failing_sequence_has_its_traceback(workplace, capsys):
    write_black_frame(workplace / "otb" / "Deer" / "img" / "0009.jpg")
    assert main(["wander", "default", "--sequence", "Deer"]) == 1
    error = capsys.readouterr().err
    assert "RuntimeError: it is too dark" in error
    assert "in frame 9 of 71 of sequence 'Deer' of otb" in error


def test_save_video_beside_the_results(workplace, capsys):
    for skipped in ("0 skipped", "1 skipped"):
        assert main(["wander", "default", "--sequence", "Deer", "--save_video"]) == 0
        assert skipped in capsys.readouterr().err
    video = cv2.VideoCapture(str(workplace / "results" / "wander" / "default" / "videos" / "Deer.mp4"))
    assert video.get(cv2.CAP_PROP_FRAME_COUNT) == 71


def test_save_debug_needs_no_server_and_saves_no_results(workplace, capsys):
    assert main(["wander", "default", "--sequence", "Deer", "--save_debug", "--save-video"]) == 0
    assert "visdom" not in capsys.readouterr().err
    folder = workplace / "results" / "wander" / "default"
    assert [path.name for path in folder.iterdir()] == ["debug"]
    files = sorted(path.name for path in (folder / "debug").iterdir())
    assert files == ["Deer.mp4", "Deer_panels.mp4", "Deer_strip.png"]


@pytest.mark.parametrize(("value", "announced"), [("True", True), ("False", False), (None, True)])
def test_use_visdom_false_means_false(workplace, capsys, monkeypatch, value, announced):
    monkeypatch.setattr(visdom_viewer, "_told", set())
    flag = ["--use_visdom", value] if value else ["--use-visdom"]
    arguments = ["wander", "default", "--sequence", "Deer", "--debug", "1", "--visdom_port", "9"]  # nobody is there
    assert main([*arguments, *flag]) == 0
    captured = capsys.readouterr()
    assert ("python -m pytracking.util_scripts.visdom_server --port 9" in captured.err) == announced
    assert "Deer frame 71/71: score" in captured.out
    assert not (workplace / "results").exists()


@pytest.mark.parametrize(
    "arguments",
    [[], ["wander"], ["wander", "default", "--use_visdom", "perhaps"], ["wander", "default", "--threads", "-1"]],
)
def test_wrong_usage(arguments):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2


def test_interrupt(workplace, monkeypatch):
    def interrupt(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("pytracking.evaluation.running.run_dataset", interrupt)
    assert main(["wander", "default"]) == 130


def test_as_a_function(workplace):
    summary = run_tracker("wander", "default", sequence="Deer")
    assert [outcome.sequence for outcome in summary.with_status("done")] == ["Deer"]
