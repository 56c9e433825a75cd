import json
import re

import numpy as np
import pytest

from ltr.common.errors import InputError
from pytracking.analysis.plot_results import (
    plot_attributes_radar,
    plot_got_success,
    plot_results,
    print_per_sequence_results,
    print_results,
    print_results_per_attribute,
)  # fmt: skip
from pytracking.analysis.result_files import RawResults
from tests.pytracking.dummy import make_sequence

NAMES = ("left", "middle", "right")


@pytest.fixture
def stored(tmp_path, monkeypatch):
    """Two runs of a tracker that is exact, and one that is `shift` pixels off in the n-th sequence."""
    monkeypatch.setenv("PYTRACKING_RESULT_PLOT_PATH", str(tmp_path / "plots"))
    sequences = [make_sequence(tmp_path / "data", name) for name in NAMES]
    trackers = []
    for name, run, shifts in (("exact", 0, (0, 0, 0)), ("exact", 1, (0, 0, 0)), ("off", None, (1, 3, 30))):
        folder = tmp_path / "results" / f"{name}{run}"
        folder.mkdir(parents=True)
        for sequence, shift in zip(sequences, shifts, strict=True):
            boxes = sequence.ground_truth_rect + np.array([shift, 0, 0, 0])
            np.savetxt(folder / f"{sequence.name}.txt", boxes, fmt="%.1f", delimiter="\t")
        trackers.append(RawResults(name, folder, run))
    return trackers, sequences


def rows(text: str) -> list[list[str]]:
    """Cells of the table rows in printed text."""
    lines = [line.strip("│ ") for line in text.splitlines() if line.startswith("│")]
    return [[cell.strip() for cell in line.split("│")] for line in lines]


def test_plots(stored, tmp_path):
    files = plot_results(*stored, "report", plot_types=("success", "prec", "norm_prec"))
    kinds = ("success_plot", "precision_plot", "norm_precision_plot")
    names = [f"{name}.{ending}" for name in kinds for ending in ("pdf", "png")]
    assert [path.name for path in files] == names
    assert all(path.parent == tmp_path / "plots" / "report" for path in files)
    merged = plot_results(*stored, "report", True, "success")  # pytracking's default is this string in brackets
    assert [path.name for path in merged] == names[:2]
    with pytest.raises(InputError, match="did you mean 'success'"):
        plot_results(*stored, "report", plot_types=("succes",))
    with pytest.raises(InputError, match="without merge_results"):
        plot_results(*stored, "report", True, "f1_prec_rec")


def test_precision_and_recall(stored):
    files = plot_results(*stored, "report", plot_types="f1_prec_rec")
    assert [path.name for path in files] == ["f1_prec_rec_plot.pdf", "f1_prec_rec_plot.png"]


def test_results_run_by_run_and_merged(stored, capsys):
    print_results(*stored, "report")
    text = capsys.readouterr().out
    assert "report: 3 of 3 sequences, convention pytracking" in text
    # All thresholds but 1 are exceeded by an exact box: 20 of 21.
    assert [row[:2] for row in rows(text)][:2] == [["exact_000", "95.24"], ["exact_001", "95.24"]]
    print_results(*stored, "report", True, ("prec", "norm_prec"), verbose=False)
    text = capsys.readouterr().out
    # 30 pixels off counts only in the first of six frames; 3 pixels are more than 0.2 of the width of 10.
    off = [100 * (1 + 1 + 1 / 6) / 3, 100 * (1 + 1 / 6 + 1 / 6) / 3]
    assert rows(text) == [["exact", "100.00 ± 0.00", "100.00 ± 0.00"], ["off", *(f"{value:.2f}" for value in off)]]


def test_options_reach_the_evaluation(stored, capsys):
    trackers, _ = stored
    print_results(*stored, "report", plot_bin_gap=0.5, force_evaluation=True, convention="official")
    assert "66.67" in rows(capsys.readouterr().out)[0]  # thresholds 0, 0.5, 1
    with pytest.raises(InputError, match="divides 1"):
        print_results(*stored, "report", plot_bin_gap=0.3)
    (trackers[2].results_dir / "left.txt").unlink()
    with pytest.raises(InputError, match="skip_missing"):
        print_results(*stored, "report")
    print_results(*stored, "report", skip_missing_seq=True)
    assert "2 of 3 sequences" in capsys.readouterr().out
    with pytest.raises(TypeError, match="unexpected keyword"):
        print_results(*stored, "report", plot_bin=0.05)


@pytest.mark.parametrize(
    ("criteria", "listed"),
    [
        (None, ["left", "middle", "right"]),
        ({"mode": "ao_min", "threshold": 70}, ["middle", "right"]),
        ({"mode": "delta_ao", "threshold": 50}, ["right"]),
        ({"mode": "ao_max", "threshold": 99}, []),
    ],
)
def test_sequences(stored, capsys, criteria, listed):
    print_per_sequence_results(*stored, "report", True, criteria)
    text = capsys.readouterr().out
    assert [row[0] for row in rows(text) if row[0] != "mean"] == listed
    assert bool(listed) != ("no sequence" in text)


def test_wrong_filter(stored):
    with pytest.raises(InputError, match="expected filter criteria such as"):
        print_per_sequence_results(*stored, "report", filter_criteria={"mode": "min", "threshold": 1})


def test_attributes(stored, tmp_path, capsys):
    trackers, sequences = stored
    attributes = {"OCC": sequences[:2], "FM": sequences[1:], "LR": sequences[2:], "none": []}
    scores, names = print_results_per_attribute(trackers, attributes, "report", True)
    assert names == ["exact", "off"]
    assert list(scores) == ["OCC", "FM", "LR"]
    assert scores["LR"] == pytest.approx([100 * 20 / 21, 100 * 20 / 21 / 6])
    assert re.search(r"OCC .* 2 .* 95\.24", capsys.readouterr().out)
    files = plot_attributes_radar(trackers, attributes, "report", True)
    assert files[0] == tmp_path / "plots" / "report" / "radar_plot.pdf"


def test_got10k_server_reports(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTRACKING_RESULT_PLOT_PATH", str(tmp_path / "plots"))
    trackers = [RawResults(name, tmp_path) for name in ("one", "two")]
    curve = np.linspace(1, 0, 101).tolist()
    (tmp_path / "one.json").write_text(json.dumps({"One": {"overall": {"ao": 0.5, "succ_curve": curve}}}))
    with pytest.raises(InputError, match=r"no report .*two\.json"):
        plot_got_success(trackers, "got", tmp_path)
    (tmp_path / "two.json").write_text(json.dumps({"Two": {"ao": 0.6, "succ_curve": curve}}))
    assert plot_got_success(trackers, "got", tmp_path)[1] == tmp_path / "plots" / "got" / "success_plot.png"
    for content in ({"Two": {"ao": 0.6}}, [1], {"Two": {"ao": 0.6, "succ_curve": "x"}}, {}):
        (tmp_path / "two.json").write_text(json.dumps(content))
        with pytest.raises(InputError, match=r"two\.json: expected"):
            plot_got_success(trackers, "got", tmp_path)
