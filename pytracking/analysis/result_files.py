"""Finding and reading result files: those of a `Tracker`, and folders of boxes that came from elsewhere.

Results of this project count pixels from 0. Of others it is not known, and a pixel decides about scores: where the data
set's own files count from 1 the folder must say it, in a file `pixel_origin` that holds 0 or 1.
"""

from __future__ import annotations

import io
import json
import math
import os
import re
import shlex
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ltr.common.errors import InputError
from ltr.common.types import Array
from ltr.dataset.annotations import read_boxes, read_table
from pytracking.evaluation.data import Sequence
from pytracking.evaluation.result_names import is_side_file

ORIGIN_FILE = "pixel_origin"  # number of the first pixel in results that have no record of this project
_SIDE_FILES = ("_time", "_object_presence_scores", "_flags")
_PLAIN_BYTES = b"0123456789.-,\t\n"  # nothing that one reader would take for a number and another would not
# Of our sequence names, which keep data sets apart; others leave them out.
_PREFIXES = ("uav_", "uav10fps_", "nfs_", "tpl_", "tlp_", "tinytlp_", "vot2016_", "vot2017_", "vot2018_", "vot2019_")
_ALIASES = {"human4|2": ("human42", "human4"), "skating2|1": ("skating21",), "skating2|2": ("skating22",)}  # of OTB


class ResultSource(Protocol):
    """One run of a tracker, with a folder of results: a `Tracker` or `RawResults`."""

    name: str
    parameter_name: str
    run_id: int | None
    display_name: str

    @property
    def results_dir(self) -> Path: ...


class RawResults:
    """A folder of somebody's result files, a row `x y w h` for each frame, in any usual separator.

    Layouts: `<sequence>.txt`, or the server's `<sequence>/<sequence>_001.txt` of GOT-10k. File names may differ from
    the sequences' in case, punctuation and pytracking's prefix.
    """

    def __init__(
        self,
        display_name: str,
        results_dir: Path,
        run_id: int | None = None,
        *,
        one_based: bool | None = None,  # corners count pixels from 1; None: as the folder's `pixel_origin` says
        lost_boxes: bool = False,  # rows of NaN or with a negative size say "no box" and count as misses
    ) -> None:
        self.name = display_name
        self.parameter_name = ""
        self.run_id = run_id
        self.display_name = display_name
        self.results_dir = Path(results_dir)
        self.one_based = one_based
        self.lost_boxes = lost_boxes

    def __repr__(self) -> str:
        return f"RawResults({self.display_name!r}, {str(self.results_dir)!r}, run_id={self.run_id})"


@dataclass(frozen=True)
class ResultFile:
    """The stored result of one sequence, and how to read it."""

    boxes: Path
    time: Path | None = None  # seconds per frame
    info: Path | None = None  # the record of `ResultStore.save`
    one_based: bool | None = False  # None: unknown
    lost_boxes: bool = False
    origin_file: Path = Path(ORIGIN_FILE)  # where it can be said

    def read_boxes(self, content: bytes, pixel_origin: int = 0) -> Array:
        """0-based boxes (N, 4) from the content of the file.

        `pixel_origin` is the number of the first pixel in the data set's own files. Raises InputError naming the file
        and line, and where that number is 1 and it is not known whether these boxes count from it too.
        """
        if self.one_based is None and pixel_origin == 1:
            said = shlex.quote(str(self.origin_file))
            raise InputError(
                f"{self.boxes}: expected to be told whether its boxes count pixels from 0 or, as the data set's files "
                "do, from 1; found no record of this project, whose results count from 0\n"
                "  trackers that were started with the boxes of the data set's files, pytracking's among them, count "
                f"from 1: echo 1 > {said}\n"
                f"  where they count from 0: echo 0 > {said} (in Python also: raw_results(..., one_based=False))"
            )
        boxes = parse_boxes(content, self.boxes, absent=self.lost_boxes)
        if not self.lost_boxes and (wrong := (boxes[:, 2:] < 0).any(axis=1)).any():
            row = int(wrong.argmax())
            raise InputError(
                f"{self.boxes}, line {row + 1}: expected a width and height that are not negative, "
                f"found {boxes[row].tolist()}; where such rows say 'no box', read with RawResults(..., lost_boxes=True)"
            )
        if self.one_based:
            boxes[:, :2] -= 1
        return boxes

    def is_cut_off(self, rows: int, record: bytes) -> bool:
        """Whether the record of this result, given by its content, tells of another number of rows."""
        frames = _numbers(record, "frames")["frames"] if self.info else math.nan
        return not math.isnan(frames) and frames != rows


def plain_name(name: str) -> str:
    """A name in lower case, letters and digits alone; but numbers stay apart, as in UAV123's car1_1 and car11."""
    apart = re.sub(r"(?<=[0-9])[^a-z0-9]+(?=[0-9])", "|", name.lower())
    return re.sub("[^a-z0-9|]", "", apart)


def raw_results(display_name: str, *folders: str | Path, **options: Any) -> list[RawResults]:
    """Folders of one tracker's results, one for each run; `options` are those of `RawResults`."""
    single = len(folders) == 1
    return [
        RawResults(display_name, Path(folder), None if single else run, **options) for run, folder in enumerate(folders)
    ]


