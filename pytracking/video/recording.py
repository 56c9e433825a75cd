"""Files of what was tracked in a video, written frame by frame: an endless stream takes no memory.

Each target has the files of a sequence (`pytracking.evaluation.results`), named `video_<name>_<number>`, with a row for
every frame that was read; where the target was not tracked the row is NaN. `video_<name>_run.json` says what was
tracked, `video_<name>.mp4` is the video. A run replaces only an earlier one of the same frames, parameters and boxes
that was not longer; beside any other it is named `video_<name>-2`, `-3`, ...

While a run is under way its files are hidden and hold every row, so that a killed process loses none: the next run in
the same folder completes them.
"""

from __future__ import annotations

import contextlib
import datetime
import itertools
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ltr.common.claims import ClaimedError, claim, claim_file
from ltr.common.files import new_token, read_record, temporary_beside, write_atomic
from ltr.common.interruption import completing
from ltr.common.provenance import describe_environment
from pytracking.evaluation.results import ResultStore, UnwritableError
from pytracking.utils.video_writer import VideoWriter, recover_video
from pytracking.video.targets import Target, target_name

if TYPE_CHECKING:
    from pytracking.evaluation.tracker_setup import TrackerSetup

COLUMNS = ("", "_time", "_object_presence_scores", "_flags")
NOT_TRACKED = {"": "nan\tnan\tnan\tnan", "_time": "nan", "_object_presence_scores": "nan", "_flags": "absent"}
SAME_RUN = ("hash", "source", "fingerprint", "targets")  # entries of the record of runs that give the same boxes
_HIDDEN_RECORD = re.compile(r"\.(.+)_run\.([0-9a-f]{12})\.tmp\.json")


class Recording:
    """Files of a run, hidden until `close`, which gives them their names with what there is."""

    def __init__(
        self,
        setup: TrackerSetup,
        name: str,
        source: dict[str, str],  # of `describe_source`
        *,
        with_rows: bool = True,  # else there is only a video
        overwrite: bool = False,
    ) -> None:
        """With `overwrite`, results of other parameters are set aside.

        Raises InputError where the folder holds such results otherwise, or cannot be written.
        """
        store = ResultStore(setup)
        if set_aside := store.open(overwrite):
            print(f"results of other parameters were set aside: {set_aside}", file=sys.stderr)
        self._setup, self._name, self._with_rows = setup, name, with_rows
        self._files = _Files(store.folder, name, new_token())
        self._open: dict[int, _TargetFiles] = {}
        self._video: VideoWriter | None = None
        self._num_frames = 0
        self._record: dict[str, Any] = {
            "hash": store.hash,
            **source,
            "frames": 0,
            "frames_dropped": None,  # not known of a run that was killed
            "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "environment": describe_environment(setup.device),
            "targets": {},
            "rejected_updates": {},  # of each target's online learning, so far
        }
        self._claim = contextlib.ExitStack()
        with self._files.errors():
            self._claim.enter_context(claim(claim_file(self._files.record)))
            self._files.write_record(self._record)

    def open_video(self, fps: float, sources: Iterable[Path]) -> VideoWriter:
        """The video, which `close` completes. Raises InputError as VideoWriter."""
        self._video = VideoWriter(self._files.named(".mp4"), fps, sources, token=self._files.token)
        self._video.open()
        return self._video

    def add(self, targets: list[Target]) -> None:
        """One row for each target that ever was. Raises UnwritableError where there is no room."""
        present = {target.number: target for target in targets}
        with self._files.errors():
            for number in sorted(present):
                if str(number) not in self._record["targets"]:
                    self._begin(number, present[number])
            rejected = {str(number): target.output.get("rejected_updates") for number, target in present.items()}
            if not rejected.items() <= self._record["rejected_updates"].items():
                self._record["rejected_updates"] |= rejected
                self._files.write_record(self._record)
            if self._with_rows:
                for number, files in self._open.items():
                    files.add(present.get(number))
            self._num_frames += 1

    def close(self, num_dropped: int | None = None) -> tuple[str, list[Path]]:
        """Give the files their names; returns the name of the run, and the video and the files of boxes.

        Raises UnwritableError where they cannot be completed; the next run in the folder then tries it again.
        """
        with contextlib.ExitStack() as stack:
            stack.enter_context(self._files.errors())
            stack.enter_context(self._claim)
            stack.callback(self._publish, num_dropped)
            for files in self._open.values():
                stack.callback(files.close)
            if self._video is not None:
                stack.callback(self._video.close, self._files.hidden(".mp4"))
        return self._published

    def _publish(self, num_dropped: int | None) -> None:
        self._record |= {"frames": self._num_frames, "frames_dropped": num_dropped}
        self._published = self._files.publish(self._record)

    def _begin(self, number: int, target: Target) -> None:
        if target.image_size is not None:
            self._record.setdefault("image_size", list(target.image_size))
        self._record["targets"][str(number)] = {
            "first_frame": self._num_frames + 1,
            "init_bbox": [float(value) for value in target.output["target_bbox"]],
            "seed": self._setup.sequence_seed(target_name(self._name, number)),
        }
        self._files.write_record(self._record)
        if self._with_rows:
            self._open[number] = _TargetFiles(self._files, number, self._num_frames)


