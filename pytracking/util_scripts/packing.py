"""What the packages for evaluation servers share: stored results, a report of all that is wrong, and zip files.

Everything is validated before anything is written, and all problems are reported at once. Frame counts come from the
record stored with each result (`pytracking.evaluation.results`); images are needed only where there is none.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Callable, Iterable
from collections.abc import Sequence as SequenceOf
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ltr.common.environment import config_file, env_settings
from ltr.common.errors import InputError
from ltr.common.files import replacing, with_defaults
from ltr.common.types import Array
from ltr.dataset.annotations import read_table
from pytracking.analysis.result_files import find_results
from pytracking.evaluation.results import result_file
from pytracking.evaluation.tracker import Tracker

SHOWN_PLACES = 20  # of one kind of problem
MAX_MEMBER_SIZE = 64 * 2**20  # bytes; the longest results are a few MB


@dataclass
class Report:
    """All problems of a package by kind, and notes on what was not or could not be checked."""

    subject: str
    problems: dict[tuple[str, str], list[str]] = field(default_factory=dict)  # (kind, remedy): places
    notes: list[str] = field(default_factory=list)

    def add(self, kind: str, place: str, remedy: str = "") -> None:
        """Note a problem: what is wrong, where, and what to do about it."""
        places = self.problems.setdefault((kind, remedy), [])
        if place not in places:
            places.append(place)

    def __str__(self) -> str:
        lines = [f"{self.subject}: {sum(map(len, self.problems.values()))} problems"]
        for (kind, remedy), places in self.problems.items():
            lines.append(f"  {kind} ({len(places)}):")
            lines += [f"    {place}" for place in places[:SHOWN_PLACES]]
            if len(places) > SHOWN_PLACES:
                lines.append(f"    ... and {len(places) - SHOWN_PLACES} more")
            if remedy:
                lines.append(f"    -> {remedy}")
        return "\n".join(lines + [f"  note: {note}" for note in self.notes])

    def raise_if_wrong(self, consequence: str) -> None:
        """Raise InputError with every problem and what follows from them, where there is any problem."""
        if self.problems:
            raise InputError(f"{self}\n{consequence}")


@dataclass(frozen=True)
class Run:
    """Stored results of one run of a tracker on one data set."""

    tracker: Tracker
    dataset: str  # as in get_dataset(name)

    @property
    def label(self) -> str:
        """The run in messages."""
        return "run without number" if self.tracker.run_id is None else f"run {self.tracker.run_id}"

    @property
    def command(self) -> str:
        """What to type so that the missing results are made."""
        words = ["python -m pytracking.run_tracker", self.tracker.name, self.tracker.parameter_name]
        words += [] if self.tracker.run_id is None else [f"--runid {self.tracker.run_id}"]
        words += [] if self.tracker.results_path is None else [f"--results_path {self.tracker.results_path}"]
        return " ".join([*words, f"--dataset_name {self.dataset}"])

    @property
    def again(self) -> str:
        """What to do about results that are there and wrong; run_tracker would skip them."""
        return f"delete the files of these sequences in {self.tracker.results_dir}, then: {self.command}"

    def is_there(self, report: Report) -> bool:
        """Whether the run has a folder."""
        if self.tracker.results_dir.is_dir():
            return True
        remedy = f"make it: {self.command}"
        plain = self.tracker.results_dir.with_name(self.tracker.parameter_name)
        if self.tracker.run_id is not None and plain.is_dir():
            remedy += f"\n       ({plain} was made without --runid and is none of the numbered runs)"
        report.add("runs without results", f"{self.label}: no folder {self.tracker.results_dir}", remedy)
        return False

    def record(self, report: Report) -> dict[str, Any]:
        """`run.json`; empty where there is none."""
        return read_record(report, self.tracker.results_dir / "run.json")

    def info(self, report: Report, sequence: str) -> dict[str, Any]:
        """The record of one sequence; empty where there is none."""
        return read_record(report, self.tracker.results_dir / f"{sequence}_info.json")

    def boxes(self, report: Report, sequence: str) -> Array | None:  # (N, 4)
        """Stored boxes, counted from 0; None, and a problem, where they are missing or malformed."""
        path = result_file(self.tracker.results_dir, sequence)
        if not path.exists():
            report.add(f"missing results, {self.label}", sequence, f"make them: {self.command}")
            return None
        boxes = self._read_table(report, path, columns=4)
        if boxes is not None and find_results(self.tracker, [sequence])[sequence].one_based:
            boxes[:, :2] -= 1
        return boxes

    def column(self, report: Report, sequence: str, what: str) -> Array | None:  # (N,)
        """Stored values of one kind, `time` or `object_presence_scores`; None, and a problem, as for boxes."""
        path = self.tracker.results_dir / f"{sequence}_{what}.txt"
        if not path.exists():
            report.add(f"missing files, {self.label}", path.name, self.again)
            return None
        table = self._read_table(report, path, columns=1)
        return None if table is None else table[:, 0]

    def flags(self, report: Report, sequence: str) -> list[str] | None:
        """Stored flags; None where there are none."""
        path = self.tracker.results_dir / f"{sequence}_flags.txt"
        try:
            return path.read_text(encoding="utf-8").splitlines() if path.exists() else None
        except (OSError, UnicodeDecodeError) as error:
            report.add(f"malformed files, {self.label}", f"{path}: {error}", self.again)
            return []

    def _read_table(self, report: Report, path: Path, columns: int) -> Array | None:
        try:
            return read_table(path, columns)
        except InputError as error:
            report.add(f"malformed files, {self.label}", str(error), self.again)
            return None


def read_record(report: Report, path: Path) -> dict[str, Any]:
    """JSON object of a file; empty where there is none, and also a problem where it is damaged."""
    if not path.exists():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        content = error
    if isinstance(content, dict):
        return content
    report.add("damaged records", f"{path}: {content}", "delete the file and run the tracker on the sequence again")
    return {}


def check_records(report: Report, runs: SequenceOf[Run]) -> None:
    """All runs must have been made with the same parameters and network, seeds aside, and none may be a copy."""
    records = [run.record(report) for run in runs]
    if len(runs) > 1 and not all(records):
        without = ", ".join(run.label for run, record in zip(runs, records, strict=True) if not record)
        report.notes.append(f"no run.json of {without}: whether the same parameters were used is not known")
    for run, record in zip(runs, records, strict=True):
        if record and record.get("run_id") != run.tracker.run_id:
            place = f"{run.label}: run.json says run {record.get('run_id')}"
            report.add("copied runs", place, f"delete {run.tracker.results_dir}, then: {run.command}")
    known = [(run, record) for run, record in zip(runs, records, strict=True) if record]
    for run, record in known[1:]:
        first, first_record = known[0]
        if differing := _differing(first_record, record, _defaults(run)):
            remedy = f"run the odd one again with --overwrite: {run.command} --overwrite"
            report.add("runs made with different parameters", f"{first.label} and {run.label}: {differing}", remedy)


def _defaults(run: Run) -> dict[str, Any]:
    """Defaults of the parameters of a tracker; empty for one that is not here."""
    try:
        return run.tracker.tracker_class().params_class.defaults()
    except InputError:
        return {}


def _differing(first: dict[str, Any], second: dict[str, Any], defaults: dict[str, Any]) -> str:
    """Names of what differs between two `run.json` and can change results in another way than a seed does."""
    if first.get("hash") == second.get("hash"):
        return ""
    ignored = {"hash", "run_id", "seed", "environment", "parameters"}
    pairs = [(key, first.get(key), second.get(key)) for key in {**first, **second} if key not in ignored]
    recorded = [record.get("parameters", {}) for record in (first, second)]
    old, new = (with_defaults(one, other, defaults) for one, other in (recorded, recorded[::-1]))
    pairs += [(key, old.get(key), new.get(key)) for key in {**old, **new}]
    changed = [f"{name} {one} and {other}" for name, one, other in pairs if one != other]
    same_seed = first.get("seed") == second.get("seed")
    return ", ".join(changed) or ("the hash alone" if same_seed and [old, new] == recorded else "")


def expected_frames(
    report: Report, run: Run, sequence: str, info: dict[str, Any], count: Callable[[], int | None], setting: str
) -> int | None:
    """Frames of a sequence: stored with its result, else counted; None, and a problem, where neither is possible."""
    frames = info.get("frames")
    if isinstance(frames, int):
        return frames
    frames = count()
    if frames is None:
        remedy = f"set {setting} in {config_file()}, so that images are counted; or {run.again}"
        report.add(f"unknown numbers of frames, {run.label}", f"no {sequence}_info.json", remedy)
    return frames


def check_hash(report: Report, run: Run, sequence: str, info: dict[str, Any], run_hash: str | None) -> None:
    """The result of a sequence must be of the parameters that its folder stands for."""
    stored = info.get("hash")
    if stored is not None and run_hash is not None and stored != run_hash:
        place = f"{sequence}: made with parameters {stored}, run.json has {run_hash}"
        report.add(f"results of other parameters, {run.label}", place, run.again)


def check_rows(report: Report, place: str, rows: int, frames: int | None, remedy: str = "") -> None:
    """One row for each frame; `frames` None is not checked."""
    if frames is not None and rows != frames:
        report.add("not one row for each frame", f"{place}: {rows} rows, {frames} frames", remedy)


def check_sizes(report: Report, place: str, boxes: Array) -> None:  # (N, 4)
    """Widths and heights must not be negative."""
    wrong = np.flatnonzero((boxes[:, 2:] < 0).any(axis=1))
    if len(wrong):
        width, height = boxes[wrong[0], 2:]
        more = f" and {len(wrong) - 1} more rows" if len(wrong) > 1 else ""
        remedy = "report a box in every frame; for DiMP: output_not_found_box=False"
        report.add("negative sizes", f"{place}, row {wrong[0] + 1}: {width:g} x {height:g}{more}", remedy)


def check_times(report: Report, place: str, times: Array) -> None:  # (N,) or (N, runs)
    """Seconds per frame must not be negative, nor all zero."""
    if (times < 0).any() or not times.any(axis=0).all():
        report.add("times that are no times", f"{place}: expected seconds > 0, the lowest is {times.min():g}")


def dataset_folder(setting: str) -> Path | None:
    """Folder of a data set where it is set and there."""
    path: Path | None = getattr(env_settings(), setting, None)
    return path if path is not None and path.is_dir() else None


def count_images(folders: Iterable[Path]) -> int | None:
    """Number of JPEG files in the first of the folders that has any; None where none has."""
    return next((count for folder in folders if (count := sum(1 for _ in folder.glob("*.jpg")))), None)


def box_rows(boxes: Array) -> str:  # (N, 4)
    """Comma-separated `x,y,w,h` rows with the four decimals of the stored results."""
    return "".join(f"{x:.4f},{y:.4f},{w:.4f},{h:.4f}\n" for x, y, w, h in boxes.tolist())


def package_path(server: str, output_name: str, results_path: Path | None) -> Path:
    """`<folder>/<output_name>.zip`. Raises InputError for a name with a folder.

    The folder is the server's setting (`got_packed_results_path`, `tn_packed_results_path`), and where that is not set
    or `results_path` is given, `<results_path>/packed/<server>`.
    """
    if Path(output_name).name != output_name:
        raise InputError(f"expected a file name without folder as output_name, found '{output_name}'")
    settings = env_settings()
    own = {"got10k": settings.got_packed_results_path, "trackingnet": settings.tn_packed_results_path}.get(server)
    folder = own if results_path is None else None
    folder = folder or (results_path or settings.results_path) / "packed" / server
    return folder / f"{output_name.removesuffix('.zip')}.zip"


def write_package(path: Path, members: Iterable[tuple[str, str]]) -> None:
    """Write a zip file of (name, text), completely or not at all; the same members give the same bytes.

    Raises InputError where the folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, text in members:
                entry = zipfile.ZipInfo(name)  # dated 1980, whatever the clock
                entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
                archive.writestr(entry, text)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}; free space or rights there") from error


