"""Package of results for the TrackingNet server: `<sequence>.txt` with a row `x,y,w,h` for each frame, 511 sequences.

The names are those of `TEST/anno` where `trackingnet_path` is set. Otherwise they are read off the stored results,
which say what data set they belong to, and only their number is known.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence as SequenceOf
from functools import partial
from pathlib import Path

from ltr.common.types import Array
from pytracking.evaluation.tracker import Tracker
from pytracking.util_scripts import packing
from pytracking.util_scripts.packing import Report, Run
from pytracking.util_scripts.packing_program import RUN_ID, Program, announce

NUM_SEQUENCES = 511
DATASET = "trackingnet"
# A YouTube identifier and the number of the object; other data sets have such names too (uav_person1_1).
NAME = re.compile(r"[\w-]{11}_\d+", re.ASCII)
PROTOCOL = """Protocol of TrackingNet:
  - one run from the first frame's box alone, a box in every frame; the server rounds boxes to whole pixels
  - not trained or tuned on the test sequences, which come from YouTube-BB's validation set; say what it was trained on
  - to hand in: the zip file as it is"""


def pack_trackingnet_results(
    tracker_name: str,
    param_name: str,
    run_id: int | None = None,
    output_name: str | None = None,
    *,
    results_path: Path | None = None,
) -> Path:
    """Validate one run, write `<results_path>/packed/trackingnet/<output_name>.zip`, and return its path.

    The default name is `<tracker>_<param>[_<run>]`. Raises InputError with everything that is wrong; nothing is
    written then.
    """
    tracker = Tracker(tracker_name, param_name, run_id, results_path=results_path)
    path = packing.package_path("trackingnet", output_name or tracker.display_name, results_path)
    report = Report(f"{tracker.display_name} for TrackingNet")
    run = Run(tracker, DATASET)
    boxes = _read_run(report, run) if run.is_there(report) else {}
    report.raise_if_wrong("nothing was written")
    packing.write_package(path, ((f"{name}.txt", packing.box_rows(boxes[name])) for name in sorted(boxes)))
    announce(path, report, _content(boxes), PROTOCOL)
    return path


def check_trackingnet_package(path: Path) -> Report:
    """Validate a zip file, made by whatever program. Raises InputError with everything that is wrong."""
    report = Report(str(path))
    members = packing.read_unwrapped(report, path)
    known = dataset_names(report)
    if known is None:
        report.notes.append("names and rows were not compared with the data set: trackingnet_path is not set")
        named = {name for name in members if name.endswith(".txt") and NAME.fullmatch(name.removesuffix(".txt"))}
        packing.check_names(report, members, named)
        _check_count(report, len(named), "files", "pack the results of all sequences")
    else:
        packing.check_names(report, members, (f"{name}.txt" for name in known))
    boxes = {name: packing.parse_rows(report, name, text, 4) for name, text in members.items() if name.endswith(".txt")}
    read = {name: rows for name, rows in boxes.items() if rows is not None}
    for name, rows in read.items():
        packing.check_rows(report, name, len(rows), _count_images(name.removesuffix(".txt")))
        packing.check_sizes(report, name, rows)
    report.raise_if_wrong("the server would refuse this package, or score it wrongly")
    announce(path, report, _content(read), PROTOCOL)
    return report


def dataset_names(report: Report) -> list[str] | None:
    """Test sequences in the data set's folder; None where it is not set, a problem where it is incomplete."""
    root = packing.dataset_folder("trackingnet_path")
    if root is None:
        return None
    folder = _base(root) / "anno"
    names = sorted(path.stem for path in folder.glob("*.txt"))
    _check_count(report, len(names), f"annotations in {folder}", "complete the data set, or unset its path")
    return names


def _read_run(report: Report, run: Run) -> dict[str, Array]:
    packing.check_records(report, [run])
    run_hash = run.record(report).get("hash")
    names = dataset_names(report)
    if names is None:
        names = _stored_names(report, run)
        remedy = f"set trackingnet_path to learn which are missing, or: {run.command}"
        _check_count(report, len(names), "sequences", remedy)
        report.notes.append("names were read off the results, trackingnet_path is not set")
    boxes = {name: _read_sequence(report, run, name, run_hash) for name in names}
    return {name: found for name, found in boxes.items() if found is not None}


def _stored_names(report: Report, run: Run) -> list[str]:
    """Sequences of the results' folder, which may hold other data sets too, that say they are of TrackingNet.

    Results without a record, made by other programs, go by their name.
    """
    stems = sorted(path.stem for path in run.tracker.results_dir.glob("*.txt"))
    named = [name for name in stems if NAME.fullmatch(name)]
    return [name for name in named if run.info(report, name).get("dataset", DATASET) == DATASET]


def _read_sequence(report: Report, run: Run, name: str, run_hash: str | None) -> Array | None:
    boxes = run.boxes(report, name)
    if boxes is None:
        return None
    info = run.info(report, name)
    packing.check_hash(report, run, name, info, run_hash)
    frames = packing.expected_frames(report, run, name, info, partial(_count_images, name), "trackingnet_path")
    packing.check_rows(report, name, len(boxes), frames, run.again)
    packing.check_sizes(report, name, boxes)
    return boxes


def _check_count(report: Report, found: int, what: str, remedy: str) -> None:
    if found != NUM_SEQUENCES:
        report.add("wrong number of sequences", f"{found} {what}, expected {NUM_SEQUENCES}", remedy)


def _count_images(name: str) -> int | None:
    root = packing.dataset_folder("trackingnet_path")
    return None if root is None else packing.count_images([_base(root) / "frames" / name])


def _base(root: Path) -> Path:
    """Folder of `anno` and `frames`: the test set may stand alone."""
    return root / "TEST" if (root / "TEST").is_dir() else root


def _content(boxes: dict[str, Array]) -> str:
    return f"{len(boxes)} sequences, {sum(map(len, boxes.values()))} boxes"


def main(arguments: SequenceOf[str] | None = None) -> int:
    """Command line; exit status 0 written or valid, 2 not valid."""
    program = Program(
        "pack_trackingnet_results",
        "Pack one run for the TrackingNet server.",
        pack_trackingnet_results,
        check_trackingnet_package,
        {"runid": RUN_ID},
    )
    return program.main(arguments)


if __name__ == "__main__":
    sys.exit(main())
