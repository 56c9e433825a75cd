"""The README's commands, given one after the other, find what they need."""

import re
from pathlib import Path

from pytracking.run_tracker import _parser
from pytracking.util_scripts.report import parse_tracker

README = Path(__file__).resolve().parents[2] / "README.md"


def test_reports_are_of_results_that_were_made_before():
    made = set()
    reports = 0
    for line in re.findall(r"^python .*$", README.read_text(encoding="utf-8"), flags=re.MULTILINE):
        _, program, *words = [word.strip('"') for word in re.findall(r'"[^"]*"|\S+', line.partition("  #")[0])]
        if program.endswith("run_tracker.py"):
            given = _parser().parse_args(words)
            made.add((given.tracker_name, given.tracker_param, given.runid, given.dataset_name))
        elif words and words[0].endswith("util_scripts.report"):
            reports += 1
            dataset = words[words.index("--dataset_name") + 1]
            for text in words[words.index("--trackers") + 1 :]:
                for tracker in parse_tracker(text):
                    assert (tracker.name, tracker.parameter_name, tracker.run_id, dataset) in made
    assert reports == 1
