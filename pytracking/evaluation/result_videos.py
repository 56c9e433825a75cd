"""Videos of stored results."""

from collections.abc import Sequence as SequenceOf
from pathlib import Path

from ltr.common.image import read_image
from pytracking.evaluation.data import Sequence
from pytracking.evaluation.results import SequenceResult, load_result, result_file
from pytracking.utils.drawing import GROUND_TRUTH, TRACKED, draw_box, draw_text
from pytracking.utils.video_writer import VideoWriter


def write_result_video(
    path: Path,
    sequence: Sequence,
    result: SequenceResult,
    fps: float = 30.0,
) -> None:
    """Video of a sequence with the tracked box (red), the ground truth (green), frame number, flag and score."""
    frames = sequence.frames[: len(result.boxes)]
    with VideoWriter(path, fps, frames) as video:
        for index, frame in enumerate(frames):
            image = read_image(frame)
            if index < len(sequence.ground_truth_rect):
                draw_box(image, sequence.ground_truth_rect[index], GROUND_TRUTH)
            draw_box(image, result.boxes[index], TRACKED)
            state = result.flags[index] if result.flags else ""
            if len(result.scores):
                state = f"{state} {result.scores[index]:.2f}".strip()
            draw_text(image, [f"{sequence.name} {index + 1}/{len(sequence)}", state])
            video.write(image)


def write_result_videos(results: Path, dataset: SequenceOf[Sequence], folder: Path) -> None:
    """Write `<sequence>.mp4` of each result that is stored in `results`, unless its video is newer."""
    from rich.console import Console
    from rich.progress import track

    finished = [sequence for sequence in dataset if result_file(results, sequence.name).exists()]
    for sequence in track(finished, "videos", console=Console(stderr=True), transient=True):
        video, boxes = folder / f"{sequence.name}.mp4", result_file(results, sequence.name)
        if not video.exists() or video.stat().st_mtime < boxes.stat().st_mtime:
            write_result_video(video, sequence, load_result(results, sequence.name))
