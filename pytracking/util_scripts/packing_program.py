"""The command line that the scripts for evaluation servers share."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from collections.abc import Sequence as SequenceOf
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ltr.common.errors import InputError, exit_status
from pytracking.arguments import Parser, parse_folder, refuse_unused
from pytracking.util_scripts.packing import Report

RUN_ID = {"type": int, "help": "number of the run (default: results made without --runid)"}


def announce(path: Path, report: Report, content: str, protocol: str) -> None:
    """Tell what was written or found valid, what to know about it, and the rules of the server."""
    notes = "".join(f"note: {note}\n" for note in report.notes)
    print(f"{path}: valid, {content}\n{notes}{protocol}")


@dataclass(frozen=True)
class Program:
    """Command line of a packing script."""

    prog: str
    description: str
    pack: Callable[..., Path]  # tracker, parameters, and the options as keywords
    check: Callable[..., Report]  # zip file, and `check_options` as keywords
    options: Mapping[str, Mapping[str, Any]]  # of `pack`, as in add_argument
    check_options: tuple[str, ...] = ()

    def main(self, arguments: SequenceOf[str] | None) -> int:
        """Exit status: 0 written or valid, 2 problems or wrong input."""
        parser = Parser(prog=self.prog, description=self.description)
        parser.add_argument("tracker_name", nargs="?", help="tracker, as in run_tracker.py")
        parser.add_argument("param_name", nargs="?", help="parameter file")
        common: dict[str, dict[str, Any]] = {
            "output_name": {"help": "name of the zip file (default: that of the results' folder)"},
            "results_path": {"type": parse_folder, "help": "folder of the results (default: the setting results_path)"},
        }
        for name, settings in {**self.options, **common}.items():
            parser.option(name, **settings)
        parser.add_argument("--check", type=Path, metavar="ZIP", help="only check a package that exists already")
        args = parser.parse_args(arguments)
        if args.check is None and (args.tracker_name is None or args.param_name is None):
            parser.error("expected a tracker and a parameter file, or --check ZIP")
        return exit_status(lambda: self._run(args, (*self.options, *common)))

    def _run(self, args: argparse.Namespace, names: SequenceOf[str]) -> int:
        if args.check is not None:
            if args.tracker_name is not None:
                raise InputError(f"--check takes a zip file alone, found the tracker {args.tracker_name}, too")
            unused = [name for name in names if name not in self.check_options]
            refuse_unused(args, unused, "is of no use with --check, which takes a zip file alone")
            self.check(args.check, **{name: getattr(args, name) for name in self.check_options})
        else:
            options = {{"runid": "run_id"}.get(name, name): getattr(args, name) for name in names}
            self.pack(args.tracker_name, args.param_name, **options)
        return 0
