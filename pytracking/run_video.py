"""Track targets in a video file, a folder of images, a camera or a stream.

Targets are drawn in a window, on a page in a browser (--draw_in_browser, over SSH, too), or typed (--optional_box).
Keys there: SPACE pauses and goes on, RIGHT ARROW or s goes on by one frame, n adds a target, r forgets all
targets and asks for a new one, q or ESC ends.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence as SequenceOf
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ltr.common.errors import exit_status
from pytracking.arguments import ALL_PANELS, Parser, parse_level, parse_port, parse_positive, refuse_unused

if TYPE_CHECKING:
    from pytracking.video.run import VideoSummary

DEFAULT_TRACKER = ("dimp", "rls_sd_dimp_lite")  # the highest mean AUC of those that need no download


def run_video(
    tracker_name: str,
    tracker_param: str,
    videofile: str | Path | int,
    optional_box: SequenceOf[float] | SequenceOf[SequenceOf[float]] | None = None,
    debug: int = 0,
    save_results: bool = False,
    *,
    run_id: int | None = None,
    device: str | None = None,
    seed: int = 0,
    results_path: str | Path | None = None,
    **options: Any,  # of `pytracking.video.run.run_video`
) -> VideoSummary:
    """Track in a video; `optional_box` is one box x, y, w, h in the first frame or several.

    Raises InputError for names, sources and boxes that cannot be used.
    """
    from pytracking.evaluation.tracker import Tracker

    path = Path(results_path) if results_path is not None else None
    tracker = Tracker(tracker_name, tracker_param, run_id, seed=seed, device=device, results_path=path)
    return tracker.run_video_generic(
        debug=debug, videofilepath=videofile, optional_box=optional_box, save_results=save_results, **options
    )


def make_parser(description: str | None) -> Parser:
    """Parser with what videos and cameras have in common."""
    parser = Parser(description=description)
    option = parser.option
    name, param = DEFAULT_TRACKER
    parser.add_argument("tracker_name", nargs="?", help=f"tracker, see run_tracker.py --list (default: {name})")
    parser.add_argument("tracker_param", nargs="?", help=f"parameter file, given with the tracker (default: {param})")
    option(
        "optional_box", type=float, nargs=4, action="append", default=[], metavar=("X", "Y", "W", "H"),
        help="a target in the first frame, pixels from 0; may be given several times (default: drawn in the window)",
    )  # fmt: skip
    option("draw_in_browser", action="store_true", help="draw boxes and watch on a page that is served to this machine")
    option("browser_port", type=parse_port, help="port of that page; 0: a free one (default: 8098)")
    option("no_display", action="store_true", help="no window")
    option("save_results", action="store_true", help="write boxes, times, scores and flags to the tracker's results")
    option("save_video", nargs="?", const=True, default=False, metavar="FILE.mp4", help="write a video with the boxes")
    option("max_frames", type=parse_positive, help="end after this many frames")
    option("seed", type=int, default=0, help="base of the targets' seeds (default: 0)")
    option("overwrite", action="store_true", help="set results of other parameters aside")
    option("debug", type=parse_level, default=0, help="1 to 3: show panels of the first target (default: 0)")
    parser.add_tracking_options()
    return parser


def parse(parser: argparse.ArgumentParser, arguments: SequenceOf[str] | None) -> argparse.Namespace:
    """What the command line says, with the default tracker where none is named."""
    args = parser.parse_intermixed_args(arguments)
    if args.tracker_name is None:
        args.tracker_name, args.tracker_param = DEFAULT_TRACKER
    if args.tracker_param is None:
        parser.error(f"expected a tracker and its parameter file, as {' '.join(DEFAULT_TRACKER)}, or neither")
    return args


def run_command(args: argparse.Namespace, source: str | int) -> int:
    """Run what the command line says; returns the exit status."""
    debug = args.debug or (ALL_PANELS if args.save_debug else 0)
    info = {
        "use_visdom": args.use_visdom and args.debug > 0,
        "server": args.visdom_server,
        "port": args.visdom_port,
        "save_debug": args.save_debug,
    }
    save_video = args.save_video if isinstance(args.save_video, bool) else Path(args.save_video)

    def run() -> int:
        if not args.draw_in_browser:
            refuse_unused(args, ("browser_port",), "is of a page: give --draw_in_browser, too")
        summary = run_video(
            args.tracker_name,
            args.tracker_param,
            source,
            args.optional_box,
            debug,
            args.save_results,
            run_id=args.runid,
            device=args.device,
            seed=args.seed,
            results_path=args.results_path,
            visdom_info=info,
            display=not args.no_display,
            draw_in_browser=args.draw_in_browser,
            browser_port=args.browser_port,
            save_video=save_video,
            overwrite=args.overwrite,
            max_frames=args.max_frames,
            annotation_formats=args.format,
        )
        print(summary.describe(), file=sys.stderr)
        return 0

    return exit_status(run)


def main(arguments: SequenceOf[str] | None = None) -> int:
    """Command line; returns the exit status: 0 tracked, 2 wrong input, 128 + n ended by SIGTERM or SIGHUP."""
    parser = make_parser(__doc__)
    parser.add_argument("videofile", help="video file, folder of images, number of a camera, or URL of a stream")
    args = parse(parser, arguments)
    return run_command(args, args.videofile)


if __name__ == "__main__":
    sys.exit(main())
