"""The loop over the frames of a sequence: read, track, measure, collect."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from ltr.common.errors import InputError
from ltr.common.image import read_image
from pytracking.evaluation.data import Sequence
from pytracking.evaluation.prefetch import ReadAhead
from pytracking.utils.memory import PeakMemory

if TYPE_CHECKING:
    from pytracking.tracker.base import BaseTracker
    from pytracking.visualization.live_view import LiveView

Output = dict[str, list[Any]]  # per-frame lists
OnFrame = Callable[[int, int], None]  # (frames finished, frames of the sequence)


def track_sequence(
    tracker: BaseTracker, seq: Sequence, on_frame: OnFrame | None = None, view: LiveView | None = None
) -> Output:
    """Track through a sequence with a tracker whose network is loaded; raises as `Tracker.run_sequence`."""
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
    if result.get("rejected_updates") is not None:
        output.setdefault("rejected_updates", []).append(int(result["rejected_updates"]))


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
