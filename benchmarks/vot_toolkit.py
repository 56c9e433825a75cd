"""Trackers of this project through the real vot-toolkit, and its numbers against ours.

    python3.11 -m venv /tmp/votenv && /tmp/votenv/bin/pip install vot-toolkit==0.7.4 attributee==0.1.9
    PYTRACKING_VOT_PATH=/data/VOT2018 python benchmarks/vot_toolkit.py --toolkit /tmp/votenv/bin/python

The toolkit is GPL and lives in an environment of its own (attributee 0.1.10 breaks its import; version 0.9.0 analyzes
but cannot run supervised experiments: it takes the start of a single object for several). A workspace is made with one
sequence and a copy of it that starts later; the toolkit runs the trackers, analyzes them, and results with many
failures that no tracker made, and writes its HTML report. Then our analysis reads the same raw files, and every number
is compared. With --own, our experiment runs the trackers and the toolkit analyzes what it wrote.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from ltr.dataset.regions import FAILED, INITIALIZED, SKIPPED
from pytracking.evaluation import Sequence, Tracker
from pytracking.run_vot import find_sequences, parse_trackers
from pytracking.VOT.analysis import score_tracker
from pytracking.VOT.experiment import repetition_file, run_vot_experiment, tracker_id
from pytracking.VOT.protocols import Experiment, Protocol
from pytracking.VOT.regions import format_row, initial_box
from pytracking.VOT.sequences import VOTSequence, vot_sequence
from pytracking.VOT.workspace import write_workspace

MADE_UP = "made_up"  # name of the results that no tracker made
TOLERANCE = 1e-6  # the toolkit computes its curve in float32

_STACK = """title: supervised, short
experiments:
  baseline:
    type: supervised
    repetitions: {repetitions}
    skip_initialize: 5
    analyses: &analyses
      - type: supervised_average_ar
        sensitivity: 100
      - type: supervised_eao_score
        low: {low}
        high: {high}
      - type: supervised_eao_curve
  realtime:
    type: supervised
    realtime:
      grace: 3
      fps: 20
    repetitions: 1
    skip_initialize: 5
    analyses: *analyses
"""


def moved(sequence: Sequence, start: int) -> Sequence:
    """The sequence from frame `start` on."""
    polygons = sequence.ground_truth_polygons
    return Sequence(
        f"{sequence.name}_from_{start}",
        sequence.frames[start:],
        sequence.dataset,
        sequence.ground_truth_rect[start:],
        ground_truth_polygons=None if polygons is None else polygons[start:],
    )


def toolkit(args: argparse.Namespace, command: str, *options: str) -> None:
    """Run a command of vot-toolkit; its words go to standard error."""
    call = [args.toolkit, "-m", "vot", command, "--workspace", str(args.workspace), *options]
    environment = os.environ | {"VOT_RESULTS_BINARY": "false"}
    print("$", " ".join(call), file=sys.stderr, flush=True)
    subprocess.run(call, check=True, env=environment, stdout=sys.stderr)


def toolkit_numbers(path: Path) -> dict[tuple[str, str, str], float]:
    """Numbers of the toolkit's JSON, by experiment, tracker and measure."""
    content = json.loads(path.read_text())
    found: dict[tuple[str, str, str], float] = {}
    for experiment, analyses in content["results"].items():
        by_tracker, eao, _ = analyses["results"]  # in the order of the stack's analyses
        for tracker, (accuracy, failures, *_), (score,) in zip(content["trackers"], by_tracker, eao, strict=True):
            found |= {(experiment, tracker, "A"): accuracy, (experiment, tracker, "R"): failures}
            found[experiment, tracker, "EAO"] = score
    return found


