import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ltr.common.errors import InputError
from pytracking.analysis import paper_tables
from pytracking.analysis.evaluation import evaluate
from pytracking.analysis.paper_tables import Group, list_tables, our_groups, read_paper_table
from pytracking.evaluation import get_dataset
from pytracking.evaluation.sweep import Sweep, SweepPart, SweepTracker, read_sweep
from pytracking.util_scripts.reproduce import main, reproduce
from tests.pytracking.dummy import write_frames

ROOT = Path(__file__).resolve().parents[3]
FRAMES = {"Deer": 71, "Man": 134, "Couple": 140}
pytestmark = pytest.mark.filterwarnings("ignore::pytracking.evaluation.data.PartialCopyWarning")


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """Three sequences of OTB; no image is read."""
    monkeypatch.setenv("PYTRACKING_OTB_PATH", str(tmp_path / "otb"))
    monkeypatch.setenv("PYTRACKING_RESULTS_PATH", str(tmp_path / "results"))
    monkeypatch.setenv("PYTRACKING_RESULT_PLOT_PATH", str(tmp_path / "plots"))
    for name, count in FRAMES.items():
        write_frames(tmp_path / "otb" / name / "img", count)
        (tmp_path / "otb" / name / "groundtruth_rect.txt").write_text("11,11,20,20\n" * count)
    return tmp_path


def write_result(folder: Path, parameters: str, run: int, sequence: str, shift: float) -> None:
    target = folder / "results" / "dimp" / f"{parameters}_{run:03d}"
    target.mkdir(parents=True, exist_ok=True)
    (target / "run.json").write_text("{}")
    (target / f"{sequence}.txt").write_text(f"{10 + shift}\t10\t20\t20\n" * FRAMES[sequence])


SWEEP = Sweep(
    "mine",
    "Mine",
    (
        SweepPart(
            ("otb", "uav"),
            (
                SweepTracker("RLS-DiMP", "dimp", "rls_dimp_lite", (0, 1)),
                SweepTracker("DiMP", "dimp", "dimp_lite", (0,)),
            ),
        ),
    ),
    present_only=True,
)
GROUP = Group("OTB", "lasot", ("success", "precision"), {"RLS-DiMP": (0.5, 0.6)}, ("otb", "uav"))


def test_scores_are_of_the_same_sequences_and_complete_runs(workplace):
    for run, shift in ((0, 2.0), (1, 4.0)):
        write_result(workplace, "rls_dimp_lite", run, "Deer", shift)
        write_result(workplace, "rls_dimp_lite", run, "Man", shift)
    write_result(workplace, "rls_dimp_lite", 0, "Couple", 1.0)
    write_result(workplace, "dimp_lite", 0, "Deer", 6.0)
    write_result(workplace, "dimp_lite", 0, "Man", 8.0)
    (ours,) = our_groups(GROUP, SWEEP, lite=True)
    assert (ours.datasets, ours.sequences, ours.total) == (("otb",), 2, 3)  # DiMP has no result of Couple
    assert ours.runs == {"RLS-DiMP": 2, "DiMP": 1}
    assert ours.missing == {"RLS-DiMP": 1, "DiMP": 1}
    trackers = SWEEP.parts[0].trackers[0].trackers()
    expected = evaluate(trackers, get_dataset("otb")[["Deer", "Man"]]).trackers[0]
    score = ours.scores["RLS-DiMP"]["success"]
    assert (score.mean, score.std) == (expected.mean(expected.auc), expected.std(expected.auc))
    assert np.isnan(ours.scores["DiMP"]["success"].std)


def test_without_results(workplace):
    (ours,) = our_groups(GROUP, SWEEP, lite=True)
    assert (ours.scores, ours.sequences, ours.missing) == ({}, 0, {"RLS-DiMP": 6, "DiMP": 3})
    assert our_groups(GROUP, SWEEP, lite=False) == []


def test_hard_sequences(workplace):
    for run in (0, 1):
        for sequence, shift in (("Deer", 0.0), ("Man", 6.0 if run else 0.0), ("Couple", 6.0)):
            write_result(workplace, "rls_dimp_lite", run, sequence, shift)
    write_result(workplace, "dimp_lite", 0, "Deer", 1.0)
    group = Group("OTB", "lasot", ("success",), {}, ("otb",), hard="RLS-DiMP")
    for sequence in ("Man", "Couple"):
        write_result(workplace, "dimp_lite", 0, sequence, 6.0)
    (ours,) = our_groups(group, SWEEP, lite=True)
    assert ours.notes == ("2 of 3 sequences are hard",)  # Deer is easy in every run
    assert ours.sequences == 2
    without = Group("OTB", "lasot", ("success",), {}, ("otb",), hard="none")
    assert "without results" in our_groups(without, SWEEP, lite=True)[0].notes[0]


