"""What the programs' command lines share: the form of options, and numbers and folders as a person writes them."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from collections.abc import Sequence as SequenceOf
from pathlib import Path
from typing import Any

from ltr.common.errors import InputError

ALL_PANELS = 3  # debug level
FORMATS = ("coco", "mot", "cvat")
FORMAT_HELP = "write the boxes for annotation programs, too: COCO JSON, MOT text, CVAT XML; may be given several times"


class Parser(argparse.ArgumentParser):
    """Parser whose description keeps its lines, and whose options have a form with hyphens, too."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, **settings)

    def option(self, *names: str, **settings: Any) -> None:
        """Add an option, by one name or several, with `settings` as for `add_argument`."""
        flags = [f"--{form}" for name in names for form in (name, name.replace("_", "-"))]
        self.add_argument(*dict.fromkeys(flags), **settings)

    def add_tracking_options(self) -> None:
        """Options of whatever runs one tracker: the run, its panels and what it writes."""
        option = self.option
        option("runid", type=parse_count, help="number of this run, when a tracker is run several times")
        option("device", help="cpu, cuda, cuda:1 ... (default: the first GPU where there is one)")
        option("results_path", type=parse_folder, help="folder of the results (default: the setting results_path)")
        option("format", action="append", choices=FORMATS, default=[], help=FORMAT_HELP)
        option("save_debug", action="store_true", help="write the panels to files; without --debug all, no visdom")
        option("use_visdom", type=parse_bool, nargs="?", const=True, default=True, help="True or False, for debugging")
        option("visdom_server", default="127.0.0.1", help="address of the visdom server")
        option("visdom_port", type=parse_port, default=8097, help="port of the visdom server")


def parse_bool(text: str) -> bool:
    """True or False as a person writes it; raises ArgumentTypeError for anything else."""
    known = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
    if text.lower() not in known:
        raise argparse.ArgumentTypeError(f"expected True or False, found '{text}'")
    return known[text.lower()]


def whole_number(expected: str, least: int, most: float = float("inf")) -> Callable[[str], int]:
    """Parser of a whole number in a range; it raises ArgumentTypeError, with what is `expected`, for anything else."""

    def parse(text: str) -> int:
        if not (text.isdecimal() and least <= int(text) <= most):
            raise argparse.ArgumentTypeError(f"expected {expected}, found '{text}'")
        return int(text)

    return parse


parse_count = whole_number("a number >= 0", 0)
parse_positive = whole_number("a number > 0", 1)
parse_level = whole_number(f"a number from 0 to {ALL_PANELS}", 0, ALL_PANELS)
parse_port = whole_number("a port, a number from 0 to 65535", 0, 65535)


def parse_folder(text: str) -> Path:
    """A folder, which need not be there yet; raises ArgumentTypeError for a file."""
    path = Path(text)
    if path.exists() and not path.is_dir():
        raise argparse.ArgumentTypeError(f"expected a folder, found the file {text}")
    return path


def refuse_unused(args: argparse.Namespace, names: SequenceOf[str], reason: str) -> None:
    """Raise InputError, with the reason, for the first of these options that is given: it would be ignored."""
    for name in names:
        value = getattr(args, name)
        if not (value is None or value is False or value == []):
            raise InputError(f"--{name} {reason}")
