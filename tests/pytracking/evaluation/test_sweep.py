import re
import tomllib
from pathlib import Path

import pytest

from ltr.common.errors import InputError
from pytracking.evaluation import registry
from pytracking.evaluation.sweep import SWEEPS, list_sweeps, read_sweep
from pytracking.evaluation.tracker import Tracker
from tests.pytracking.dummy import PARAMETERS, TRACKERS, write_frames

DOCS = Path(__file__).resolve().parents[3] / "docs"
PAPER = ("table1", "table2", "table4", "table5", "table6", "figure2", "figure3")


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """Dummy trackers and an OTB folder with one sequence."""
    monkeypatch.setattr(Tracker, "tracker_package", TRACKERS)
    monkeypatch.setattr(Tracker, "parameter_package", PARAMETERS)
    monkeypatch.setenv("PYTRACKING_OTB_PATH", str(tmp_path / "otb"))
    monkeypatch.setenv("PYTRACKING_RESULTS_PATH", str(tmp_path / "results"))
    write_frames(tmp_path / "otb" / "Deer" / "img", 71)
    (tmp_path / "otb" / "Deer" / "groundtruth_rect.txt").write_text("6,5,9,8\n" * 71)
    return tmp_path


def write(folder: Path, text: str) -> str:
    path = folder / "mine.toml"
    path.write_text(text)
    return str(path)


TRACKERS_LINE = 'trackers = ["wander:default"]'
TABLE = "[[part]]\ndatasets = ['otb']\ntrackers = [{ tracker = 'wander', parameters = 'default', %s }]"
PART = '[[part]]\ndatasets = ["otb"]\n'


def test_runs_overrides_and_grid(workplace):
    name = write(
        workplace,
        'title = "Mine"\nruns = 2\nseed = 7\npresent_only = true\n'
        + PART
        + """trackers = [
            "Wander = wander:default",
            { tracker = "wander", parameters = "default", label = "far", overrides = { step = 3 }, runs = [4] },
            { tracker = "wander", parameters = "default", grid = { step = [1.5, 2.5], delay = [0.0] }, runs = 0 },
        ]""",
    )
    sweep = read_sweep(name)
    assert (sweep.title, sweep.name) == ("Mine", "mine")
    assert [t.name for t in sweep.parts[0].trackers] == [
        "Wander",
        "wander default, step 3",
        "wander default, step 1.5, delay 0.0",
        "wander default, step 2.5, delay 0.0",
    ]
    parts, notes = sweep.load()
    trackers = parts[0].trackers
    assert [t.run_id for t in trackers] == [0, 1, 4, None, None]
    assert {t.seed for t in trackers} == {7}
    assert trackers[0].results_dir == workplace / "results" / "wander" / "default_000"  # as of run_tracker.py
    assert trackers[2].results_dir.name == "default+far_004"
    assert len({t.results_dir for t in trackers}) == 5
    assert [t.get_parameters().step for t in trackers] == [1.0, 1.0, 3, 1.5, 2.5]
    assert [s.name for s in parts[0].sequences] == ["Deer"]
    named = "Basketball, Biker, Bird1, Bird2, BlurBody, ..."
    assert notes == [f"99 of 100 sequences of otb are not here ({named}): left out"]


def test_data_that_is_not_here(workplace):
    text = '[[part]]\ndatasets = ["otb", "uav"]\ntrackers = ["wander:default"]\n'
    with pytest.raises(InputError, match="uav_path is not set"):
        read_sweep(write(workplace, text)).load()
    parts, notes = read_sweep(write(workplace, "present_only = true\n" + text)).load()
    assert len(parts[0].sequences) == 1
    assert notes[0] == "data set uav is not here and is left out: uav_path is not set"
    full = text.replace(', "uav"', "")
    assert len(read_sweep(write(workplace, full)).load()[0][0].sequences) == 100
    assert len(read_sweep(write(workplace, full)).load(present_only=True)[0][0].sequences) == 1


def test_other_data_in_the_place_of_absent(workplace):
    text = 'present_only = true\n[[part]]\ndatasets = ["uav", "nfs"]\notherwise = ["otb"]\n' + TRACKERS_LINE
    parts, notes = read_sweep(write(workplace, text)).load()
    assert [s.name for s in parts[0].sequences] == ["Deer"]
    assert "none of uav, nfs is here: otb in their place" in notes
    with pytest.raises(InputError, match=r"nothing to run for sweep mine:\n  data set uav is not here"):
        read_sweep(write(workplace, text.replace('otherwise = ["otb"]\n', ""))).load()


