"""A tracker with its parameters, run over sequences."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Sequence as SequenceOf
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ltr.common.errors import InputError
from ltr.common.image import read_image
from pytracking.evaluation import registry
from pytracking.evaluation.data import Sequence
from pytracking.evaluation.environment import env_settings
from pytracking.evaluation.prefetch import ReadAhead
from pytracking.utils.memory import PeakMemory
from pytracking.utils.seeding import seed_everything, sequence_seed

if TYPE_CHECKING:
    from pytracking.tracker.base import BaseTracker
    from pytracking.utils.params import TrackerParams, TypedParams
    from pytracking.video.run import VideoSummary
    from pytracking.visualization.live_view import LiveView

Output = dict[str, list[Any]]  # per-frame lists
OnFrame = Callable[[int, int], None]  # (frames finished, frames of the sequence)


class Tracker:
    """Tracker `name` (a folder of `pytracking/tracker`) with a parameter file of `pytracking/parameter/<name>`.

    Neither has to exist before it is run, so stored results of other trackers can be analyzed.
    """

    tracker_package: ClassVar[str] = registry.TRACKERS
    parameter_package: ClassVar[str] = registry.PARAMETERS

    def __init__(
        self,
        name: str,
        parameter_name: str,
        run_id: int | None = None,
        display_name: str | None = None,
        *,
        seed: int = 0,  # base of the seeds of all sequences
        device: str | None = None,  # None: what the parameters say
        results_path: Path | None = None,  # None: the setting results_path
        overrides: Mapping[str, Any] | None = None,  # parameters that differ from the parameter file's
        label: str | None = None,  # names the results of these overrides; None: a hash of them
    ) -> None:
        """Raises TypeError for a run that is no number, ValueError for a negative one and a label without overrides."""
        if run_id is not None and (isinstance(run_id, bool) or not isinstance(run_id, int)):
            raise TypeError(f"expected an integer or None as run_id, found {run_id!r}")
        if run_id is not None and run_id < 0:
            raise ValueError(f"expected a run_id of 0 or more, found {run_id}")
        self.name = name
        self.parameter_name = parameter_name
        self.run_id = run_id
        self.seed = seed
        self.device = device
        self.results_path = results_path
        self.overrides = dict(overrides or {})
        if label is not None and not self.overrides:
            raise ValueError(f"expected parameters that the label '{label}' stands for, found no overrides")
        self.variant = parameter_name + (f"+{label or _hash(self.overrides)}" if self.overrides else "")
        self.display_name = display_name or f"{name}_{self.variant}{self._run_suffix}"

    def __repr__(self) -> str:
        return f"Tracker({self.name!r}, {self.parameter_name!r}, run_id={self.run_id})"

    @property
    def _run_suffix(self) -> str:
        return "" if self.run_id is None else f"_{self.run_id:03d}"

    @property
    def results_dir(self) -> Path:
        """Folder of the result files: `<tracker>/<parameters>[+<label or hash of overrides>][_<run>]`."""
        root = self.results_path if self.results_path is not None else env_settings().results_path
        return root / self.name / f"{self.variant}{self._run_suffix}"

    def tracker_class(self) -> type[BaseTracker]:
        """Class of the tracker. Raises InputError for an unknown tracker."""
        module = importlib.import_module(registry.find_tracker(self.name, self.tracker_package))
        cls: type[BaseTracker] = module.get_tracker_class()
        return cls

    def get_parameters(self) -> TypedParams:
        """Fresh parameters from the parameter file, with the overrides, on the chosen device.

        Raises InputError for unknown names, for numbers out of range, naming the file, and for overrides that the
        tracker's parameters do not allow.
        """
        registry.find_tracker(self.name, self.tracker_package)
        path = registry.find_parameters(self.name, self.parameter_name, self.parameter_package)
        module = importlib.import_module(f"{self.parameter_package}.{self.name}.{self.parameter_name}")
        try:
            params: TypedParams = self.tracker_class().params_class.from_tracker_params(module.parameters())
            params.validate()
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
        if self.overrides:
            params = self._override(params)
        if self.device is not None:
            params.device = self.device
        return params

    def _override(self, params: TypedParams) -> TypedParams:
        try:
            changed = params.replace(**params.read_values(self.overrides))
            changed.validate()
        except (AttributeError, TypeError, InputError) as error:
            raise InputError(f"{self.name} {self.parameter_name}, overrides: {error}") from error
        return changed

    def create_tracker(self, params: TypedParams | TrackerParams) -> BaseTracker:
        """New tracker object with these parameters."""
        return self.tracker_class()(params)

    def sequence_seed(self, sequence_name: str) -> int:
        """Seed of one sequence, the same whatever was run before and in whichever process."""
        return sequence_seed(self.seed, self.name, self.parameter_name, self.run_id, sequence_name)

    def run_sequence(
        self,
        seq: Sequence,
        debug: int | None = None,
        visdom_info: dict[str, Any] | None = None,
        on_frame: OnFrame | None = None,
    ) -> Output:
        """Track through a sequence: lists with one entry a frame.

        `target_bbox`, `time`, `object_presence_score`, `flag`, and `peak_memory`, the bytes of `PeakMemory` until then.

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
            return _track(tracker, seq, on_frame, view)

    def start(self, sequence_name: str, params: TypedParams | TrackerParams) -> BaseTracker:
        """New tracker object with the seed of a sequence and its network loaded. Raises InputError for bad networks."""
        tracker = self.create_tracker(params)
        tracker.seed(self.sequence_seed(sequence_name))
        with network_files():
            tracker.initialize_features()
        return tracker

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


