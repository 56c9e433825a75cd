"""What does an online learner remember, and how well does it follow? Learners of the DiMP family on a fixed stream.

    python -m benchmarks.retention --trackers dimp_lite bgd_dimp_lite rls_dimp_lite --dataset_name otb
    python -m benchmarks.retention --trackers rls_dimp_lite "rls_dimp_lite online_step_length=.1 rls_delta=.01" \\
        --dataset_name otb --sequences Couple Man Dog1 --seeds 1
    python -m benchmarks.retention --trackers "bgd_dimp_lite online_step_length=[.03, .1, .3]" --half choose

A learner is a parameter file of the tracker dimp, with parameters that differ; of lists every combination is a learner.
All see the same features, at the true place of every frame (`streams.py`), so none suffers from its own mistakes. After
every update the filter is asked where the target is on the frames until the next update (adaptation), on all earlier
frames, and on those of them that are no longer stored (retention). docs/retention.md says what is measured.

Written to --output: rows.csv, retention.json, retention.md, retention.png; what is measured is kept there, and the same
command goes on where it was stopped. Features are kept in the folder for caches (PYTRACKING_CACHE_PATH).
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import itertools
import json
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from benchmarks.retention import report
from benchmarks.retention.measure import evaluate, follow
from benchmarks.retention.returning import returning_sequences
from benchmarks.retention.streams import stream_of
from ltr.common.errors import InputError
from ltr.common.provenance import describe_environment
from ltr.inference.precision import float32_arithmetic
from pytracking.arguments import parse_positive
from pytracking.evaluation.data import Sequence, SequenceList
from pytracking.evaluation.datasets import load_sequences
from pytracking.evaluation.engines.local import limit_threads
from pytracking.evaluation.tracker import Tracker

# A number measured before is taken over only if these are as they were.
CODE = (
    *("benchmarks.retention.measure", "benchmarks.retention.streams", "ltr.models.layers.filter"),
    *(f"ltr.models.target_classifier.{name}" for name in ("loss", "online", "optimizer", "initializer", "guard")),
    *(f"pytracking.tracker.dimp.{name}" for name in ("online_learning", "online_optimizers", "sample_memory")),
    *("rls.base", "rls.inverse_correlation", "rls.virtual_input"),
)


@dataclass(frozen=True)
class Learner:
    """A tracker whose online learning is measured."""

    name: str
    tracker: Tracker


def parse_learners(texts: list[str]) -> Iterator[Learner]:
    """Learners of `parameters name=value ...`. Raises InputError for values that are not TOML and unknown names."""
    for text in texts:
        parameters, *changes = _words(text)
        values: dict[str, Any] = {}
        for change in changes:
            name, equals, value = change.partition("=")
            if not equals:
                raise InputError(f"expected parameters as name=value in '{text}', found '{change}'")
            values[name] = _value(value, text)
        lists = [value if isinstance(value, list) else [value] for value in values.values()]
        for combination in itertools.product(*lists):
            overrides = dict(zip(values, combination, strict=True))
            tracker = Tracker("dimp", parameters, device="cpu", overrides=overrides)
            tracker.get_parameters()
            yield Learner(" ".join([parameters, *(f"{key}={value}" for key, value in overrides.items())]), tracker)


def _words(text: str) -> list[str]:
    """Words, where a list may have spaces."""
    return [word.replace("\0", " ") for word in _outside_brackets(text).split()]


def _outside_brackets(text: str) -> str:
    depth, result = 0, []
    for letter in text:
        depth += (letter == "[") - (letter == "]")
        result.append("\0" if letter == " " and depth else letter)
    return "".join(result)


def _value(text: str, where: str) -> Any:
    text = text.replace("[.", "[0.").replace(" .", " 0.").replace(",.", ",0.")
    try:
        return tomllib.loads(f"v = {'0' + text if text.startswith('.') else text}")["v"]
    except tomllib.TOMLDecodeError:
        if text.startswith("["):
            raise InputError(f"expected a list as [1, 2] in '{where}', found '{text}'") from None
        return text


def half_of(sequences: list[Sequence], half: str) -> list[Sequence]:
    """Every second sequence by name, from the first ("choose") or from the second one on ("judge")."""
    ordered = sorted(sequences, key=lambda sequence: (sequence.name.casefold(), sequence.dataset))
    return ordered if half == "all" else ordered[half == "judge" :: 2]


def beginning(sequence: Sequence, frames: int | None) -> Sequence:
    """The first `frames` frames of a sequence; None: all."""
    if frames is None:
        return sequence
    return Sequence(
        sequence.name,
        sequence.frames[:frames],
        sequence.dataset,
        sequence.ground_truth_rect[:frames],
        target_visible=sequence.target_visible[:frames],
        attributes=sequence.attributes,
    )


def code_hash() -> str:
    digest = hashlib.sha256()
    for name in CODE:
        digest.update(Path(str(importlib.import_module(name).__file__)).read_bytes())
    return digest.hexdigest()


class Measured:
    """Rows by key, in a file that each is added to as soon as it is there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: dict[str, report.Row] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                try:
                    entry = json.loads(line)
                except ValueError:  # the last line of a process that was killed
                    continue
                self.rows[entry["key"]] = entry["row"]

    def add(self, key: str, row: report.Row) -> None:
        self.rows[key] = row
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"key": key, "row": row}) + "\n")