def read_package(report: Report, path: Path) -> dict[str, str]:
    """Texts of a zip file by name; what cannot be read is a problem. Raises InputError for what is no zip file."""
    try:
        with zipfile.ZipFile(path) as archive:
            return _read_members(report, archive)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    except zipfile.BadZipFile as error:
        raise InputError(f"{path} is no zip file, or is cut off: {error}; the server takes zip files only") from error


def _read_members(report: Report, archive: zipfile.ZipFile) -> dict[str, str]:
    members: dict[str, str] = {}
    for entry in archive.infolist():
        if entry.is_dir():
            continue
        if entry.filename in members:
            report.add("files that are twice in the zip", entry.filename)
        if entry.flag_bits & 1 or entry.file_size > MAX_MEMBER_SIZE:
            place = f"{entry.filename}: encrypted, or larger than {MAX_MEMBER_SIZE >> 20} MiB"
            report.add("files that cannot be read", place)
            continue
        try:
            members[entry.filename] = archive.read(entry).decode("utf-8-sig")
        # zipfile raises NotImplementedError for compression methods that it does not know.
        except (zipfile.BadZipFile, UnicodeDecodeError, NotImplementedError) as error:
            report.add("files that cannot be read", f"{entry.filename}: {error}")
    return members


def unwrap(members: dict[str, str], own_folders: SequenceOf[str] = ()) -> tuple[str, dict[str, str]]:
    """The one folder around all members, none of the package's own, and the members without it; "" where none is."""
    tops = {name.split("/", 1)[0] for name in members if not name.startswith("__MACOSX/")}
    top = tops.pop() if len(tops) == 1 else ""
    if not top or top in own_folders or top in members:
        return "", members
    return top, {name.removeprefix(f"{top}/"): text for name, text in members.items()}


