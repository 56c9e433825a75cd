import json
import subprocess
import sys

import pytest

from ltr.common.claims import claim
from ltr.common.packages import package_folders
from ltr.run_training import main, run_training
from tests.ltr.trainers import runs
from tests.waiting import PATIENCE

TOY = ("tests.ltr.trainers", "toy")


def test_list_without_torch():
    code = "import sys; from ltr.run_training import main; main(['--list']); assert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=PATIENCE)
    lines = done.stdout.splitlines()
    assert any(line.startswith("dimp.dimp50 ") for line in lines)
    assert all(line.partition(" ")[2].strip() for line in lines), "each has a line that says what it is"
    names = {line.partition(" ")[0] for line in lines}
    paths = [path for folder in package_folders("ltr.train_settings") for path in folder.glob("*/[!_]*.py")]
    assert names == {f"{path.parent.name}.{path.stem}" for path in paths}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["dimp", "dimp5"], "unknown training settings 'dimp.dimp5'; did you mean 'dimp.dimp50'?"),
        (["dimp50"], "did you mean 'dimp.dimp50'?"),
        (["no.such.package.here"], "unknown training settings"),
        (["tests.ltr.trainers.runs"], "is no settings module: expected a class Options"),
        ([*TOY, "epoch=1"], "unknown option 'epoch'; did you mean 'epochs'?"),
        ([*TOY, "device=gpu"], "unknown device 'gpu'"),
        ([*TOY, "num_samples=3"], "3 samples do not fill one batch of 4"),
    ],
)
def test_wrong_input(tmp_path, capsys, words, message):
    assert main([*words, f"workspace={tmp_path}"] if words[0] == TOY[0] else words) == 2
    assert message in capsys.readouterr().err


def test_nothing_named(capsys):
    with pytest.raises(SystemExit):
        main([])
    assert "expected settings, for example: dimp dimp50" in capsys.readouterr().err


def test_options_are_listed(capsys):
    assert main([*TOY, "--options"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["epochs=3", "a", "whole", "number"]
    assert any(line.split()[0] == "clip_grad_norm=none" and "a number or none" in line for line in lines)


def test_finished_training_is_left_alone(tmp_path, capsys, monkeypatch):
    words = [f"workspace={tmp_path}", "epochs=1"]
    assert run_training(*TOY, words) == 0
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    monkeypatch.setattr(f"{runs.SETTINGS}.build", lambda options: pytest.fail("built again"))
    assert run_training(*TOY, words) == 0
    assert "tests.ltr.trainers.toy is trained: 1 epochs in" in capsys.readouterr().err
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()} == before


def test_other_options(tmp_path, capsys):
    words = [*TOY, f"workspace={tmp_path}", "epochs=1"]
    assert main(words) == 0
    assert main([*words, "lr=0.1", "seed=2", "num_workers=1"]) == 2
    error = capsys.readouterr().err
    assert "was started differently:\n  seed: 0 there, 2 here\n  lr: 0.05 there, 0.1 here\n" in error
    assert "name=..." in error
    assert main([*words, "lr=0.1", "name=b"]) == 0
    assert main([*words, "lr=0.1", "--restart"]) == 0
    assert main([*words, "lr=0.2", "--restart"]) == 0
    folder = runs.toy_folder(tmp_path)
    for number, rate in ((1, 0.05), (2, 0.1)):
        record = json.loads((folder.with_name(f"toy.replaced-{number}") / "training.json").read_text())
        assert record["options"]["lr"] == rate
    assert json.loads((folder / "training.json").read_text())["options"]["lr"] == 0.2


def test_options_that_did_not_exist_count_as_their_defaults(tmp_path, capsys):
    words = [*TOY, f"workspace={tmp_path}", "epochs=1"]
    assert main(words) == 0
    path = runs.toy_folder(tmp_path) / "training.json"
    record = json.loads(path.read_text())
    del record["options"]["lr"]
    path.write_text(json.dumps(record))
    assert main(words) == 0
    assert "is trained: 1 epochs" in capsys.readouterr().err
    assert main([*words, "lr=0.1"]) == 2
    assert "was started differently:\n  lr: nothing there, 0.1 here\n" in capsys.readouterr().err


def test_a_failed_start_does_not_block_the_corrected_one(tmp_path, capsys):
    words = [*TOY, f"workspace={tmp_path}", "epochs=1"]
    folder = runs.toy_folder(tmp_path)
    assert main([*words, "nan=0,1,2,3,4,5"]) == 1
    assert [path.name for path in folder.iterdir()] == ["training.json"]
    assert main([*words, "lr=0.1"]) == 0
    assert json.loads((folder / "training.json").read_text())["options"]["lr"] == 0.1
    (folder / "state.pt").unlink()  # the network that is left is worth protecting, too
    assert main(words) == 2
    assert "was started differently" in capsys.readouterr().err


def test_another_process_is_at_work(tmp_path, capsys):
    folder = runs.toy_folder(tmp_path)
    folder.mkdir(parents=True)
    with claim(folder.with_name(".toy.claim")):
        assert main([*TOY, f"workspace={tmp_path}"]) == 2
    assert "is being trained by process" in capsys.readouterr().err


def test_damaged_state(tmp_path, capsys):
    words = [*TOY, f"workspace={tmp_path}", "epochs=2"]
    folder = runs.toy_folder(tmp_path)
    assert runs.train(tmp_path, "epochs=2", event=("signal_before_step", "SIGKILL", 7)) == -9
    (folder / "state.pt").write_bytes(b"nothing")
    assert main(words) == 2
    assert "state.pt cannot be read" in capsys.readouterr().err
    (folder / "training.json").unlink()
    assert main(words) == 2
    assert main([*words, "--restart"]) == 0


def test_folder_that_cannot_be_written(tmp_path, capsys):
    (tmp_path / "checkpoints").write_text("a file in the place of the folder")
    assert main([*TOY, f"workspace={tmp_path}"]) == 1
    assert "cannot write" in capsys.readouterr().err


def test_workspace_of_the_settings_file(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTRACKING_WORKSPACE_PATH", str(tmp_path))
    assert main([*TOY, "epochs=1"]) == 0
    assert (runs.toy_folder(tmp_path) / "state.pt").exists()