def find_results(source: ResultSource, sequences: Collection[str]) -> dict[str, ResultFile]:
    """Result files of the sequences that have one.

    Raises InputError for `RawResults` whose folder is not there, or where two files could be the same sequence.
    """
    if isinstance(source, RawResults):
        return _find_raw(source, sequences)
    folder = source.results_dir
    names = set(os.listdir(folder)) if folder.is_dir() else set()
    others = _origin_without_record(folder, names)
    return {
        sequence: ResultFile(
            folder / f"{sequence}.txt",
            folder / f"{sequence}_time.txt" if f"{sequence}_time.txt" in names else None,
            folder / f"{sequence}_info.json" if f"{sequence}_info.json" in names else None,
            False if f"{sequence}_info.json" in names else others,
            origin_file=folder / ORIGIN_FILE,
        )
        for sequence in sequences
        if f"{sequence}.txt" in names and not is_side_file(sequence, names)
    }


def _origin_without_record(folder: Path, names: Collection[str]) -> bool | None:
    """Whether results of a folder, with files of these names, that have no record count from 1; None: unknown."""
    if "run.json" in names and not any(name.endswith("_info.json") for name in names):
        return False  # a run of this project whose records were left out
    try:
        text = (folder / ORIGIN_FILE).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {folder / ORIGIN_FILE}: {error}") from error
    if text not in ("0", "1"):
        raise InputError(f"{folder / ORIGIN_FILE}: expected 0 or 1, the number of the first pixel, found {text[:40]!r}")
    return text == "1"


def _find_raw(source: RawResults, sequences: Iterable[str]) -> dict[str, ResultFile]:
    folder, suffix = source.results_dir, f"_{1 if source.run_id is None else source.run_id + 1:03d}"
    if not folder.is_dir():
        raise InputError(f"expected the results of {source.display_name} in {folder}, which is no folder")
    paths = {path.stem: path for path in sorted(folder.glob("*.txt"))}
    if not paths:
        paths = {path.parent.name: path for path in sorted(folder.glob(f"*/*{suffix}.txt"))}
    by_name: dict[str, Path] = {}
    for stem, path in paths.items():
        if any(stem.endswith(side) and stem.removesuffix(side) in paths for side in _SIDE_FILES):
            continue
        if (other := by_name.setdefault(plain_name(stem), path)) is not path:
            raise InputError(f"{other} and {path} have the same name but for case and punctuation; remove one")
    others = _origin_without_record(folder, os.listdir(folder))
    found = {}
    for sequence in sequences:
        if boxes := next((by_name[name] for name in _plain_names(sequence) if name in by_name), None):
            time = boxes.with_name(f"{boxes.stem}_time.txt")
            is_own = boxes.with_name(f"{boxes.stem}_info.json").exists()
            one_based = (False if is_own else others) if source.one_based is None else source.one_based
            options = (one_based, source.lost_boxes, folder / ORIGIN_FILE)
            found[sequence] = ResultFile(boxes, time if time.exists() else None, None, *options)
    return found


def _plain_names(sequence: str) -> list[str]:
    """What a sequence may be called elsewhere, as plain names."""
    names = [plain_name(sequence)]
    names += [plain_name(sequence.removeprefix(prefix)) for prefix in _PREFIXES if sequence.startswith(prefix)]
    return names + [alias for name in names for alias in _ALIASES.get(name, ())]


def load_boxes(source: ResultSource, sequence: Sequence) -> tuple[ResultFile, Array]:
    """The result of a run on a sequence, and its boxes (M, 4), as many as the file has.

    Raises InputError where there is none, for a malformed file, and for one that is cut off.
    """
    file = find_results(source, [sequence.name]).get(sequence.name)
    if file is None:
        raise InputError(
            f"no result of sequence '{sequence.name}' in {source.results_dir}; run {source.display_name} on it first"
        )
    boxes = file.read_boxes(file.boxes.read_bytes(), sequence.pixel_origin)
    if file.info and file.is_cut_off(len(boxes), file.info.read_bytes()):
        raise InputError(
            f"{file.boxes}: expected the rows that {file.info.name} tells of, found {len(boxes)}; "
            "the result is damaged: run the tracker on the sequence again"
        )
    return file, boxes


def parse_boxes(content: bytes, path: Path, absent: bool = False) -> Array:
    """Rows `x y w h` of a result file as float64 (N, 4).

    Raises InputError naming the file and line for what is no such row; NaN is accepted with `absent` only.
    """
    boxes = _parse_fast(content, columns=4)
    return boxes if boxes is not None else read_boxes(path, absent=absent)


def parse_column(content: bytes, path: Path) -> Array:
    """One number a row -> float64 (N,). Raises InputError as `parse_boxes`."""
    numbers = _parse_fast(content, columns=1)
    return (numbers if numbers is not None else read_table(path, columns=1))[:, 0]


def _parse_fast(content: bytes, columns: int) -> Array | None:
    """Numbers (N, columns) of a clean file; None where anything is unusual, for the careful reader to judge."""
    import pandas

    if b"\r" in content:
        content = content.replace(b"\r\n", b"\n")
    if content.translate(None, delete=_PLAIN_BYTES):
        return None
    try:
        table = pandas.read_csv(
            io.BytesIO(content),
            sep="," if b"," in content else "\t",
            header=None,
            dtype=np.float64,
            skip_blank_lines=False,
            engine="c",
        )
    except ValueError:  # the base of all of pandas' parsing errors
        return None
    numbers = table.to_numpy()
    return numbers if numbers.shape[1] == columns and np.isfinite(numbers).all() else None


def read_info(content: bytes) -> dict[str, float]:
    """`fps` and `peak_memory` of the record beside a result, NaN where it does not say."""
    return _numbers(content, "fps", "peak_memory")


def _numbers(content: bytes, *keys: str) -> dict[str, float]:
    try:
        record = json.loads(content)
    except ValueError:
        record = None
    record = record if isinstance(record, dict) else {}
    return {key: _number(record.get(key)) for key in keys}


def _number(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else float("nan")
