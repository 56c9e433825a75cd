"""The command `rlstrack`: every program of the project under one name.

rlstrack run dimp rls_dimp_lite --dataset_name demo
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence as SequenceOf
from importlib.metadata import version

from ltr.common.errors import exit_status, unknown_name

DISTRIBUTION = "rls-onlinetrack"

COMMANDS = {  # module, of whose `main(arguments)` the result is the exit status; what it does
    "demo": ("pytracking.util_scripts.demo", "track rendered videos, show scores, plot and videos"),
    "run": ("pytracking.run_tracker", "run a tracker on a data set"),
    "video": ("pytracking.run_video", "track in a video, a folder of images or a stream"),
    "camera": ("pytracking.run_webcam", "track before a camera"),
    "experiment": ("pytracking.run_experiment", "run many trackers on many data sets"),
    "vot": ("pytracking.run_vot", "VOT's experiments and scores, and the VOT toolkit"),
    "report": ("pytracking.util_scripts.report", "compare trackers by their stored results"),
    "reproduce": ("pytracking.util_scripts.reproduce", "a table of the paper: its numbers beside ours"),
    "pack-got10k": ("pytracking.util_scripts.pack_got10k_results", "results for the GOT-10k server"),
    "pack-trackingnet": ("pytracking.util_scripts.pack_trackingnet_results", "results for the TrackingNet server"),
    "pack-oxuva": ("pytracking.util_scripts.pack_oxuva_results", "results for the OxUvA server"),
    "check-dataset": ("pytracking.util_scripts.check_dataset", "what is missing of a data set"),
    "check-device": ("pytracking.util_scripts.check_device.__main__", "whether a device computes what a CPU does"),
    "visdom": ("pytracking.util_scripts.visdom_server", "server of the panels that --debug shows"),
    "train": ("ltr.run_training", "train a network"),
    "convert-checkpoint": ("ltr.admin.convert_checkpoint", "turn a checkpoint into safetensors"),
}


def _usage() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:{width}}  {what}" for name, (_, what) in COMMANDS.items()]
    return "\n".join(["usage: rlstrack COMMAND ...    (rlstrack COMMAND --help says more)", "commands:", *lines])


def main(arguments: SequenceOf[str] | None = None) -> int:
    """Command line; returns the exit status of the command, 2 for an unknown one."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words[0] in ("-h", "--help", "help"):
        print(_usage())
        return 0 if words else 2
    if words[0] == "--version":
        print(f"{DISTRIBUTION} {version(DISTRIBUTION)}")
        return 0
    name, *rest = words
    if name not in COMMANDS:
        return exit_status(lambda: _refuse(name))
    sys.argv[0] = f"rlstrack {name}"  # argparse shows it as the program's name
    status: int = importlib.import_module(COMMANDS[name][0]).main(rest)
    return status


def _refuse(name: str) -> int:
    raise unknown_name("command", name, COMMANDS)


if __name__ == "__main__":
    sys.exit(main())
