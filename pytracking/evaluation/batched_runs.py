"""Several runs of a tracker over one sequence in lock-step: images are decoded once, the networks work on batches.

Each run has its own seed, and the boxes that it has alone, within rounding. The time of a frame is the time of all runs
divided by their number: its inverse is throughput, not the speed at which one run would follow a camera.
"""

from __future__ import annotations

import json
from collections.abc import Hashable
from collections.abc import Sequence as SequenceOf
from dataclasses import dataclass, field
from typing import Any

from pytracking.evaluation.data import Sequence
from pytracking.evaluation.prefetch import ReadAhead
from pytracking.evaluation.tracker import (
    OnFrame,
    Output,
    Tracker,
    append_result,
    clock,
    finish_output,
    first_result,
    in_frame,
    new_output,
)
from pytracking.tracker.base.lockstep import LockstepTracker, run_together
from pytracking.utils.image import read_image
from pytracking.utils.memory import PeakMemory


@dataclass
class _Run:
    tracker: LockstepTracker
    output: Output = field(default_factory=new_output)
    result: dict[str, Any] = field(default_factory=dict)  # of the last frame


def batch_key(tracker: Tracker) -> Hashable:
    """Trackers of equal key gain from running together: same class, same network, same device. None: it cannot.

    Raises what `Tracker.get_parameters` raises.
    """
    cls = tracker.tracker_class()
    if not issubclass(cls, LockstepTracker):
        return None
    params = cls.params_class.from_tracker_params(tracker.get_parameters())
    net = params.get("net", None)
    described = net.describe() if hasattr(net, "describe") else tracker.variant
    return cls, params.device, json.dumps(described, sort_keys=True, default=str)


def run_sequence_together(
    trackers: SequenceOf[Tracker], seq: Sequence, on_frame: OnFrame | None = None
) -> list[Output | Exception]:
    """`Tracker.run_sequence` of several trackers at once; for each its output, or what it raised.

    Raises InputError, naming the frame, for a sequence that cannot be used, and TypeError for trackers that cannot run
    in lock-step.
    """
    seq.check()
    ends: list[Output | Exception | None] = [None] * len(trackers)
    runs: dict[int, _Run] = {}  # those that have not failed
    for place, tracker in enumerate(trackers):
        try:
            runs[place] = _Run(_start(tracker, seq.name))
        except Exception as error:  # of this tracker alone
            ends[place] = error
    memory = PeakMemory(next((run.tracker.device for run in runs.values()), None))
    with ReadAhead(seq.frames, read_image) as images:
        for index in range(len(seq)):
            if not runs:
                break
            with in_frame(seq, index):
                image = next(images)
            ends_of_frame, seconds = _step(list(runs.values()), image, seq, index)
            for (place, run), end in zip(list(runs.items()), ends_of_frame, strict=True):
                try:
                    with in_frame(seq, index):
                        if isinstance(end, Exception):
                            raise end
                        run.result = (first_result(seq.init_info()) | end) if index == 0 else end
                        append_result(run.output, run.result, seconds / len(ends_of_frame), memory.bytes())
                except Exception as error:
                    ends[place] = error
                    del runs[place]
            if on_frame is not None:
                on_frame(index + 1, len(seq))
    return [end if end is not None else finish_output(runs[place].output) for place, end in enumerate(ends)]


def _start(tracker: Tracker, sequence_name: str) -> LockstepTracker:
    params: Any = tracker.get_parameters()
    params.debug = 0
    started = tracker.start(sequence_name, params)
    if not isinstance(started, LockstepTracker):
        raise TypeError(f"tracker '{tracker.name}' cannot run in lock-step: expected a LockstepTracker")
    return started


def _step(runs: list[_Run], image: Any, seq: Sequence, index: int) -> tuple[list[dict[str, Any] | Exception], float]:
    """Results of one frame, and the seconds that all of them took."""
    start = clock(runs[0].tracker)
    if index == 0:
        steps = [run.tracker.initialize_steps(image, seq.init_info()) for run in runs]
    else:
        steps = [run.tracker.track_steps(image, {"previous_output": run.result}) for run in runs]
    ends = run_together(steps)
    return ends, clock(runs[0].tracker) - start
