"""Tables, differences and settings chosen from rows of known numbers; the whole command on a small sequence."""

import csv
import json
import math

import numpy as np
import pytest

from benchmarks.retention import __main__ as command
from benchmarks.retention import report
from benchmarks.retention.returning import CHANGES, render, returning_scene, returning_sequences
from ltr.common.errors import InputError


def row(learner, sequence, right=0.9, earlier=0.8, seed=0, first=0.5, returns=False, **more):
    values = dict.fromkeys(report.MEASURES, 0.5)
    values |= {"next_right": right, "earlier_right": earlier, "first_right": first}
    described = {"learner": learner, "member": learner.split()[0], "dataset": "made", "sequence": sequence}
    counted = {"frames": 100, "updates": 4, "rose": 1, "undone": 0, "learning_seconds": 0.5, "seconds": 1.0}
    return {**described, "returns": returns, "seed": seed, **counted, **values, **more}


ROWS = [
    *(row("rls", name, 0.9, earlier, seed) for name, earlier in (("a", 0.9), ("b", 0.8)) for seed in (0, 1)),
    *(
        row("bgd", name, 0.9, earlier - 0.1 * seed, seed)
        for name, earlier in (("a", 0.85), ("b", 0.75))
        for seed in (0, 1)
    ),
    *(row(name, "still", 1.0, 1.0, first=1.0) for name in ("rls", "bgd")),
    *(row(name, "back", 1.0, 1.0, returns=True, dropped_right=math.nan) for name in ("rls", "bgd")),
]


def test_groups():
    assert report.groups_of(ROWS) == {"all": ["a", "b", "still"], "moving": ["a", "b"], "return": ["back"]}


def test_differences_are_paired_and_seeds_are_averaged_first():
    found = report.differences(ROWS, ["a", "b"], "rls")["bgd"]
    assert found["earlier_right"]["mean"] == pytest.approx(0.1)  # .05 with seed 0 and .15 with seed 1, in both
    assert found["earlier_right"]["low"] == pytest.approx(0.1)
    assert found["earlier_right"]["higher"] == 2
    assert found["next_right"] == {
        "mean": 0,
        "low": 0,
        "high": 0,
        "sequences": 2,
        "p_value": 1,
        "higher": 0,
        "lower": 0,
    }


def test_what_a_sequence_does_not_have_is_left_out():
    assert report.differences(ROWS, ["back"], "rls")["bgd"]["dropped_right"] is None
    assert report.summarize(ROWS, ["back"])["rls"]["dropped_right"] is None
    assert report.summarize(ROWS, ["a", "back"])["rls"]["dropped_right"]["sequences"] == 1


def test_share_of_updates_that_raised_the_loss():
    assert report.summarize(ROWS, ["a", "b"])["rls"]["rose"] == 0.25


def test_the_best_setting_of_each_file():
    rows = [
        *(row("bgd step=1", name, 0.9, 0.9) for name in "ab"),
        *(row("bgd step=2", name, 0.95, 0.9) for name in "ab"),
        *(row("bgd step=3", name, 0.9, 0.95, earlier_margin=0.6) for name in "ab"),
        *(row("rls", name) for name in "ab"),
    ]
    assert report.chosen_settings(rows) == {"bgd": "bgd step=3"}


def test_tables_have_every_sequence_and_learner():
    text = report.markdown(ROWS, report.analyze(ROWS, "rls"))
    for expected in ("## all", "## moving", "## return", "| still | 100.0 |", "+10.00 [+10.00, +10.00]"):
        assert expected in text


def test_learners_are_read_from_text():
    names = [
        learner.name for learner in command.parse_learners(["dimp_lite", "bgd_dimp_lite online_step_length=[.1, 3]"])
    ]
    assert names == ["dimp_lite", "bgd_dimp_lite online_step_length=0.1", "bgd_dimp_lite online_step_length=3"]
    [learner] = command.parse_learners(["rls_dimp_lite online_step_length=.02 rls_estimator=dense rls_max_rank=none"])
    params = learner.tracker.get_parameters()
    assert (params.online_step_length, params.rls_estimator, params.rls_max_rank) == (0.02, "dense", None)


@pytest.mark.parametrize("text", ["dimp_lite step", "dimp_lite online_step_length=[1", "dimp_lite no_such=1", "nobody"])
def test_learners_that_cannot_be_read_are_refused(text):
    with pytest.raises(InputError):
        list(command.parse_learners([text]))