class _Files:
    """The files of one run, by the ends of their names."""

    def __init__(self, folder: Path, name: str, token: str) -> None:
        self.folder, self.name, self.token = folder, name, token
        self.record = self.hidden("_run.json")

    def named(self, end: str, name: str | None = None) -> Path:
        return self.folder / f"{name or self.name}{end}"

    def hidden(self, end: str) -> Path:
        return temporary_beside(self.named(end), self.token)

    def write_record(self, record: dict[str, Any]) -> None:
        write_atomic(self.record, json.dumps(record, indent=1) + "\n")

    def publish(self, record: dict[str, Any]) -> tuple[str, list[Path]]:
        """Give all hidden files their names, which are chosen now; returns the name, the video and the boxes."""
        video, shown = self.hidden(".mp4"), []
        with completing(), claim(self.folder / ".video.claim", wait=True):
            if "name" not in record:
                record["frames"] = self._trim(record["targets"], record["frames"])
                if not (video.exists() or any(self.hidden(f"_{number}.txt").exists() for number in record["targets"])):
                    self.record.unlink()  # it ended before its first frame
                    return self.name, []
                record["name"] = _free_name(self.folder, self.name, record)
                self.write_record(record)  # with the name: where this process is killed, another one goes on
            name = record["name"]
            about = {key: value for key, value in record.items() if key not in ("targets", "name")}
            rejected = record.get("rejected_updates", {})
            if video.exists():
                shown.append(self._show(".mp4", name))
            for number, target in record["targets"].items():
                if self.hidden(f"_{number}.txt").exists():
                    info = about | target | {"rejected_updates": rejected.get(number)}
                    write_atomic(self.named(f"_{number}_info.json", name), json.dumps(info, indent=1) + "\n")
                    for kind in reversed(COLUMNS):  # the boxes last, which means that all is there
                        path = self._show(f"_{number}{kind}.txt", name)
                    shown.append(path)
            self._show("_run.json", name)
        return name, shown

    def _show(self, end: str, name: str) -> Path:
        with contextlib.suppress(FileNotFoundError):  # shown already, by a process that was killed then
            os.replace(self.hidden(end), self.named(end, name))
        return self.named(end, name)

    def _trim(self, targets: dict[str, Any], frames: int) -> int:
        """Cut all columns to the rows that all of them have; returns their number, `frames` where there are no rows."""
        paths = {number: [self.hidden(f"_{number}{kind}.txt") for kind in COLUMNS] for number in targets}
        lengths = {}
        for number, columns in paths.items():
            found = [_row_ends(path) for path in columns if path.exists()]
            if found and (length := min(map(len, found))) and len(found) == len(columns):
                lengths[number] = length
        common = min(lengths.values(), default=frames)
        for number, columns in paths.items():
            for path in columns:
                if number in lengths:
                    os.truncate(path, _row_ends(path)[common - 1])
                else:  # killed before its first row
                    path.unlink(missing_ok=True)
        return common

    @contextlib.contextmanager
    def errors(self) -> Iterator[None]:
        """A full disk is told in one sentence."""
        try:
            yield
        except OSError as error:
            raise UnwritableError(
                f"cannot write to {self.folder}: {error.strerror or error}\n"
                "  free space or rights there; the rows until then are kept, and the next run there completes them"
            ) from error


