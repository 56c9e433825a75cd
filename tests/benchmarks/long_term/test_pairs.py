"""What is run again with re-detection, and with which random numbers."""

from pathlib import Path

import pytest

from benchmarks.long_term import __main__ as command
from benchmarks.long_term.pairs import TRACKERS, Pair, is_ready
from pytracking.tracker.dimp.params import DiMPParams
from tests.pytracking.dummy import make_sequence

PATIENCE = DiMPParams().redetection_patience


@pytest.mark.parametrize("name", TRACKERS)
def test_both_of_a_pair_differ_by_what_the_long_term_file_says_alone(name: str, tmp_path: Path) -> None:
    pair = Pair.of(name, 1, tmp_path)
    assert pair.with_it.sequence_seed("a") == pair.without.sequence_seed("a")
    assert pair.with_it.results_dir != pair.without.results_dir
    short, long = vars(pair.without.get_parameters()), vars(pair.with_it.get_parameters())
    changed = {key for key in short if key != "net" and short[key] != long[key]}
    assert changed == {"redetection", "presence_map", "presence_threshold"}


@pytest.mark.parametrize(
    ("flags", "lost"),
    [
        (["normal"] * 40, False),
        ([*["not_found"] * (PATIENCE - 1), "normal", *["not_found"] * (PATIENCE - 1)], False),
        (["normal", *["not_found"] * PATIENCE], True),
    ],
)
def test_runs_that_lost_nothing_are_not_repeated(tmp_path: Path, flags: list[str], lost: bool) -> None:
    sequence = make_sequence(tmp_path / "data", "a")
    pair = Pair.of("dimp_lite", 0, tmp_path)
    assert not is_ready(pair, sequence)
    folder = pair.without.results_dir
    folder.mkdir(parents=True)
    (folder / "a.txt").write_text("")
    (folder / "a_flags.txt").write_text("\n".join(flags))
    assert pair.loses(sequence) == lost
    assert is_ready(pair, sequence) != lost


def test_no_sequence_without_absences_is_no_error(tmp_path: Path) -> None:
    pairs = [Pair.of("dimp_lite", run, tmp_path) for run in (0, 1)]
    (row, twin), differences = command.measure({"dimp_lite": pairs}, [])
    assert (row[0], twin[0]) == ("dimp_lite", "dimp_lite_lt")
    assert {*row[1:], *twin[1:]} == {"nan"}
    assert not differences