def write_made_up(folder: Path, sequences: list[VOTSequence], repetitions: int) -> None:
    """Results of no tracker: ground truth, jittered, with failures anywhere, also in the last frames."""
    rng = np.random.default_rng(0)
    for sequence, repetition in itertools.product(sequences, range(1, repetitions + 1)):
        truth = sequence.truth
        rows: list[list[float]] = []
        while len(rows) < len(truth):
            end = min(len(truth), len(rows) + int(rng.integers(2, 80)))
            rows.append([INITIALIZED])
            rows += [np.add(initial_box(truth.row(i)), rng.normal(0, 12, 4)).tolist() for i in range(len(rows), end)]
            rows += ([[float(FAILED)]] + [[float(SKIPPED)]] * 4)[: len(truth) - len(rows)]
        path = repetition_file(folder, sequence.name, repetition)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{format_row(row)}\n" for row in rows))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--toolkit", required=True, help="Python of the environment with vot-toolkit")
    parser.add_argument("--workspace", type=Path, default=Path("results/vot_toolkit"))
    parser.add_argument("--trackers", nargs="+", default=["dimp:rls_dimp_lite", "dimp:bgd_dimp_lite"])
    parser.add_argument("--sequence", default="bag")
    parser.add_argument("--start", type=int, default=60, help="first frame of the copy that starts later")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--interval", nargs=2, type=int, default=(46, 120), help="interval of EAO")
    parser.add_argument("--own", action="store_true", help="our experiment runs the trackers, not the toolkit")
    args = parser.parse_args()
    args.workspace = args.workspace.absolute()

    original = find_sequences("vot2018", [args.sequence])[0]
    sequences = [original, moved(original, args.start)]
    trackers = parse_trackers(args.trackers)
    names = [tracker_id(tracker) for tracker in trackers]
    stack = args.workspace / "stack.yaml"
    low, high = args.interval
    stack.parent.mkdir(parents=True, exist_ok=True)
    stack.write_text(_STACK.format(repetitions=args.repetitions, low=low, high=high))
    made_up = Tracker(trackers[0].name, trackers[0].parameter_name, display_name=MADE_UP)
    write_workspace(args.workspace, sequences, [*trackers, made_up], str(stack))
    experiments = {
        "baseline": Experiment("baseline", args.repetitions),
        "realtime": Experiment("realtime", 1, fps=20, grace=3),
    }
    protocol = Protocol("short", "supervised, short", "vot2018", (low, high), 100, 10, experiments)
    results = args.workspace / "results"
    if args.own:
        for tracker in trackers:
            for experiment in experiments:
                print(run_vot_experiment(tracker, sequences, protocol, experiment, results).describe(), file=sys.stderr)
    else:
        toolkit(args, "evaluate", *names)
    prepared = [vot_sequence(sequence) for sequence in sequences]
    names.append(MADE_UP)
    for rules in experiments.values():
        write_made_up(results / MADE_UP / rules.name, prepared, rules.repetitions)
    toolkit(args, "analysis", *names, "--name", "compared")
    toolkit(args, "report", *names, "--name", "compared")

    theirs = toolkit_numbers(args.workspace / "analysis" / "compared.json")
    print(f"{'experiment':10} {'tracker':22} {'measure':7} {'vot-toolkit':>12} {'here':>12} {'challenge':>12}")
    worst = 0.0
    for name in names:
        for experiment in experiments:
            ours, published = (
                score_tracker(results / name, prepared, protocol, experiment, c) for c in ("toolkit", "challenge")
            )
            weighted = float(np.average(ours.sequence_failures, weights=ours.frames))
            for measure, value, other in (
                ("A", ours.accuracy, published.accuracy),
                ("R", weighted, published.robustness),
                ("EAO", ours.eao, published.eao),
            ):
                reference = theirs[experiment, name, measure]
                worst = max(worst, abs(reference - value))
                print(f"{experiment:10} {name:22} {measure:7} {reference:12.7f} {value:12.7f} {other:12.7f}")
    print(f"largest difference to vot-toolkit: {worst:.1e}, limit {TOLERANCE:.0e}")
    return int(worst > TOLERANCE)


if __name__ == "__main__":
    sys.exit(main())
