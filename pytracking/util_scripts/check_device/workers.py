"""Two worker processes that track on one device at the same time, against one."""

from __future__ import annotations

import tempfile
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console

from ltr.common.provenance import gpu_number
from pytracking.evaluation.data import Sequence
from pytracking.evaluation.engines.local import LocalEngine
from pytracking.evaluation.planning import Part
from pytracking.evaluation.results import result_file
from pytracking.evaluation.running import run_parts
from pytracking.evaluation.tracker import Tracker
from pytracking.util_scripts.check_device.processes import Found, Setting
from pytracking.util_scripts.check_device.results import Measurement
from pytracking.util_scripts.check_device.scene import video

PARAMETERS = "rls_dimp_lite"


def two_workers(setting: Setting) -> Found:
    """The boxes of two sequences."""
    with tempfile.TemporaryDirectory() as folder:
        sequences = [_stored(Path(folder, "images"), number, setting.frames) for number in range(2)]
        boxes = []
        for count in (1, 2):
            tracker = Tracker("dimp", PARAMETERS, device=setting.device, results_path=Path(folder, str(count)))
            _track(tracker, sequences, count)
            files = [result_file(tracker.results_dir, sequence.name) for sequence in sequences]
            boxes.append(np.concatenate([np.loadtxt(file, ndmin=2) for file in files]))
    difference = float(np.abs(boxes[0] - boxes[1]).max())
    on_cpu = setting.device == "cpu"
    limit = 0.0 if on_cpu else 0.01
    reason = "the same arithmetic" if on_cpu else "cuDNN may choose by free memory"
    return Found([Measurement("boxes of two workers and of one", difference, limit, reason, "px")], {})


def _track(tracker: Tracker, sequences: list[Sequence], count: int) -> None:
    number = gpu_number(tracker.device)
    engine = LocalEngine(count, gpus=None if number is None else [number], torch_threads=1)
    summary = run_parts([Part([tracker], sequences)], engine, console=Console(force_terminal=False, width=200))
    if summary.exit_status != 0:
        raise RuntimeError(f"{count} worker(s): {summary.describe()}")


def _stored(folder: Path, number: int, frames: int) -> Sequence:
    """A sequence of image files, without loss."""
    images = video(frames, number)
    own = folder / str(number)
    own.mkdir(parents=True)
    paths = []
    for index, image in enumerate(images.images):
        path = own / f"{index:05d}.png"
        cv2.imwrite(str(path), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        paths.append(path)
    return Sequence(f"check_{number}", paths, "check", images.boxes)