def read_unwrapped(report: Report, path: Path, own_folders: SequenceOf[str] = ()) -> dict[str, str]:
    """As `read_package`; one folder around everything is a problem, and taken away."""
    top, members = unwrap(read_package(report, path), own_folders)
    if top:
        report.add("a folder around everything", f"{top}/", f"zip what is in {top}, not {top} itself")
    return members


def check_names(report: Report, found: Iterable[str], expected: Iterable[str]) -> None:
    """The package must have exactly the expected files."""
    found, expected = set(found), set(expected)
    for name in sorted(expected - found):
        report.add("missing files", name)
    for name in sorted(found - expected):
        report.add("files that do not belong there", name, "remove or rename them")


def parse_rows(report: Report, place: str, text: str, columns: int) -> Array | None:  # (N, columns)
    """Strictly comma-separated numbers; None, and a problem, for anything else."""
    rows: list[list[float]] = []
    lines = text.rstrip().splitlines()
    if not lines:
        report.add("empty files", place)
        return None
    for number, line in enumerate(lines, start=1):
        cells = line.split(",")
        where = f"{place}, line {number}: {line[:60]!r}"
        if len(cells) < columns and re.search(r"[;\t ]", line.strip()):
            report.add("separators other than the comma", where, "separate numbers by commas, nothing else is read")
            return None
        if len(cells) != columns:
            report.add(f"rows without {columns} columns", f"{where} has {len(cells)}")
            return None
        if (row := finite_numbers(cells)) is None:
            report.add("rows that are not finite numbers", where)
            return None
        rows.append(row)
    return np.array(rows)


def finite_numbers(cells: SequenceOf[str]) -> list[float] | None:
    """Values of cells; None where one is no finite number."""
    if any("_" in cell for cell in cells):  # Python alone takes 1_000 for a number
        return None
    try:
        row = [float(cell) for cell in cells]
    except ValueError:
        return None
    return row if np.isfinite(row).all() else None
