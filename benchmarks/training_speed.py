"""Speed of a training: samples per second, the share of the time in which the network waits for data, and the parts.

    python benchmarks/training_speed.py dimp.dimp18 --generated batch_size=2
    python benchmarks/training_speed.py dimp.dimp50 train_data=got10k_train train_weights=1 num_workers=7

Settings and name=value options are those of `ltr/run_training.py`; nothing is stored. `--generated` makes videos, JPEG
files in a temporary folder, which take the place of the training data. The parts are measured first, in one process;
then the training as it is, with its workers. Decoding is the reading of images; augmentation is the rest of the making
of a sample: choice of frames, crops, labels, proposals.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from ltr.common.errors import exit_status
from ltr.common.provenance import describe_environment
from ltr.trainers.folder import TrainingFolder
from ltr.trainers.options import TrainingOptions, parse_overrides
from ltr.trainers.processes import Processes, start_processes
from ltr.trainers.settings_files import SettingsModule, find_settings, load_settings
from ltr.trainers.trainer import Trainer

WARM_UP = 1  # iterations that are not counted: the first one allocates, and waits for the workers to start
GENERATED = {"tracks": 4, "frames": 24, "size": (1280, 720)}
JPEG_QUALITY = 90


class Stopwatch:
    """Seconds spent in functions."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, its time added up."""

        def timed(*arguments: Any, **named: Any) -> Any:
            began = perf_counter()
            try:
                return function(*arguments, **named)
            finally:
                self.seconds += perf_counter() - began

        return timed


def generate_videos(folder: Path) -> None:
    """Folders `<track>/img/<frame>.jpg` with `groundtruth.txt`, of rendered scenes."""
    import cv2
    import numpy as np

    from ltr.data.synthetic import SceneOptions, SyntheticTracks

    scenes = SceneOptions(frame_size=GENERATED["size"], num_frames=GENERATED["frames"], target_side=(70.0, 300.0))
    tracks = SyntheticTracks(num_tracks=GENERATED["tracks"], options=scenes)
    for number in range(len(tracks)):
        images = folder / tracks.track_name(number) / "img"
        images.mkdir(parents=True)
        for frame, image in enumerate(tracks.read_frames(number, range(GENERATED["frames"])), start=1):
            cv2.imwrite(
                str(images / f"{frame:04d}.jpg"),
                cv2.cvtColor(image, cv2.COLOR_RGB2BGR),
                [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY],
            )
        np.savetxt(images.parent / "groundtruth.txt", tracks.track(number).boxes, fmt="%.2f", delimiter=",")


def make_trainer(settings: SettingsModule, options: TrainingOptions, processes: Processes, folder: Path) -> Trainer:
    torch.manual_seed(options.seed)
    return Trainer(settings.build(options), options, TrainingFolder(folder, "benchmark", "speed"), processes, {})


def measure_parts(trainer: Trainer, num_samples: int) -> dict[str, float]:
    """Milliseconds per sample of its parts, in this process."""
    train_set: Any = trainer.task.train_set
    decoding, making, collating, network = (Stopwatch() for _ in range(4))
    for dataset in getattr(train_set, "datasets", []):
        dataset.read_frames = decoding.around(dataset.read_frames)
    make = making.around(trainer.train_loader.dataset.__getitem__)
    samples = [make(index % len(train_set)) for index in range(num_samples)]
    size = trainer.options.batch_size
    batches = [
        (list(range(begin, begin + size)), collating.around(trainer.task.collate)(samples[begin : begin + size]))
        for begin in range(0, num_samples - size + 1, size)
    ]
    trainer.parallel.train()
    trainer.step(*batches[0])
    for indices, batch in batches:
        network.around(trainer.step)(indices, batch)
    for dataset in getattr(train_set, "datasets", []):
        del dataset.read_frames
    steps = len(batches) * size
    return {
        "decoding": 1000 * decoding.seconds / num_samples,
        "augmentation": 1000 * (making.seconds - decoding.seconds) / num_samples,
        "collation": 1000 * collating.seconds / steps,
        "network, forward and backward": 1000 * network.seconds / steps,
    }


def measure_training(trainer: Trainer, iterations: int) -> dict[str, float]:
    """Samples per second of the training as it is, and the share of the time in which it waits for data."""
    waiting, samples, start = 0.0, 0, perf_counter()
    trainer.parallel.train()
    began = perf_counter()
    for number, (indices, batch) in enumerate(trainer.train_loader.epoch(1)):
        loaded = perf_counter()
        trainer.step(indices, batch)
        if number >= WARM_UP:
            waiting += loaded - began
            samples += len(indices)
        else:
            start = perf_counter()
        if number == WARM_UP + iterations - 1:
            break
        began = perf_counter()
    seconds = perf_counter() - start
    return {"samples_per_second": samples / seconds, "data_share": waiting / seconds}


@contextlib.contextmanager
def data_overrides(options: type[TrainingOptions], generated: bool) -> Iterator[tuple[list[str], Path]]:
    """Options that put generated videos in the place of the data, and a temporary folder."""
    with tempfile.TemporaryDirectory() as folder:
        if not generated:
            yield [], Path(folder)
            return
        videos = Path(folder) / "videos"
        generate_videos(videos)
        values = {"train_data": f"folder_train:{videos}", "train_weights": "1", "val_data": ""}
        known = {field.name for field in dataclasses.fields(options)}
        yield [f"{name}={value}" for name, value in values.items() if name in known], Path(folder)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("settings", help="for example dimp.dimp50")
    parser.add_argument("overrides", nargs="*", metavar="name=value", help="options of the training")
    parser.add_argument("--generated", action="store_true", help="train on generated videos instead of the data")
    parser.add_argument("--iterations", type=int, default=10, help="counted iterations (default: 10)")
    parser.add_argument("--samples", type=int, default=8, help="samples for the parts (default: 8, at least a batch)")
    parser.add_argument("--output", type=Path, help="JSON file of the numbers")
    arguments = parser.parse_intermixed_args()
    settings = load_settings(find_settings(arguments.settings))
    with data_overrides(settings.options, arguments.generated) as (data, folder):
        options = parse_overrides(settings.options, [*data, *arguments.overrides])
        with start_processes(options.device) as processes:
            trainer = make_trainer(settings, options, processes, folder)
            parts = measure_parts(trainer, max(arguments.samples, options.batch_size))
            speed = measure_training(trainer, arguments.iterations)
            workers = trainer.train_loader.num_workers
    table = Table(title=f"{arguments.settings}, batches of {options.batch_size}, {workers} workers, {processes.device}")
    table.add_column("part")
    table.add_column("ms per sample", justify="right")
    for name, milliseconds in parts.items():
        table.add_row(name, f"{milliseconds:.1f}")
    console = Console()
    console.print(table)
    console.print(f"{speed['samples_per_second']:.2f} samples per second, data-loading share {speed['data_share']:.1%}")
    if arguments.output:
        environment = describe_environment(str(processes.device))
        record = {"settings": arguments.settings, "parts": parts, **speed, "workers": workers, **environment}
        arguments.output.write_text(json.dumps(record, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(exit_status(main))
