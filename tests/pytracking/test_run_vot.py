import json

import pytest

from ltr.common.errors import InputError
from pytracking.run_vot import main, parse_trackers
from tests.pytracking.VOT.dummies import small_sequence
from tests.shared_data import shared_path

POLYGON = "10,8,30,8,30,28,10,28\n"


@pytest.fixture
def vot2018(tmp_path, monkeypatch):
    """A partial copy of VOT2018 with one sequence of small images."""
    sequence = small_sequence(tmp_path / "VOT2018", "bag", 3)
    (sequence.frames[0].parents[1] / "groundtruth.txt").write_text(POLYGON * 3)
    monkeypatch.setenv("PYTRACKING_VOT2018_PATH", str(tmp_path / "VOT2018"))
    return tmp_path / "VOT2018"


def test_trackers_by_name():
    trackers = parse_trackers(["dimp:rls_dimp_lite", "RLS=dimp:rls_dimp50_vot18"])
    assert [t.display_name for t in trackers] == ["dimp_rls_dimp_lite", "RLS"]
    with pytest.raises(InputError, match="expected a tracker as name:parameters"):
        parse_trackers(["dimp"])


def test_experiment_and_analysis(tmp_path, vot2018, capsys):
    arguments = ["--present_only", "--repetitions", "1", "--output", str(tmp_path / "results"), "--device", "cpu"]
    assert main(["experiment", "vot2018", "dimp:rls_dimp_lite", "--experiment", "baseline", *arguments]) == 0
    assert "1 repetitions done" in capsys.readouterr().out
    folder, output = tmp_path / "results" / "dimp_rls_dimp_lite", tmp_path / "scores.json"
    arguments = [str(folder), "--present_only", "--per_sequence", "--output", str(output)]
    assert main(["analysis", "vot2018", *arguments]) == 0
    shown = capsys.readouterr().out
    assert "VOT2018 short-term challenge, 1 sequences, baseline, convention challenge" in shown
    assert "dimp_rls_dimp_lite" in shown
    assert json.loads(output.read_text())[0]["sequences"][0]["name"] == "bag"
    result = next(folder.glob("baseline/bag/*.txt"))
    assert main(["analysis", "vot2018", str(folder), "--present_only", "--output", str(result)]) == 2
    assert "which is read; give the name of another file" in capsys.readouterr().err


def test_missing_sequences(vot2018, capsys):
    assert main(["experiment", "vot2018", "dimp:rls_dimp_lite"]) == 2
    assert "59 of 60 sequences of vot2018 are not here" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["experiment", "vot2081", "dimp:rls_dimp_lite"], "did you mean 'vot2018'"),
        (["experiment", "vot2018", "dimp:rls_dimp_lit"], "did you mean 'rls_dimp_lite'"),
        (["analysis", "vot2018", "nowhere", "--present_only"], "no folder"),
        (["analysis", "vot2018", "nowhere", "--present_only", "--sequence", "bga"], "did you mean 'bag'"),
    ],
)
def test_wrong_input(vot2018, capsys, arguments, message):
    assert main(arguments) == 2
    assert message in capsys.readouterr().err


def test_trackers_ini(capsys):
    assert main(["trackers_ini", "dimp:rls_dimp50_vot18", "rtmdnet:rls_rtmdnet"]) == 0
    assert "[rtmdnet_rls_rtmdnet]" in capsys.readouterr().out


def test_reference_scores_of_a_real_sequence(tmp_path):
    """VOT2018's bag from its own files: accuracy after burn-in of other trackers, all without failure."""
    import tarfile

    from pytracking.evaluation.votdataset import VOT2018Dataset
    from pytracking.VOT.analysis import score_tracker
    from pytracking.VOT.protocols import read_protocol
    from pytracking.VOT.sequences import vot_sequence

    sequence = VOT2018Dataset(shared_path("data", "VOT2018")).get_sequence_list()["bag"]
    with tarfile.open(shared_path("data", "metrics", "vot2018.tar.xz")) as packed:
        packed.extractall(tmp_path, [m for m in packed if "/bag/" in m.name], filter="data")
    for tracker, accuracy in (("DaSiamRPN", "0.768"), ("LightTrack", "0.755"), ("NanoTrack", "0.767")):
        folder = tmp_path / "vot2018" / "results" / tracker
        scores = score_tracker(folder, [vot_sequence(sequence)], read_protocol("vot2018"))
        assert (f"{scores.accuracy:.3f}", scores.failures) == (accuracy, 0)
