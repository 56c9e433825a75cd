import csv
import json
import re

import numpy as np
import pytest

from pytracking.analysis.report import make_report, write_report_files
from pytracking.analysis.report.page import page_data
from tests.pytracking.analysis.report.synthetic import (
    SEQUENCES,
    make_evaluation,
    make_files,
    make_full_report,
    without_result,
)

HOSTILE = "</script><img src=x onerror='document.title=1'>"


def test_files(tmp_path):
    report = make_full_report(tmp_path)
    files = write_report_files(report, tmp_path / "out")
    assert files[0] == tmp_path / "out" / "report.html"
    assert sorted(files) == sorted(path for path in (tmp_path / "out").rglob("*") if path.is_file())
    names = {path.name for path in files}
    assert {"success_plot.pdf", "precision_plot.png", "norm_precision_plot.pdf", "radar_plot.png"} <= names
    assert {"summary.csv", "summary.tex", "comparison.csv", "attributes.tex", "sequences_auc.csv", "runs.csv"} <= names


def test_json_and_csv_agree(tmp_path):
    report = make_full_report(tmp_path)
    write_report_files(report, tmp_path / "out")
    content = json.loads((tmp_path / "out" / "report.json").read_text())
    with open(tmp_path / "out" / "tables" / "summary.csv") as file:
        rows = list(csv.DictReader(file))
    assert [row["tracker"] for row in rows] == ["good", "fair", "poor"]
    assert [float(row["auc"]) for row in rows] == [row["auc"] for row in content["tables"]["summary"]]
    with open(tmp_path / "out" / "tables" / "runs.csv") as file:
        runs = list(csv.DictReader(file))
    assert [(run["tracker"], run["run"]) for run in runs[::5]] == [
        ("good", "0"), ("good", "1"), ("fair", ""), ("poor", "0"), ("poor", "1"),
    ]  # fmt: skip
    assert len(content["curves"]["success"]["trackers"]["fair"]) == 21
    assert content["definitions"] == report.definitions


def test_markdown_has_tables_definitions_and_provenance(tmp_path):
    text = make_full_report(tmp_path).markdown()
    assert text.startswith("# Tracking results on dummy\n\n3 trackers · 5 sequences · convention official")
    for words in ("AUC of each sequence", "AUC by attribute", "trackers in pairs", "How it was scored", "hash"):
        assert words in text
    assert "95 %" in text


def test_comparison(tmp_path):
    table = make_full_report(tmp_path).comparison
    assert [row[:2] for row in table.rows] == [("good", "fair"), ("good", "poor"), ("fair", "poor")]
    for row in table.rows:
        difference, low, high, p_value, wins, losses, ties = row[2:]
        assert 0 < low <= difference <= high
        assert 0 < p_value <= 0.0626  # the smallest that five pairs allow is 2 / 2^5
        assert (wins, losses, ties) == (5, 0, 0)
    assert make_full_report(tmp_path / "one", make_evaluation(("alone",))).comparison is None


def test_what_is_left_out_is_said(tmp_path):
    evaluation = without_result(make_evaluation(), 1, 0, 3)
    report = make_full_report(tmp_path, evaluation, whole=8)
    assert report.evaluation.sequences == tuple(name for name in SEQUENCES if name != "kite")
    assert "5 of 8 sequences" in report.notices[0]
    assert report.notices[1] == "1 sequences are left out for want of results of fair: kite"


def test_page_holds_everything_and_needs_nothing(tmp_path):
    report = make_full_report(tmp_path, strips=2)
    files = write_report_files(report, tmp_path / "out")
    page = files[0].read_text()
    assert set(re.findall(r"https?://[^\s\"'<>]+", page)) == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"<link(?! rel=\"icon\" href=\"data:,\")|<script[^>]*\ssrc=|@import|url\(", page)
    assert page.count("data:image/jpeg;base64,") == 10
    data = json.loads(re.search(r'<script type="application/json" id="report-data">(.*?)</script>', page, re.S)[1])
    assert data == json.loads(json.dumps(page_data(report)))
    assert [tracker["name"] for tracker in data["trackers"]] == ["good", "fair", "poor"]
    assert list(data["plots"][0]["groups"]) == ["all", "OCC", "FM", "LR"]
    assert data["groups"]["OCC"] == "Occlusion (2)"


def test_intervals_turn_with_the_reference(tmp_path):
    comparison = page_data(make_full_report(tmp_path))["comparison"]
    (_, forward, low, high, text), *_ = comparison[1]
    (_, backward, other_low, other_high, _), *_ = comparison[0]
    assert (backward, other_low, other_high) == pytest.approx((-forward, -high, -low))
    assert re.fullmatch(r"\+\d+\.\d\d \[\+\d+\.\d\d, \+\d+\.\d\d\], p 0\.06\d", text)


def test_names_cannot_break_the_page(tmp_path):
    report = make_full_report(tmp_path, make_evaluation((HOSTILE, "b")), title=HOSTILE)
    page = write_report_files(report, tmp_path / "out")[0].read_text()
    assert HOSTILE not in page
    assert page.count("</script>") == 2


def test_absent_targets_bring_the_table_of_long_term_measures(tmp_path):
    evaluation = make_evaluation()
    sequences, sources = make_files(tmp_path, evaluation)
    assert make_report(evaluation, sources, sequences).long_term is None
    sequences[1].ground_truth_rect[2:4] = np.nan
    report = make_report(evaluation, sources, sequences)
    assert [row["tracker"] for row in report.tables()["long_term"].records()] == ["good", "fair", "poor"]
    assert report.long_term is not None
    assert page_data(report)["tables"]["long_term"]["title"] == report.long_term.title
    assert report.notes["long_term"] in report.markdown()
