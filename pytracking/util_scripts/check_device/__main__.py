"""Check a new machine: does what a device computes agree with the plain form on the CPU, and how fast is it?

python -m pytracking.util_scripts.check_device cuda --json report.json

Each part runs in a process of its own, so that the others go on where one crashes. Everything is generated: nothing is
downloaded, and no data set is needed. The whole takes some minutes.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ltr.common.errors import InputError, exit_status, unknown_name
from ltr.common.files import check_output

if TYPE_CHECKING:
    from pytracking.util_scripts.check_device.processes import Part, Setting
    from pytracking.util_scripts.check_device.results import PartResult

LEAST_FRAMES = 4


def main(arguments: Sequence[str] | None = None, parts: Sequence[Part] | None = None) -> int:
    """Command line; returns the exit status: 0 all as it should be, 1 something is not, 2 wrong input."""
    parser = argparse.ArgumentParser(
        prog="check_device", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("device", nargs="?", help="cuda, cuda:<number> or cpu (default: a GPU where there is one)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="everything that was found, for a bug report")
    parser.add_argument("--frames", type=int, default=60, help="of each video, at most 60 (default)")
    parser.add_argument("--part", nargs="+", help="only these parts")
    args = parser.parse_args(arguments)
    return exit_status(lambda: check_device(args.device, args.json, args.frames, args.part, parts))


def check_device(
    device: str | None,
    json_file: Path | None = None,
    frames: int = 60,
    names: Sequence[str] | None = None,
    parts: Sequence[Part] | None = None,  # None: all that there are
) -> int:
    """Run the parts, print a table, and write the file; returns the exit status.

    Raises InputError for an unknown device or part, too few frames, and a file whose folder is not there.
    """
    from rich.console import Console

    from pytracking.util_scripts.check_device.parts import PARTS
    from pytracking.util_scripts.check_device.processes import Setting
    from pytracking.util_scripts.check_device.results import table_of

    chosen = _chosen(PARTS if parts is None else parts, names)
    if frames < LEAST_FRAMES:
        raise InputError(f"expected --frames of at least {LEAST_FRAMES}, found {frames}")
    if json_file is not None:
        if not json_file.absolute().parent.is_dir():
            raise InputError(f"expected an existing folder for --json, found {json_file.absolute().parent}")
        check_output(json_file, ())
    setting = Setting(_known_device(device), frames)
    results = _run(chosen, setting)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
    console.print(table_of(results))
    failed = [result.part for result in results if not result.passed]
    for result in results:
        if result.error:
            console.print(f"{result.part}: {result.error}\n{result.output}", markup=False)
    if json_file is not None:
        report = {"device": setting.device, "frames": frames, "passed": not failed}
        report["parts"] = [result.as_json() for result in results]
        json_file.write_text(json.dumps(report, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    seconds = sum(result.seconds for result in results)
    verdict = f"failed: {', '.join(failed)}" if failed else "all as it should be"
    console.print(f"{setting.device}: {verdict} ({seconds:.0f} s)", markup=False)
    if failed and json_file is None:
        console.print("for a bug report, run it again with --json FILE", markup=False)
    return 1 if failed else 0


def _run(parts: Sequence[Part], setting: Setting) -> list[PartResult]:
    from rich.console import Console

    from pytracking.util_scripts.check_device.processes import run_part

    console, results = Console(stderr=True, highlight=False), []
    for part in parts:
        console.print(f"checking {part.name} on {setting.device} ...", markup=False)
        results.append(run_part(part, setting))
    return results


def _chosen(parts: Sequence[Part], names: Sequence[str] | None) -> list[Part]:
    known = {part.name: part for part in parts}
    for name in names or ():
        if name not in known:
            raise unknown_name("part", name, known)
    return [part for part in parts if names is None or part.name in names]


def _known_device(device: str | None) -> str:
    import torch

    from ltr.common import provenance

    if device is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device.partition(":")[0] not in ("cpu", "cuda"):
        raise InputError(f"unknown device '{device}'; expected cpu, cuda or cuda:<number>")
    provenance.check_device(device)
    return device


if __name__ == "__main__":
    sys.exit(main())
