"""Run a tracker on the sequences of a data set."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence as SequenceOf
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ltr.common.errors import exit_status
from pytracking.arguments import ALL_PANELS, Parser, parse_count, parse_level, refuse_unused

if TYPE_CHECKING:
    from pytracking.evaluation.running import RunSummary


def run_tracker(
    tracker_name: str,
    tracker_param: str,
    run_id: int | None = None,
    dataset_name: str = "otb",
    sequence: str | int | SequenceOf[str | int] | None = None,
    debug: int = 0,
    threads: int = 0,
    visdom_info: dict[str, Any] | None = None,
    *,
    device: str | None = None,
    seed: int = 0,
    overwrite: bool = False,
    results_path: str | Path | None = None,
    save_video: bool = False,
    save_debug: bool = False,
    annotation_formats: SequenceOf[str] = (),
) -> RunSummary:
    """Run a tracker on a data set, or on some of its sequences (names or numbers); results are saved.

    `debug` 1 to 3 shows panels, by way of visdom unless `visdom_info` says `use_visdom` False, and saves no results.
    `save_debug` writes the panels to files, all of them where `debug` is 0, and then without visdom. `save_video`
    writes videos with the boxes, `annotation_formats` (coco, mot, cvat) files for annotation programs. They go to
    `debug`, `videos` and `annotations` in the folder of the results.
    Raises InputError, before anything is run, for unknown names, unset paths and results of other parameters.
    """
    from pytracking.evaluation.datasets import get_dataset
    from pytracking.evaluation.running import run_dataset
    from pytracking.evaluation.tracker import Tracker

    path = Path(results_path) if results_path is not None else None
    tracker = Tracker(tracker_name, tracker_param, run_id, seed=seed, device=device, results_path=path)
    tracker.get_parameters()  # an unknown name is reported before a data set is searched or rendered
    dataset = get_dataset(dataset_name)
    if sequence is not None:
        dataset = dataset[[sequence] if isinstance(sequence, (str, int)) else list(sequence)]
    if save_debug and not debug:
        debug, visdom_info = ALL_PANELS, {"use_visdom": False}
    if debug:
        visdom_info = {**(visdom_info or {}), "save_video": save_video, "save_debug": save_debug}
    summary = run_dataset(dataset, [tracker], debug, threads, visdom_info, overwrite=overwrite)
    if save_video and not debug:
        from pytracking.evaluation.result_videos import write_result_videos

        videos = tracker.results_dir / "videos"
        write_result_videos(tracker.results_dir, dataset, videos)
        print(f"videos: {videos}", file=sys.stderr)
    if annotation_formats and not debug:
        from pytracking.evaluation.annotation_export import FOLDER, export_results

        export_results(tracker.results_dir, dataset, annotation_formats)
        print(f"annotations: {tracker.results_dir / FOLDER}", file=sys.stderr)
    return summary


def list_everything() -> str:
    """Trackers with their parameter files, and data sets, as text; nothing is imported or loaded."""
    from ltr.common.packages import summary
    from pytracking.evaluation import registry
    from pytracking.evaluation.datasets import DATASETS

    lines = []
    for tracker in registry.list_trackers():
        files = registry.list_parameters(tracker)
        width = max(map(len, files), default=0)
        lines.append(f"tracker {tracker}, parameter files:")
        lines += [f"  {name:{width}}  {summary(path)}" for name, path in files.items()]
    width = max(map(len, DATASETS))
    lines += ["data sets:", *(f"  {name:{width}}  {entry.summary}" for name, entry in DATASETS.items())]
    return "\n".join(lines)


def show_parameters(name: str, parameters: str, run_id: int | None = None, device: str | None = None) -> int:
    """Print the parameters of a tracker. Raises InputError for unknown names."""
    from pytracking.evaluation import parameter_origins
    from pytracking.evaluation.tracker import Tracker

    parameter_origins.show_parameters(Tracker(name, parameters, run_id, device=device))
    return 0


def _parser() -> Parser:
    parser = Parser(description=__doc__)
    option = parser.option
    parser.add_argument("tracker_name", nargs="?", help="tracker, see --list")
    parser.add_argument("tracker_param", nargs="?", help="parameter file, see --list")
    option("list", action="store_true", help="list trackers, parameter files and data sets, and stop")
    option("show", action="store_true", help="show every parameter, where it is set and what it means, and stop")
    option("dataset_name", default="otb", help="data set, see --list (default: otb)")
    option("sequence", nargs="+", help="run only these sequences, by name or number (default: all)")
    option("threads", type=parse_count, default=0, help="number of worker processes (default: 0, none)")
    option("seed", type=int, default=0, help="base of the sequences' seeds (default: 0)")
    option("overwrite", action="store_true", help="run again what has results")
    option("save_video", action="store_true", help="write videos with the boxes, in the folder of the results")
    option("debug", type=parse_level, default=0, help="1 to 3: show panels; results are not saved (default: 0)")
    parser.add_tracking_options()
    return parser


def _print_everything() -> int:
    print(list_everything())
    return 0


SWITCHES = ("device", "seed", "overwrite", "results_path", "save_video", "save_debug")


def main(arguments: SequenceOf[str] | None = None) -> int:
    """Command line; returns the exit status: 0 all have results, 1 some failed, 2 wrong input, 128 + n by a signal."""
    parser = _parser()
    args = parser.parse_args(arguments)
    if args.list:
        return exit_status(_print_everything)
    if args.tracker_name is None or args.tracker_param is None:
        parser.error("expected a tracker and a parameter file, for example: dimp rls_dimp_lite; see --list")
    if args.show:
        return exit_status(lambda: show_parameters(args.tracker_name, args.tracker_param, args.runid, args.device))
    return exit_status(lambda: _run(args))


def _run(args: argparse.Namespace) -> int:
    if args.debug or args.save_debug:
        reason = "is of no use with --debug and --save_debug, which track in this process and save no boxes"
        refuse_unused(args, ("threads", "format") if args.threads else ("format",), reason)
    visdom_info = {"use_visdom": args.use_visdom, "server": args.visdom_server, "port": args.visdom_port}
    options = {name: getattr(args, name) for name in SWITCHES} | {"annotation_formats": args.format}
    what = (args.tracker_name, args.tracker_param, args.runid, args.dataset_name, args.sequence)
    return run_tracker(*what, args.debug, args.threads, visdom_info, **options).exit_status


if __name__ == "__main__":
    sys.exit(main())
