"""The VOT challenges of 2016 to 2019: track under the VOT toolkit, or run and score its experiment without it.

    python pytracking/run_vot.py dimp rls_dimp_lite                     what the VOT toolkit starts (TraX)
    python pytracking/run_vot.py trackers_ini dimp:rls_dimp_lite        trackers.ini for the toolkit
    python pytracking/run_vot.py experiment vot2018 dimp:rls_dimp_lite  the experiment, without the toolkit
    python pytracking/run_vot.py analysis vot2018 results/vot/vot2018/* EAO, accuracy, robustness of raw results

Each has its own --help. A tracker is given as name:parameters, with a name to show before "=".
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence as SequenceOf
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ltr.common.errors import InputError, exit_status
from pytracking.arguments import Parser, parse_folder, parse_positive, refuse_unused

if TYPE_CHECKING:
    from pytracking.evaluation.data import SequenceList
    from pytracking.evaluation.tracker import Tracker
    from pytracking.VOT.analysis import VOTScores


def run_vot(
    tracker_name: str,
    tracker_param: str,
    run_id: int | None = None,
    debug: int = 0,  # unused, as is the next: a toolkit's tracker shows nothing
    visdom_info: dict[str, Any] | None = None,
    *,
    seed: int | None = None,
    device: str | None = None,
) -> None:
    """Serve the VOT toolkit until it quits; what its `trackers.ini` calls.

    Errors are printed to standard error, which the toolkit logs, and end the process with status 2.
    """
    from pytracking.evaluation.tracker import Tracker
    from pytracking.VOT.trax_server import serve

    tracker = Tracker(tracker_name, tracker_param, run_id, device=device)
    status = exit_status(lambda: 0 * serve(tracker, seed))
    if status:
        sys.exit(status)


run_vot2020 = run_vot  # the name that pytracking's trackers.ini files call


def parse_trackers(texts: SequenceOf[str], **options: Any) -> list[Tracker]:
    """Trackers from `name:parameters` or `shown=name:parameters`. Raises InputError for another form."""
    from pytracking.evaluation.tracker import Tracker

    trackers = []
    for text in texts:
        shown, _, what = text.rpartition("=")
        name, colon, parameters = what.partition(":")
        if not (name and colon and parameters) or ":" in parameters:
            raise InputError(f"expected a tracker as name:parameters, for example dimp:rls_dimp_lite, found '{text}'")
        trackers.append(Tracker(name, parameters, display_name=shown or None, **options))
    return trackers


def find_sequences(dataset: str, names: SequenceOf[str] | None, present_only: bool = False) -> SequenceList:
    """Sequences of a data set, or some of them. Raises InputError for unknown names and where images are missing."""
    from pytracking.evaluation.data import SequenceList
    from pytracking.evaluation.datasets import load_dataset

    listed = load_dataset(dataset).get_sequence_list()
    chosen = listed[list(names)] if names else listed
    present = SequenceList(sequence for sequence in chosen if sequence.is_present())
    if len(present) < len(chosen) and not present_only:
        missing = next(sequence for sequence in chosen if not sequence.is_present())
        raise InputError(
            f"{len(chosen) - len(present)} of {len(chosen)} sequences of {dataset} are not here, the first is "
            f"{missing.native_name}\n  --present_only leaves them out; scores are then not those of the challenge"
        )
    if not present:
        raise InputError(f"no sequence of {dataset} is here")
    return present


def _serve(args: argparse.Namespace) -> int:
    run_vot(args.tracker_name, args.tracker_param, args.run_id, seed=args.seed, device=args.device)
    return 0


def _trackers_ini(args: argparse.Namespace) -> int:
    from ltr.common.files import check_output, write_atomic
    from pytracking.VOT.workspace import trackers_ini, write_workspace

    if args.workspace is None:
        refuse_unused(args, ("dataset", "sequence", "stack"), "is of a workspace: give --workspace FOLDER, too")
    else:
        refuse_unused(args, ("output",), "is of no use with --workspace, whose trackers.ini is in that folder")
    trackers = parse_trackers(args.trackers)
    if args.workspace is not None:
        sequences = find_sequences(args.dataset or "vot2018", args.sequence, present_only=True)
        write_workspace(args.workspace, sequences, trackers, args.stack or "vot2018/shortterm")
        print(f"workspace of vot-toolkit: {args.workspace}", file=sys.stderr)
    elif args.output is None:
        print(trackers_ini(trackers), end="")
    else:
        check_output(args.output, ())
        write_atomic(args.output, trackers_ini(trackers))
    return 0


def _experiment(args: argparse.Namespace) -> int:
    from pytracking.VOT.experiment import run_vot_experiment
    from pytracking.VOT.protocols import read_protocol

    if args.output is not None:
        refuse_unused(args, ("results_path",), "is of no use with --output, the folder that results go to")
    protocol = read_protocol(args.protocol)
    options = {"device": args.device, "seed": args.seed or 0, "results_path": args.results_path}
    trackers = parse_trackers(args.trackers, **options)
    for tracker in trackers:
        tracker.get_parameters()  # unknown names are reported before anything runs
    sequences = find_sequences(args.dataset or protocol.dataset, args.sequence, args.present_only)
    status = 0
    for tracker in trackers:
        for name in args.experiment or list(protocol.experiments):
            summary = run_vot_experiment(
                tracker, sequences, protocol, name, args.output, args.repetitions, args.overwrite
            )
            print(f"{tracker.display_name} {name}: {summary.describe()}")
            status = 1 if summary.failed else status
    return status


def _analysis(args: argparse.Namespace) -> int:
    from ltr.common.files import check_output, write_atomic
    from pytracking.VOT.analysis import format_scores, format_sequences, score_tracker
    from pytracking.VOT.protocols import read_protocol
    from pytracking.VOT.sequences import vot_sequence

    protocol = read_protocol(args.protocol)
    if args.output is not None:
        check_output(args.output, [path for folder in args.results for path in folder.rglob("*") if path.is_file()])
    found = find_sequences(args.dataset or protocol.dataset, args.sequence, args.present_only)
    sequences = [vot_sequence(sequence) for sequence in found]
    rows: list[tuple[VOTScores, VOTScores | None]] = []
    for folder in args.results:
        scores = score_tracker(folder, sequences, protocol, args.experiment, args.convention)
        is_timed = args.experiment == "baseline" and (folder / "realtime").is_dir()
        real_time = score_tracker(folder, sequences, protocol, "realtime", args.convention) if is_timed else None
        rows.append((scores, real_time))
    print(f"{protocol.title}, {len(sequences)} sequences, {args.experiment}, convention {args.convention}")
    print(format_scores(rows))
    if args.per_sequence:
        for scores, _ in rows:
            print(f"\n{scores.name}\n{format_sequences(scores)}")
    if args.output is not None:
        records = [s.record() | {"realtime": r.record() if r else None} for s, r in rows]
        write_atomic(args.output, json.dumps(records, indent=1) + "\n")
    return 0


def _server_parser() -> Parser:
    parser = Parser(description=__doc__)
    parser.add_argument("tracker_name", help="tracker, or one of: trackers_ini, experiment, analysis")
    parser.add_argument("tracker_param", help="parameter file")
    parser.option("run_id", type=int, help="number of this run")
    parser.option("seed", type=int, help="seed (default: a new one for each process)")
    parser.option("device", help="cpu, cuda, cuda:1 ... (default: the first GPU where there is one)")
    parser.set_defaults(run=_serve)
    return parser


def _ini_parser() -> Parser:
    parser = Parser(prog=_program("trackers_ini"), description="Write trackers.ini for vot-toolkit.")
    parser.add_argument("trackers", nargs="+", metavar="NAME:PARAMETERS")
    parser.option("output", type=Path, help="file to write (default: print)")
    parser.option("workspace", type=parse_folder, help="make a workspace with the sequences of --dataset instead")
    parser.option("dataset", help="data set of the workspace (default: vot2018)")
    parser.option("sequence", nargs="+", help="only these sequences of it")
    parser.option("stack", help="vot-toolkit's name of the challenge (default: vot2018/shortterm)")
    parser.set_defaults(run=_trackers_ini)
    return parser


def _experiment_parser() -> Parser:
    parser = Parser(
        prog=_program("experiment"),
        description="Run the reset-based experiment. The same command again does what is missing; several at once "
        "share the sequences.",
    )
    parser.add_argument(
        "protocol", help="vot2016, vot2017, vot2018 or vot2019, or a file like configs/vot/vot2018.toml"
    )
    parser.add_argument("trackers", nargs="+", metavar="NAME:PARAMETERS")
    parser.option("experiment", nargs="+", help="baseline, realtime (default: all of the protocol)")
    _data_options(parser)
    parser.option("repetitions", type=parse_positive, help="repetitions (default: what the protocol says)")
    parser.option("seed", type=int, help="base of the seeds (default: 0)")
    parser.option("device", help="cpu, cuda, cuda:1 ... (default: the first GPU where there is one)")
    parser.option("overwrite", action="store_true", help="set results of other parameters or data aside")
    parser.option("results_path", type=parse_folder, help="results go to vot/<protocol> below (default: the setting)")
    parser.option("output", type=parse_folder, help="folder of the results, for example <workspace>/results")
    parser.set_defaults(run=_experiment)
    return parser


def _analysis_parser() -> Parser:
    parser = Parser(prog=_program("analysis"), description="Scores of raw results, ours or others'.")
    parser.add_argument(
        "protocol", help="vot2016, vot2017, vot2018 or vot2019, or a file like configs/vot/vot2018.toml"
    )
    parser.add_argument(
        "results", nargs="+", type=parse_folder, help="folders, one a tracker, with baseline/<sequence>/ below"
    )
    parser.option("experiment", default="baseline", help="baseline or realtime (default: baseline)")
    conventions = ("challenge", "toolkit")
    parser.option("convention", default="challenge", choices=conventions, help="of the scores (default: challenge)")
    _data_options(parser)
    parser.option("per_sequence", action="store_true", help="scores of each sequence, too")
    parser.option("output", type=Path, help="JSON file with everything")
    parser.set_defaults(run=_analysis)
    return parser


def _program(command: str) -> str:
    return f"{Path(sys.argv[0]).name} {command}"


def _data_options(parser: Parser) -> None:
    parser.option("dataset", help="another data set than the protocol's, for example vot2018:/path")
    parser.option("sequence", nargs="+", help="only these sequences")
    parser.option("present_only", action="store_true", help="leave out sequences that are not here")


COMMANDS = {"trackers_ini": _ini_parser, "experiment": _experiment_parser, "analysis": _analysis_parser}


def main(arguments: SequenceOf[str] | None = None) -> int:
    """Command line; returns the exit status: 0 all well, 1 some sequences failed, 2 wrong input, 128 + n signal."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = COMMANDS[given.pop(0)]() if given and given[0] in COMMANDS else _server_parser()
    args = parser.parse_args(given)
    return exit_status(lambda: int(args.run(args)))


if __name__ == "__main__":
    sys.exit(main())