def test_halves_share_nothing():
    sequences = returning_sequences_named("b", "A", "c", "D")
    assert [s.name for s in command.half_of(sequences, "choose")] == ["A", "c"]
    assert [s.name for s in command.half_of(sequences, "judge")] == ["b", "D"]
    assert len(command.half_of(sequences, "all")) == 4


def returning_sequences_named(*names):
    return [command.Sequence(name, [], "made", lambda: None) for name in names]


def test_the_whole_command(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PYTRACKING_CACHE_PATH", str(tmp_path / "cache"))
    monkeypatch.setattr(command, "chosen_sequences", lambda args: [render(returning_scene(1, 46), tmp_path)])
    words = ["--trackers", "dimp_lite_untrained", "rls_dimp_lite_untrained", "--seeds", "2", "--output"]
    command.main([*words, str(tmp_path / "out")])
    with (tmp_path / "out" / "rows.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(r["learner"], r["seed"], r["updates"]) for r in rows] == [
        (name, seed, "2") for seed in "01" for name in ("dimp_lite_untrained", "rls_dimp_lite_untrained")
    ]
    assert rows[0]["next_margin"] != rows[2]["next_margin"]  # another jitter
    content = json.loads((tmp_path / "out" / "retention.json").read_text())
    assert content["groups"] == {"return": ["return_coffee"]}
    assert 0 <= content["summary"]["return"]["rls_dimp_lite_untrained"]["earlier_right"]["mean"] <= 1
    assert (tmp_path / "out" / "retention.png").stat().st_size > 1000

    # A process that was killed while it wrote: the half line counts for nothing, the whole ones are not measured again.
    kept = (tmp_path / "out" / "measured.jsonl").read_text().splitlines()
    (tmp_path / "out" / "measured.jsonl").write_text("\n".join([*kept[:3], kept[3][:50]]) + "\n")
    calls = []
    followed = command.follow
    monkeypatch.setattr(command, "follow", lambda *args: calls.append(args) or followed(*args))
    command.main([*words, str(tmp_path / "out")])
    assert len(calls) == 1
    with (tmp_path / "out" / "rows.csv").open() as file:
        again = list(csv.DictReader(file))
    assert [r["next_margin"] for r in again] == [r["next_margin"] for r in rows]


def test_rendered_sequences_return(tmp_path):
    scene = returning_scene(0, 100)
    sequence = render(scene, tmp_path)
    assert sequence.attributes == ("return",)
    assert len(sequence.ground_truth_rect) == len(sequence.frames) == 100
    for curve in (scene.target.gain, scene.target.squeeze, scene.target.warmth):
        values = curve(np.arange(100.0))
        assert values[0] == pytest.approx(values[-1], abs=1e-12)
        assert abs(values[60] - values[0]) > 0.1
    assert {path.stat().st_mtime_ns for path in sequence.frames} == {
        path.stat().st_mtime_ns for path in render(scene, tmp_path).frames
    }
    with pytest.raises(InputError, match="from 0 to"):
        returning_sequences(len(CHANGES) + 1)


def test_the_beginning_of_a_sequence(tmp_path):
    sequence = command.beginning(render(returning_scene(0, 30), tmp_path), 12)
    assert (len(sequence), len(sequence.ground_truth_rect), len(sequence.target_visible)) == (12, 12, 12)
    assert sequence.attributes == ("return",)


@pytest.mark.parametrize("words", [("--seeds", "0"), ("--earlier", "0"), ("--frames", "-3"), ("--half", "third")])
def test_options_that_cannot_be_meant_are_refused(words, capsys):
    with pytest.raises(SystemExit, match="2"):
        command.main(["--trackers", "dimp_lite", *words])
    assert words[0] in capsys.readouterr().err


def test_a_reference_is_written_as_the_learner_is(monkeypatch):
    monkeypatch.setattr(command, "chosen_sequences", lambda args: [])
    learner = "rls_dimp_lite rls_delta=.01"
    with pytest.raises(InputError, match="expected a sequence with an update"):  # so the reference was found
        command.main(["--trackers", learner, "dimp_lite", "--against", learner])


def test_a_reference_that_is_not_measured_is_refused():
    with pytest.raises(InputError, match="--against"):
        command.main(["--trackers", "dimp_lite", "--against", "rls_dimp_lite"])