class _TargetFiles:
    def __init__(self, files: _Files, number: int, frames_before: int) -> None:
        # Line by line, so that a process that is killed loses no row.
        self._columns: dict[str, IO[str]] = {
            kind: files.hidden(f"_{number}{kind}.txt").open("w", encoding="utf-8", buffering=1) for kind in COLUMNS
        }
        for kind, text in NOT_TRACKED.items():
            self._columns[kind].write(f"{text}\n" * frames_before)

    def add(self, target: Target | None) -> None:
        for kind, text in (NOT_TRACKED if target is None else _row(target.output, target.seconds)).items():
            self._columns[kind].write(f"{text}\n")

    def close(self) -> None:
        for file in self._columns.values():
            with contextlib.suppress(OSError):  # no room: the row that is incomplete is cut off
                file.close()


def _row(output: dict[str, Any], seconds: float) -> dict[str, str]:
    row = dict(NOT_TRACKED)
    row[""] = "\t".join(f"{float(value):.4f}" for value in output["target_bbox"])
    row["_time"] = f"{seconds:.6f}"
    if output.get("object_presence_score") is not None:
        row["_object_presence_scores"] = f"{float(output['object_presence_score']):.6f}"
    if output.get("flag") is not None:
        row["_flags"] = str(output["flag"])
    return row


def _row_ends(path: Path) -> list[int]:
    """Places after the complete lines of a file, in bytes."""
    with path.open("rb") as file:
        return list(itertools.accumulate(len(line) for line in file if line.endswith(b"\n")))


def _free_name(folder: Path, name: str, record: dict[str, Any]) -> str:
    """Name of a run beside the others: files of another one are not touched, on disks that ignore case either."""
    present = os.listdir(folder)
    record = json.loads(json.dumps(record))
    kinds = "|".join((*COLUMNS[1:], "_info"))
    for candidate in itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2))):
        pattern = re.compile(rf"{re.escape(candidate)}(_[0-9]+({kinds})?|_run)?\.(txt|json|mp4)", re.IGNORECASE)
        if not any(map(pattern.fullmatch, present)):
            return candidate
        old = read_record(folder / f"{candidate}_run.json")
        if all(old.get(key) == record[key] for key in SAME_RUN) and old.get("frames", 0) <= record["frames"]:
            return candidate
    raise AssertionError("the numbers have no end")


def recover_recordings(folder: Path) -> None:
    """Complete the files of runs that were killed, and say so; where there is no row and no frame, remove them.

    Raises UnwritableError where there is no room for it.
    """
    for path in sorted(folder.glob(".*_run.*.tmp.json")):
        if (match := _HIDDEN_RECORD.fullmatch(path.name)) is None:
            continue
        files = _Files(folder, *match.groups())
        with files.errors(), contextlib.suppress(ClaimedError), claim(claim_file(path)):  # else it is under way
            _recover(files)


def _recover(files: _Files) -> None:
    record = read_record(files.record)
    if "targets" not in record:
        print(f"{files.record} is damaged; the rows of its run are in {files.hidden('_*.txt')}", file=sys.stderr)
        return
    video = files.hidden(".mp4")
    claim_file(video).unlink(missing_ok=True)
    num_shown = recover_video(video) if video.exists() else 0
    record["frames"] = record["frames"] or num_shown
    name, shown = files.publish(record)
    if shown:
        print(f"completed what a killed run left: {files.folder / name}, {record['frames']} frames", file=sys.stderr)
