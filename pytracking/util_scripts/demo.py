"""Track the demo data set with RLS-DiMP on the lite model, and show the scores, a success plot and a video."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence as SequenceOf
from pathlib import Path
from typing import TYPE_CHECKING

from ltr.common.errors import exit_status
from pytracking.evaluation.data import SequenceList

if TYPE_CHECKING:
    from pytracking.evaluation.tracker import Tracker

TRACKER, PARAMETERS, DATASET = "dimp", "rls_dimp_lite", "demo"
# The rocket turns by 180 degrees, and the lite tracker's boxes keep the aspect ratio of the first one.
LEFT_OUT = "rocket_stars"


def run_demo(
    names: SequenceOf[str] | None = None, tracker_name: str = TRACKER, parameter_name: str = PARAMETERS
) -> int:
    """Track, print the table, write plot and videos; returns the exit status of the tracking.

    `names` are the sequences (default: all but one). What has results is not tracked again.
    """
    from pytracking.evaluation.datasets import get_dataset
    from pytracking.evaluation.results import result_file
    from pytracking.evaluation.tracker import Tracker
    from pytracking.run_tracker import run_tracker

    dataset = get_dataset(DATASET)
    shown = [name for name in dataset.names if name != LEFT_OUT] if names is None else list(names)
    status = run_tracker(tracker_name, parameter_name, dataset_name=DATASET, sequence=shown).exit_status
    tracker = Tracker(tracker_name, parameter_name)
    tracked = SequenceList(s for s in dataset[shown] if result_file(tracker.results_dir, s.name).exists())
    if tracked:
        show_results(tracker, tracked)
        print(_what_next(names is None and LEFT_OUT in dataset.names))
    return status


def _what_next(one_left_out: bool) -> str:
    command = Path(sys.executable).with_name("rlstrack")
    lines = [
        "What next:",
        f"  your own video, a box drawn on a page:  {command} video VIDEO --draw_in_browser",
        f"  trackers, parameter files, data sets:   {command} run --list",
        f"  another tracker on the same videos:     {command} run {TRACKER} dimp_lite --dataset_name {DATASET}",
        f"  both compared:                          {command} report --dataset_name {DATASET}"
        f" --trackers {TRACKER}:{PARAMETERS} {TRACKER}:dimp_lite",
    ]
    if one_left_out:
        lines.append(f"  the one left out, which it loses:       {command} demo --sequence {LEFT_OUT}")
    return "\n".join(["", *lines])


def show_results(tracker: Tracker, dataset: SequenceList) -> None:
    """Print the scores of stored results, write plot and videos, and say where they are."""
    from rich.console import Console

    from ltr.common.environment import env_settings
    from pytracking.analysis.evaluation import evaluate
    from pytracking.analysis.report.plots import write_curve_plot
    from pytracking.analysis.report.scores import tracker_table
    from pytracking.evaluation.progress import FPS_MEANING
    from pytracking.evaluation.result_videos import write_result_videos

    console = Console()
    evaluation = evaluate([tracker], dataset)
    console.print()
    tracker_table(evaluation, evaluation.trackers[0], f"{tracker.display_name} on {DATASET}").print(console)
    folder = env_settings().results_path / DATASET / tracker.display_name
    (plot,) = write_curve_plot(evaluation, "success", folder, formats=("png",))
    write_result_videos(tracker.results_dir, dataset, folder)
    lines = (
        FPS_MEANING,
        f"boxes and times: {tracker.results_dir}",
        f"success plot:    {plot}",
        f"videos:          {folder}/<sequence>.mp4 (tracked red, ground truth green)",
    )
    console.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)


def main(arguments: SequenceOf[str] | None = None) -> int:
    """Command line; exit status as `pytracking.run_tracker`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sequence", nargs="+", help=f"only these sequences (default: all but {LEFT_OUT})")
    args = parser.parse_args(arguments)
    return exit_status(lambda: run_demo(args.sequence))


if __name__ == "__main__":
    sys.exit(main())
