"""A tracker with its parameters, run over sequences and videos."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from collections.abc import Sequence as SequenceOf
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ltr.common.errors import InputError
from pytracking.evaluation.data import Sequence
from pytracking.evaluation.frame_loop import OnFrame, Output, track_sequence
from pytracking.evaluation.tracker_setup import TrackerSetup
from pytracking.utils.seeding import seed_everything

if TYPE_CHECKING:
    from pytracking.tracker.base import BaseTracker
    from pytracking.video.run import VideoSummary
    from pytracking.visualization.live_view import LiveView


class Tracker(TrackerSetup):
    """Tracker `name` (a folder of `pytracking/tracker`) with a parameter file of `pytracking/parameter/<name>`.

    Neither has to exist before it is run, so stored results of other trackers can be analyzed.
    """

    def run_sequence(
        self,
        seq: Sequence,
        debug: int | None = None,
        visdom_info: dict[str, Any] | None = None,
        on_frame: OnFrame | None = None,
    ) -> Output:
        """Track through a sequence: lists with one entry a frame.

        `target_bbox`, `time`, `object_presence_score`, `flag`; and until then `peak_memory`, the bytes of `PeakMemory`,
        and, of trackers that learn under a watch, `rejected_updates`, the number of updates that were undone.

        `time` counts seconds in `initialize` and `track` with the device synchronized; reading images and loading the
        network are left out. Lists that the tracker does not report are empty. With `debug` > 0 (None: that of the
        parameters) viewers show the tracker's panels; `visdom_info` says which, see `live_view.open_view`.
        Raises InputError, naming the frame, for a sequence that cannot be used.
        """
        seq.check()
        params: Any = self.get_parameters()
        if debug is not None:
            params.debug = int(debug)
        seed_everything(self.sequence_seed(seq.name))
        tracker = self.start(seq.name, params)
        with self._view(tracker, seq, int(params.get("debug", 0)), visdom_info) as view:
            return track_sequence(tracker, seq, on_frame, view)

    @contextlib.contextmanager
    def _view(
        self, tracker: BaseTracker, seq: Sequence, debug: int, visdom_info: dict[str, Any] | None
    ) -> Iterator[LiveView | None]:
        """What viewers see of this sequence; None without debugging, at no cost."""
        if debug <= 0:
            yield None
            return
        from pytracking.visualization.live_view import open_view

        boxes = seq.ground_truth_rect
        folder = self.results_dir / "debug"
        view = open_view(tracker, seq.name, debug, visdom_info, folder, ground_truth=boxes, num_frames=len(seq))
        with contextlib.closing(view):
            yield view

    def run_video_generic(
        self,
        debug: int | None = None,
        visdom_info: dict[str, Any] | None = None,
        videofilepath: str | Path | int | None = None,  # file, folder of images, URL, camera; None: camera 0
        optional_box: SequenceOf[float] | SequenceOf[SequenceOf[float]] | None = None,  # one target or several
        save_results: bool = False,
        **options: Any,  # of `pytracking.video.run.run_video`
    ) -> VideoSummary:
        """Track in a video or a camera, as pytracking's method of this name. Raises as `run_video`."""
        from pytracking.video.run import run_video

        is_given = optional_box is not None and len(optional_box) > 0  # else a box is drawn in the window
        boxes = np.asarray(optional_box if is_given else np.empty((0, 4)), dtype=float)
        if boxes.shape[-1:] != (4,) or boxes.ndim > 2:
            raise InputError(f"expected optional_box as x, y, w, h or a list of such boxes, found {optional_box!r}")
        source = 0 if videofilepath is None else videofilepath
        options |= {"debug": debug or 0, "visdom_info": visdom_info, "save_results": save_results}
        return run_video(self, source, np.atleast_2d(boxes).tolist(), **options)

    def run_video(
        self,
        videofilepath: str | Path,
        optional_box: SequenceOf[float] | None = None,
        debug: int | None = None,
        visdom_info: dict[str, Any] | None = None,
        save_results: bool = False,
    ) -> VideoSummary:
        """`run_video_generic` on a video, as pytracking's method of this name."""
        return self.run_video_generic(debug, visdom_info, videofilepath, optional_box, save_results)

    def run_webcam(self, debug: int | None = None, visdom_info: dict[str, Any] | None = None) -> VideoSummary:
        """`run_video_generic` before the first camera, as pytracking's method of this name."""
        return self.run_video_generic(debug, visdom_info)


def trackerlist(
    name: str,
    parameter_name: str,
    run_ids: int | Iterable[int] | None = None,
    display_name: str | None = None,
    **options: Any,  # of Tracker
) -> list[Tracker]:
    """One tracker for each run."""
    runs = [run_ids] if run_ids is None or isinstance(run_ids, int) else list(run_ids)
    return [Tracker(name, parameter_name, run_id, display_name, **options) for run_id in runs]
