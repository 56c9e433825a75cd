import json

import pytest

from ltr.common.errors import InputError
from pytracking import run_experiment as module
from pytracking.evaluation.data import PartialCopyWarning
from pytracking.evaluation.tracker import Tracker
from pytracking.run_experiment import list_experiments, load_experiment, main, run_experiment, run_sweep
from pytracking.run_tracker import main as run_tracker
from tests.pytracking.dummy import PARAMETERS, TRACKERS, write_black_frame, write_frames

SWEEP = """runs = 2
present_only = true
[[part]]
datasets = ["otb"]
trackers = ["wander:default"]
"""

pytestmark = pytest.mark.filterwarnings("ignore::pytracking.evaluation.data.PartialCopyWarning")


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """Dummy trackers, an OTB folder with one sequence, and a sweep."""
    monkeypatch.setattr(Tracker, "tracker_package", TRACKERS)
    monkeypatch.setattr(Tracker, "parameter_package", PARAMETERS)
    monkeypatch.setenv("PYTRACKING_OTB_PATH", str(tmp_path / "otb"))
    monkeypatch.setenv("PYTRACKING_RESULTS_PATH", str(tmp_path / "results"))
    write_frames(tmp_path / "otb" / "Deer" / "img", 71)
    (tmp_path / "otb" / "Deer" / "groundtruth_rect.txt").write_text("6,5,9,8\n" * 71)
    (tmp_path / "mine.toml").write_text(SWEEP)
    return tmp_path


def test_sweep_and_run_tracker_share_results(workplace, capsys):
    assert run_tracker(["wander", "default", "--runid", "0", "--sequence", "Deer"]) == 0
    assert main([str(workplace / "mine.toml"), "--workers", "0"]) == 0
    text = capsys.readouterr().err
    assert "1 of 2 skipped: results exist (use --overwrite)" in text
    assert "99 of 100 sequences of otb are not here" in text
    assert run_tracker(["wander", "default", "--runid", "1", "--sequence", "Deer"]) == 0
    assert "1 of 1 skipped" in capsys.readouterr().err
    assert main(["sweep", str(workplace / "mine.toml"), "--workers", "0", "--overwrite"]) == 0
    assert "2 done, 0 skipped" in capsys.readouterr().err


def test_dry_run(workplace, capsys):
    assert main([str(workplace / "mine.toml"), "--dry-run", "--workers", "2"]) == 0
    assert "2 of 2 jobs to run, 142 frames" in capsys.readouterr().out
    assert not (workplace / "results").exists()


def test_failures_and_exit_status(workplace, capsys):
    write_black_frame(workplace / "otb" / "Deer" / "img" / "0009.jpg")
    assert main([str(workplace / "mine.toml"), "--workers", "0", "--fail-fast"]) == 1
    text = capsys.readouterr().err
    assert "RuntimeError: it is too dark" in text
    assert "0 done, 0 skipped, 1 failed, 1 not run" in text


def test_results_path_and_device(workplace):
    path = workplace / "elsewhere"
    arguments = ["--workers", "0", "--results-path", str(path), "--device", "cpu"]
    assert main([str(workplace / "mine.toml"), *arguments]) == 0
    record = json.loads((path / "wander" / "default_001" / "run.json").read_text())
    assert record["environment"]["device"] == "cpu"


def test_debug_saves_nothing(workplace, capsys):
    assert main([str(workplace / "mine.toml"), "--debug", "1"]) == 0
    assert "Deer frame 71/71: score" in capsys.readouterr().out
    assert not (workplace / "results").exists()


@pytest.fixture
def experiments(workplace, monkeypatch):
    monkeypatch.setattr(module, "EXPERIMENTS", "tests.pytracking.dummy.experiments")
    return workplace


def test_functions_as_in_pytracking(experiments, capsys):
    assert main(["mine", "deer", "--debug", "0", "--threads", "0"]) == 0
    assert (experiments / "results" / "wander" / "default_000" / "Deer.txt").exists()
    assert run_experiment("mine", "deer", threads=0).exit_status == 0
    assert run_sweep(str(experiments / "mine.toml"), threads=0).exit_status == 0
    assert main(["--list"]) == 0
    text = capsys.readouterr().out
    assert "mine deer  One sequence, twice." in text
    assert "table4_lite" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["table5_lit"], "unknown sweep 'table5_lit'; did you mean 'table5_lite'?"),
        (["mien", "deer"], "unknown module of experiments 'mien'; did you mean 'mine'?"),
        (["mine", "dear"], "unknown experiment of mine 'dear'; did you mean 'deer'?"),
        (["mine", "deer", "--device", "cpu"], "--device is for sweeps"),
        (["table6"], "VOT's reset-based protocol"),
        (["table4"], "lasot_path is not set"),
        (["mine", "deer", "--gpus", "0"], "GPU 0 was asked for, but PyTorch finds 0 here"),
    ],
)
def test_wrong_input(experiments, monkeypatch, capsys, arguments, message):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr(Tracker, "tracker_package", "pytracking.tracker")
    monkeypatch.setattr(Tracker, "parameter_package", "pytracking.parameter")
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


@pytest.mark.parametrize(
    "arguments",
    [[], ["x", "--workers", "-1"], ["x", "--gpus", "a"], ["x", "--engine", "slurm"], ["x", "--gpus_per_worker", "2"]],
)
def test_wrong_usage(arguments):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2


def test_shipped_experiments():
    assert {"lite_demo", "otb_rls"} <= list_experiments("pytracking.experiments")["myexperiments"].keys()
    with pytest.raises(InputError, match="unknown module"):
        load_experiment("none", "none", "pytracking.experiments")


def test_an_experiment_with_a_typing_error(tmp_path, monkeypatch, capsys):
    (tmp_path / "mistyped_experiments").mkdir()
    (tmp_path / "mistyped_experiments" / "mine.py").write_text("def deer(:\n    pass\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("pytracking.run_experiment.EXPERIMENTS", "mistyped_experiments")
    assert main(["mine", "deer"]) == 2
    assert capsys.readouterr().err.endswith("mistyped_experiments/mine.py, line 1: SyntaxError: invalid syntax\n")
    assert main(["--list"]) == 0


def test_trackers_of_a_shipped_experiment(tmp_path, monkeypatch):
    (tmp_path / "Crossing" / "img").mkdir(parents=True)
    (tmp_path / "Crossing" / "img" / "0001.jpg").touch()
    (tmp_path / "Crossing" / "groundtruth_rect.txt").write_text("10,10,20,20\n")
    monkeypatch.setenv("PYTRACKING_OTB_PATH", str(tmp_path))
    with pytest.warns(PartialCopyWarning):
        (part,) = load_experiment("myexperiments", "otb_rls", "pytracking.experiments")
    assert [t.run_id for t in part.trackers] == [*range(5), *range(5)]
    assert len(part.sequences) == 100