def measure(
    learners: list[Learner], sequences: list[Sequence], seeds: int, most: int, measured: Measured
) -> Iterator[report.Row]:
    """Rows of all learners on all sequences. Sequences that have no update are named and left out."""
    code = code_hash()
    for number, sequence in enumerate(sequences, start=1):
        for seed in range(seeds):
            for learner in learners:
                row = _row(learner, sequence, seed, most, measured, code)
                if row["updates"]:
                    yield row
                elif learner is learners[0]:
                    print(f"{sequence}: no update in {row['frames']} frames, left out", file=sys.stderr)
        print(f"{number} of {len(sequences)}: {sequence.name}", file=sys.stderr, flush=True)


def _row(learner: Learner, sequence: Sequence, seed: int, most: int, measured: Measured, code: str) -> report.Row:
    params: Any = learner.tracker.get_parameters()
    stream, network = stream_of(learner.tracker, sequence, seed)
    key = hashlib.sha256(f"{stream.key} {params.hash()} {most} {code}".encode()).hexdigest()[:16]
    if key not in measured.rows:
        start = perf_counter()
        followed = follow(network, params, stream)
        values = evaluate(network, followed, stream, params.target_neighborhood_scale, most)
        measured.add(
            key,
            {
                "frames": len(stream),
                "updates": len(followed.at) - 1,
                "rose": followed.rose,
                "undone": followed.undone,
                "learning_seconds": followed.seconds,
                "seconds": perf_counter() - start,
                **values,
            },
        )
    return {
        "learner": learner.name,
        "member": learner.tracker.parameter_name,
        "dataset": sequence.dataset,
        "sequence": sequence.name,
        "returns": "return" in sequence.attributes,
        "seed": seed,
        **measured.rows[key],
    }


def chosen_sequences(args: argparse.Namespace) -> list[Sequence]:
    """Those that are here. Raises InputError where none is, and for an unknown name."""
    present = SequenceList(s for name in args.dataset_name for s in load_sequences(name) if s.is_present())
    named = present[args.sequences] if args.sequences else present
    chosen = [beginning(sequence, args.frames) for sequence in half_of(list(named), args.half)]
    if args.returning:
        chosen += returning_sequences(args.returning)
    return chosen


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.retention",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--trackers", nargs="+", required=True, help="parameter files, with name=value ... each")
    parser.add_argument("--dataset_name", nargs="*", default=["otb"], help="data sets, or none (default: otb)")
    parser.add_argument("--sequences", nargs="+", help="of the data sets (default: all that are here)")
    parser.add_argument("--half", choices=("all", "choose", "judge"), default="all", help="every second one by name")
    parser.add_argument(
        "--frames", type=parse_positive, help="of each sequence at most, from its first one (default: all)"
    )
    parser.add_argument("--returning", type=int, default=0, help="so many rendered sequences that return (at most 6)")
    parser.add_argument("--seeds", type=parse_positive, default=3, help="of the jitter (default: 3)")
    parser.add_argument("--against", help="learner whose difference to the others is taken (default: the last)")
    parser.add_argument(
        "--earlier", type=parse_positive, default=300, help="earlier frames looked at, at most (default: 300)"
    )
    parser.add_argument("--output", type=Path, default=Path("results/benchmarks/retention"))
    return parser


def main(arguments: list[str] | None = None) -> None:
    args = _parser().parse_args(arguments)
    limit_threads(1)
    learners = list(parse_learners(args.trackers))
    names = [learner.name for learner in learners]
    reference = next(parse_learners([args.against])).name if args.against else names[-1]
    if reference not in names:
        raise InputError(f"expected --against to be one of {', '.join(names)}, found '{reference}'")
    sequences = chosen_sequences(args)
    measured = Measured(args.output / "measured.jsonl")
    with float32_arithmetic(torch.device("cpu")):
        rows = list(measure(learners, sequences, args.seeds, args.earlier, measured))
    if not rows:
        raise InputError("expected a sequence with an update, found none; choose longer ones")
    print(report.write(rows, reference, describe_environment("cpu"), args.output))
    print(f"written: {args.output}/retention.md, .json, .png and rows.csv")


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(str(error))
