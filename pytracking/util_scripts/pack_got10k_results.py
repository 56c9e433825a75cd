"""Package of results for the GOT-10k server: three runs on the 180 test sequences.

`<sequence>/<sequence>_001.txt` ... `_003.txt` hold a row `x,y,w,h` for each frame, `<sequence>/<sequence>_time.txt` the
seconds per frame with a column for each run, as the GOT-10k toolkit writes them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from collections.abc import Sequence as SequenceOf
from functools import partial
from pathlib import Path

import numpy as np

from ltr.common.types import Array
from pytracking.evaluation.tracker import Tracker
from pytracking.util_scripts import packing
from pytracking.util_scripts.packing import Report, Run
from pytracking.util_scripts.packing_program import Program, announce

SEQUENCES = tuple(f"GOT-10k_Test_{number:06d}" for number in range(1, 181))
RUNS = (0, 1, 2)
PROTOCOL = """Protocol of GOT-10k:
  - trained on GOT-10k's training split alone; of other data, only ImageNet weights of the backbone are allowed
    (here the parameter files ..._got10k; dimp50.pth has seen other tracking data sets)
  - the test sequences are used once: no tuning on them, one parameter file for all
  - three runs, each from the first frame's box alone; times are the tracker's own
  - to hand in: the zip file as it is"""

Output = list[tuple[Array, Array]]  # boxes (N, 4) and seconds (N,) of each run


def pack_got10k_results(
    tracker_name: str, param_name: str, output_name: str | None = None, *, results_path: Path | None = None
) -> Path:
    """Validate the runs 0, 1 and 2, write `<results_path>/packed/got10k/<output_name>.zip`, and return its path.

    The default name is `<tracker>_<param>`. Raises InputError with everything that is wrong; nothing is written then.
    """
    path = packing.package_path("got10k", output_name or f"{tracker_name}_{param_name}", results_path)
    report = Report(f"{tracker_name} {param_name} for GOT-10k")
    runs = [Run(Tracker(tracker_name, param_name, run, results_path=results_path), "got10k_test") for run in RUNS]
    present = [run for run in runs if run.is_there(report)]
    packing.check_records(report, present)
    stored = [_read_run(report, run) for run in present]
    _compare_lengths(report, stored)
    _note_copies(report, stored)
    report.raise_if_wrong("nothing was written")
    _note_networks(report, runs)
    output = {name: [run[name] for run in stored] for name in SEQUENCES}
    packing.write_package(path, _members(output))
    announce(path, report, f"{len(SEQUENCES)} sequences, {len(RUNS)} runs", PROTOCOL)
    return path


def check_got10k_package(path: Path) -> Report:
    """Validate a zip file, made by whatever program. Raises InputError with everything that is wrong."""
    report = Report(str(path))
    members = packing.read_unwrapped(report, path, own_folders=SEQUENCES)
    names = {f"{name}/{name}_{part}.txt" for name in SEQUENCES for part in _parts()}
    packing.check_names(report, members, names)
    for name in SEQUENCES:
        _check_sequence(report, name, members)
    if packing.dataset_folder("got10k_path") is None:
        report.notes.append("rows were compared between runs, not with the images: got10k_path is not set")
    report.raise_if_wrong("the server would refuse this package, or score it wrongly")
    announce(path, report, f"{len(SEQUENCES)} sequences, {len(RUNS)} runs", PROTOCOL)
    return report


def _parts() -> list[str]:
    return [*(f"{run + 1:03d}" for run in RUNS), "time"]


def _read_run(report: Report, run: Run) -> dict[str, tuple[Array, Array]]:
    record = run.record(report)
    output = {name: _read_sequence(report, run, name, record.get("hash")) for name in SEQUENCES}
    return {name: found for name, found in output.items() if found is not None}


def _read_sequence(report: Report, run: Run, name: str, run_hash: str | None) -> tuple[Array, Array] | None:
    boxes = run.boxes(report, name)
    if boxes is None:
        return None
    times = run.column(report, name, "time")
    info = run.info(report, name)
    place = f"{run.label}, {name}"
    packing.check_hash(report, run, name, info, run_hash)
    frames = packing.expected_frames(report, run, name, info, partial(_count_images, name), "got10k_path")
    packing.check_rows(report, place, len(boxes), frames, run.again)
    packing.check_sizes(report, place, boxes)
    if times is None:
        return None
    packing.check_rows(report, f"{place}_time", len(times), frames, run.again)
    packing.check_times(report, f"{place}_time", times)
    return boxes, times


def _compare_lengths(report: Report, stored: list[dict[str, tuple[Array, Array]]]) -> None:
    for name in SEQUENCES:
        _check_equal_lengths(report, name, [len(run[name][0]) for run in stored if name in run])


def _check_equal_lengths(report: Report, name: str, lengths: list[int]) -> None:
    if len(set(lengths)) > 1:
        report.add("runs of different lengths", f"{name}: {', '.join(map(str, lengths))} rows")


def _note_copies(report: Report, stored: list[dict[str, tuple[Array, Array]]]) -> None:
    for index in range(1, len(stored)):
        shared = stored[0].keys() & stored[index].keys()
        if shared and all(np.array_equal(stored[0][name][0], stored[index][name][0]) for name in shared):
            report.notes.append(f"all boxes of runs 0 and {index} are equal: right only where nothing is random")


def _note_networks(report: Report, runs: list[Run]) -> None:
    network = runs[0].record(report).get("parameters", {}).get("net")
    if isinstance(network, dict):
        report.notes.append(f"the network of these results: {network.get('net_path') or network.get('architecture')}")


def _count_images(name: str) -> int | None:
    root = packing.dataset_folder("got10k_path")
    return None if root is None else packing.count_images([root / "test" / name, root / name])


def _members(output: dict[str, Output]) -> Iterator[tuple[str, str]]:
    for name, runs in output.items():
        for part, (boxes, _) in zip(_parts(), runs, strict=False):
            yield f"{name}/{name}_{part}.txt", packing.box_rows(boxes)
        times = np.stack([times for _, times in runs], axis=1)
        rows = (",".join(f"{seconds:.8f}" for seconds in row) + "\n" for row in times.tolist())
        yield f"{name}/{name}_time.txt", "".join(rows)


def _check_sequence(report: Report, name: str, members: dict[str, str]) -> None:
    frames = _count_images(name)
    lengths = []
    for part in _parts():
        place = f"{name}/{name}_{part}.txt"
        if place not in members:
            continue
        table = packing.parse_rows(report, place, members[place], len(RUNS) if part == "time" else 4)
        if table is None:
            continue
        lengths.append(len(table))
        packing.check_rows(report, place, len(table), frames)
        if part == "time":
            packing.check_times(report, place, table)
        else:
            packing.check_sizes(report, place, table)
    _check_equal_lengths(report, f"{name}, runs and times", lengths)


def main(arguments: SequenceOf[str] | None = None) -> int:
    """Command line; exit status 0 written or valid, 2 not valid."""
    program = Program(
        "pack_got10k_results", "Pack three runs for the GOT-10k server.", pack_got10k_results, check_got10k_package, {}
    )
    return program.main(arguments)


if __name__ == "__main__":
    sys.exit(main())