def test_chosen_sequences(workplace):
    text = PART + 'sequences = ["Deer"]\ntrackers = ["wander:default"]'
    assert [s.name for s in read_sweep(write(workplace, text)).load()[0][0].sequences] == ["Deer"]
    with pytest.raises(InputError, match="did you mean 'Deer'"):
        read_sweep(write(workplace, text.replace("Deer", "Der"))).load()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("run = 3\n" + PART + TRACKERS_LINE, r"unknown key 'run'; did you mean 'runs'\?"),
        ("runs = true\n" + PART + TRACKERS_LINE, "runs: expected a number or a list, found True"),
        ("runs = -1\n" + PART + TRACKERS_LINE, "runs: expected a number of 0 or more, .* found -1"),
        ("runs = [-1]\n" + PART + TRACKERS_LINE, "runs: expected"),
        ("runs = [1, 1]\n" + PART + TRACKERS_LINE, "different run numbers"),
        (PART, "expected the key 'trackers', found datasets"),
        ("seed = 1", r"at least one \[\[part\]\]"),
        (PART + 'trackers = ["wander"]', "'tracker:parameters', found 'wander'"),
        (TABLE % "override = {}", "mean 'overrides'"),
        (TABLE % "grid = { step = 1 }", "list of values"),
        ('[[part]]\ndatasets = ["obt"]\ntrackers = ["wander:default"]', "unknown data set 'obt'; did you mean 'otb'"),
        (PART + 'trackers = ["wandr:default"]', "unknown tracker 'wandr'; did you mean 'wander'"),
        (PART + 'trackers = ["wander:defalt"]', "did you mean 'default'"),
        (TABLE % "overrides = { stap = 1.0 }", "mean 'step'"),
        (TABLE % "overrides = { step = '1' }", "expected float"),
        (TABLE % "overrides = { delay = -3 }", r"mine\.toml, part 1, .*'delay' .* a number from 0 on, found -3"),
        (TABLE % "grid = { delay = [0.0, nan] }", r"mine\.toml, part 1, .*'delay' .* a number from 0 on, found nan"),
        (PART + 'trackers = ["A = wander:default", "A = wander:slow"]', "two trackers are called 'A'"),
        ("runs = ", "cannot be read"),
    ],
)
def test_nonsense_is_named(workplace, text, message):
    with pytest.raises(InputError, match=message):
        read_sweep(write(workplace, text)).load()


def test_unknown_sweep():
    with pytest.raises(InputError, match="unknown sweep 'tabel4'; did you mean 'table4'"):
        read_sweep("tabel4")
    assert read_sweep("table4.toml").name == read_sweep("table4").name == "table4"


def test_none_in_a_file(workplace):
    tracker = Tracker("wander", "default", overrides={"device": "none"})
    assert tracker.get_parameters().device == "none"  # a text is allowed there, so it is one


@pytest.mark.parametrize("name", PAPER)
def test_every_table_has_its_sweep_and_a_lite_twin(name):
    assert {name, f"{name}_lite"} <= list_sweeps().keys()
    assert read_sweep(f"{name}_lite").present_only
    assert not read_sweep(name).present_only


@pytest.mark.parametrize("path", sorted(SWEEPS.glob("*.toml")), ids=lambda path: path.stem)
def test_sweeps_name_parameter_files_that_are_there(path):
    sweep = read_sweep(str(path))
    for entry in (tracker for part in sweep.parts for tracker in part.trackers):
        registry.find_parameters(entry.tracker, entry.parameters)
        if sweep.name.endswith("_lite"):
            assert "lite" in entry.parameters


def test_runs_of_the_paper():
    runs = {t.name: len(t.runs) for t in read_sweep("table4").parts[0].trackers}
    assert runs.pop("DiMP") == 5
    assert set(runs.values()) == {20}
    assert tomllib.loads((SWEEPS / "table1.toml").read_text())["runs"] == 50


def test_family_of_super_dimp_is_that_of_table_4():
    def members(sweep):
        (part,) = read_sweep(sweep).parts
        return part.datasets, [(t.tracker, t.parameters) for t in part.trackers]

    datasets, family = members("table4")
    wanted = [(tracker, name.replace("dimp50", "super_dimp")) for tracker, name in family]
    assert members("superdimp") == (datasets, wanted)


def test_example_of_the_documentation(tmp_path):
    example = re.search(r"```toml\n(.*?)```", (DOCS / "sweeps.md").read_text(), re.DOTALL)[1]
    trackers = read_sweep(write(tmp_path, example)).parts[0].trackers
    assert [dict(tracker.overrides) for tracker in trackers] == [
        {},
        {"rls_beta": 0.99},
        *({"online_step_length": step, "rls_delta": delta} for step in (1e-3, 1e-2) for delta in (0.1, 1)),
    ]
    for entry in trackers:
        (tracker, *_) = entry.trackers()
        tracker.get_parameters()  # the parameters are there


def test_vot_is_another_command():
    with pytest.raises(InputError, match="not run by this command\nTable 6 is measured by VOT's reset-based protocol"):
        read_sweep("table6").load()
