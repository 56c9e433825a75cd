import json
import tarfile

import numpy as np
import pytest

from ltr.common.errors import InputError
from ltr.dataset.regions import Regions
from pytracking.VOT.analysis import format_scores, format_sequences, score_tracker
from pytracking.VOT.protocols import read_protocol
from pytracking.VOT.sequences import VOTSequence
from tests.shared_data import shared_path

YEARS = {"VOT2018": ("DaSiamRPN", "LightTrack", "NanoTrack"), "VOT2019": ("LightTrack", "NanoTrack")}


@pytest.fixture(scope="module", params=YEARS)
def year(request, tmp_path_factory):
    """(year, folder of the raw results, sequences) of a benchmark."""
    folder = tmp_path_factory.mktemp("vot")
    with tarfile.open(shared_path("data", "metrics", f"{request.param.lower()}.tar.xz")) as packed:
        packed.extractall(folder, filter="data")
    folder = folder / request.param.lower()
    entries = json.loads((folder / f"{request.param}.json").read_text())
    return request.param, folder / "results", [_sequence(name, entry) for name, entry in entries.items()]


def _sequence(name, entry):
    return VOTSequence(name, lambda: Regions.from_rows(entry["gt_rect"]), lambda: (entry["width"], entry["height"]))


def test_published_numbers(year):
    """EAO, accuracy and failures of other trackers' raw results, to the last digit that is given."""
    name, results, sequences = year
    values = json.loads(shared_path("data", "metrics", "published.json").read_text())["values"]
    wanted = [v for v in values if v["dataset"] == name]
    assert len(wanted) == 3 * len(YEARS[name])
    for tracker in YEARS[name]:
        scores = score_tracker(results / tracker, sequences, read_protocol(name))
        found = {"EAO": scores.eao, "A": scores.accuracy, "R": scores.robustness}
        for value in (v for v in wanted if v["tracker"] == tracker):
            assert f"{found[value['metric']]:.4f}" == f"{value['recomputed']:.4f}", value
            if value["published"] is not None:
                digits = len(str(value["published"]).partition(".")[2])
                assert round(found[value["metric"]], digits) == value["published"], value


SEQUENCE = VOTSequence("walk", lambda: Regions.from_rows([[10, 10, 20, 20]] * 14), lambda: (100, 80))
BOX = "10.0,10.0,20.0,20.0"


def write_run(folder, rows, repetition=1):
    path = folder / "baseline" / "walk" / f"walk_{repetition:03d}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{row}\n" for row in rows))


def test_scores(tmp_path):
    write_run(tmp_path / "mine", ["1", *[BOX] * 13])
    write_run(tmp_path / "mine", ["1", *[BOX] * 7, "2", *["0"] * 4, "1"], repetition=2)
    scores = score_tracker(tmp_path / "mine", [SEQUENCE], read_protocol("vot2018"))
    assert (scores.name, scores.sequences, scores.frames.tolist(), scores.runs.tolist()) == (
        "mine",
        ("walk",),
        [14],
        [2],
    )
    assert scores.accuracy == 1  # frames 10 to 13 of the first run
    assert scores.failures == 0.5
    assert scores.robustness == pytest.approx(100 * 0.5 / 14)
    assert scores.sequence_robustness.tolist() == pytest.approx([100 * 0.5 / 14])
    assert np.isnan(scores.eao)  # no sequence is as long as the interval begins
    assert scores.eao_curve[7] == 1
    record = json.loads(json.dumps(scores.record()))
    assert record["eao"] is None
    assert record["sequences"][0]["failures"] == 0.5
    assert "mine" in format_scores([(scores, None)])
    assert "walk" in format_sequences(scores)


def test_folder_of_the_experiment_serves_too(tmp_path):
    write_run(tmp_path / "mine", ["1", *[BOX] * 13])
    folder = tmp_path / "mine" / "baseline"
    assert score_tracker(folder, [SEQUENCE], read_protocol("vot2018")).name == "mine"


def test_missing_results(tmp_path):
    protocol = read_protocol("vot2018")
    with pytest.raises(InputError, match="expected results of the experiment 'baseline'"):
        score_tracker(tmp_path / "mine", [SEQUENCE], protocol)
    (tmp_path / "mine" / "baseline").mkdir(parents=True)
    with pytest.raises(InputError, match="no result of sequence 'walk'"):
        score_tracker(tmp_path / "mine", [SEQUENCE], protocol)
    write_run(tmp_path / "mine", ["1", BOX])
    with pytest.raises(InputError, match=r"walk_001\.txt: expected 14 rows, one for each frame of walk, found 2"):
        score_tracker(tmp_path / "mine", [SEQUENCE], protocol)
    with pytest.raises(InputError, match="expected at least one sequence"):
        score_tracker(tmp_path / "mine", [], protocol)