def _hash(overrides: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(overrides, sort_keys=True, default=str).encode()).hexdigest()[:8]


@contextlib.contextmanager
def network_files() -> Iterator[None]:
    """A network file that is missing, damaged or of another network is wrong input: InputError."""
    from ltr.admin.checkpoint import CheckpointError

    try:
        yield
    except CheckpointError as error:
        raise InputError(str(error)) from error


def _track(tracker: BaseTracker, seq: Sequence, on_frame: OnFrame | None, view: LiveView | None) -> Output:
    output = new_output()
    memory = PeakMemory(getattr(tracker, "device", None))
    init_info = seq.init_info()
    result: dict[str, Any] = {}
    with ReadAhead(seq.frames, read_image) as images:
        for index in range(len(seq)):
            with in_frame(seq, index):
                image = next(images)
                start = clock(tracker)
                if index == 0:
                    result = first_result(init_info) | (tracker.initialize(image, init_info) or {})
                else:
                    result = tracker.track(image, {"previous_output": result})
                append_result(output, result, clock(tracker) - start, memory.bytes())
            if view is not None:
                view.frame(index + 1, image, result)
            if on_frame is not None:
                on_frame(index + 1, len(seq))
    return finish_output(output)


def new_output() -> Output:
    """Empty lists."""
    return {"target_bbox": [], "time": [], "object_presence_score": [], "flag": [], "peak_memory": []}


def first_result(init_info: dict[str, Any]) -> dict[str, Any]:
    """What is known of the first frame unless the tracker says otherwise."""
    return {"target_bbox": init_info["init_bbox"], "object_presence_score": 1.0, "flag": "init"}


def append_result(output: Output, result: dict[str, Any], seconds: float, peak_memory: int | None) -> None:
    """Add what a tracker returned for a frame. Raises RuntimeError for a box that is none."""
    box = [float(value) for value in result["target_bbox"]]
    if len(box) != 4 or not np.isfinite(box).all():
        raise RuntimeError(f"expected a box of four finite numbers from the tracker, found {box}")
    output["target_bbox"].append(box)
    output["time"].append(seconds)
    if result.get("object_presence_score") is not None:
        output["object_presence_score"].append(float(result["object_presence_score"]))
    if result.get("flag") is not None:
        output["flag"].append(str(result["flag"]))
    if peak_memory is not None:
        output["peak_memory"].append(peak_memory)


def finish_output(output: Output) -> Output:
    """The lists of all frames; those that the tracker does not report are emptied of the first frame's default."""
    for key in ("object_presence_score", "flag"):
        if len(output[key]) != len(output["target_bbox"]):
            output[key] = []
    return output


@contextlib.contextmanager
def in_frame(seq: Sequence, index: int) -> Iterator[None]:
    """Errors meanwhile name the frame in which they happened."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{seq}, frame {index + 1} of {len(seq)}: {error}") from error
    except Exception as error:
        error.add_note(f"in frame {index + 1} of {len(seq)} of {seq}: {seq.frames[index]}")
        raise


def clock(tracker: BaseTracker) -> float:
    """Seconds, once the tracker's device has done what it was given."""
    device = getattr(tracker, "device", None)
    if device is not None and device.type != "cpu":
        import torch

        torch.accelerator.synchronize(device)
    return perf_counter()