def test_lite_table_is_printed(workplace, capsys):
    for sequence, shift in (("Deer", 0.0), ("Man", 3.0)):
        write_result(workplace, "rls_dimp_lite", 0, sequence, shift)
    assert main(["table4", "--lite"]) == 0
    text = capsys.readouterr().out
    row = next(line for line in text.splitlines() if line.startswith("│ RLS-DiMP"))
    for part in ("0.578", "1.000", "0.577", "2339"):
        assert part in row
    assert "paper: LaSOT-test; ours: otb, 2 of 3 sequences" in text
    assert "118 results are missing; to fill the table: python -m pytracking.run_experiment table4_lite" in text


def test_nothing_missing(workplace, monkeypatch, capsys):
    sweep = read_sweep("figure3_lite")
    monkeypatch.setattr(paper_tables, "hard_sequences", lambda evaluation, names: list(evaluation.sequences))
    for entry in sweep.parts[0].trackers:
        for run in entry.runs:
            for sequence in FRAMES:
                write_result(workplace, entry.parameters, run or 0, sequence, float(run or 0))
    reproduce("figure3", lite=True)
    text = capsys.readouterr().out
    assert "nothing is missing of sweep figure3_lite" in text
    assert "±" in text


def test_full_table_without_data(capsys):
    assert main(["table5"]) == 0
    text = capsys.readouterr().out
    assert "LTMU" in text
    assert "not here: trackingnet, got10k_test, lasot, oxuva_dev, tlp" in text


def test_vot_tables(capsys):
    for table in ("table3", "table6"):
        assert main([table]) == 0
        assert "VOT's reset-based protocol" in capsys.readouterr().out


def test_server_data_sets_are_not_scored_here(tmp_path, monkeypatch, capsys):
    names = [f"GOT-10k_Test_{number:06d}" for number in range(1, 181)]
    root = tmp_path / "got10k" / "test"
    for name in names[:1]:
        write_frames(root / name, 3, digits=8)
        (root / name / "groundtruth.txt").write_text("1,1,5,5\n")
    (root / "list.txt").write_text("\n".join(names) + "\n")
    monkeypatch.setenv("PYTRACKING_GOT10K_PATH", str(root.parent))
    folder = tmp_path / "results" / "dimp" / "rls_dimp50_got10k_000"
    folder.mkdir(parents=True)
    group = read_paper_table("table5").groups[1]
    name = next(iter(get_dataset("got10k_test"))).name
    (folder / f"{name}.txt").write_text("1\t1\t5\t5\n" * 3)
    (ours,) = our_groups(group, read_sweep("table5"), lite=False, results_path=tmp_path / "results")
    assert "server" in ours.notes[0]
    assert "pack_got10k_results" in ours.notes[0]


def test_unknown_table(capsys):
    assert main(["tabel4"]) == 2
    assert "unknown table of the paper 'tabel4'; did you mean 'table4'?" in capsys.readouterr().err
    with pytest.raises(InputError, match="no lite sweep of table3"):
        reproduce("table3", lite=True)


def test_numbers_of_the_paper():
    tables = {name: read_paper_table(name) for name in list_tables()}
    assert tables.keys() == {"table1", "table2", "table3", "table4", "table5", "table6", "figure2", "figure3"}
    for table in tables.values():
        for group in table.groups:
            assert all(len(values) == len(group.metrics) for values in group.values.values())
    assert tables["table4"].groups[0].values["RLS-DiMP"] == (0.578, 0.676, 0.577, 40, 2339)
    assert tables["table5"].groups[3].values["RLS-DiMP"] == (0.735, 0.0)
    assert tables["table6"].groups[0].values["RLS-DiMP"] == (0.443, 0.602, 0.138, 0.422)
    # The same results stand in several tables.
    four, five = tables["table4"].groups[0].values, tables["table5"].groups[2].values
    assert {row: (four[row][2], four[row][0]) for row in five.keys() & four.keys()} == {
        row: five[row] for row in five.keys() & four.keys()
    }
    one, two = tables["table1"].groups[1].values, tables["figure2"].groups[0].values
    assert {row: values[1] for row, values in one.items()} == {row: two[row][0] for row in one}


@pytest.mark.parametrize("name", ["table1", "table2", "table4", "table5", "figure2", "figure3"])
def test_rows_of_sweeps_are_rows_of_the_paper(name):
    rows = {row for group in read_paper_table(name).groups for row in group.values}
    for sweep in (read_sweep(name), read_sweep(f"{name}_lite")):
        assert {tracker.name for part in sweep.parts for tracker in part.trackers} <= rows


def test_printing_needs_no_torch(tmp_path):
    code = (
        "import sys; from pytracking.util_scripts.reproduce import main; "
        "assert main(['table4']) == 0; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
