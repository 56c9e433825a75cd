"""Track targets before a camera; of frames that come while the tracker works only the newest is used.

Targets are drawn in a window, or on a page in a browser (--draw_in_browser, over SSH, too).
Keys there: SPACE pauses and goes on, RIGHT ARROW or s goes on by one frame, n adds a target, r forgets all
targets and asks for a new one, q or ESC ends.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence as SequenceOf
from typing import TYPE_CHECKING, Any

from pytracking.arguments import parse_count
from pytracking.run_video import make_parser, parse, run_command

if TYPE_CHECKING:
    from pytracking.video.run import VideoSummary


def run_webcam(
    tracker_name: str, tracker_param: str, debug: int | None = None, visdom_info: dict[str, Any] | None = None
) -> VideoSummary:
    """Track before the first camera, as pytracking's function of this name. Raises as `run_video.run_video`."""
    from pytracking.evaluation.tracker import Tracker

    return Tracker(tracker_name, tracker_param).run_webcam(debug, visdom_info)


def main(arguments: SequenceOf[str] | None = None) -> int:
    """Command line; returns the exit status as `run_video.py`."""
    parser = make_parser(__doc__)
    parser.add_argument("camera", type=parse_count, nargs="?", default=0, help="number of the camera (default: 0)")
    args = parse(parser, arguments)
    return run_command(args, args.camera)


if __name__ == "__main__":
    sys.exit(main())
