"""Files of what was tracked in a video, written frame by frame: an endless stream takes no memory.

Each target has the files of a sequence (`pytracking.evaluation.results`), named `video_<name>_<number>`, with a row for
every frame that was read; where the target was not tracked the row is NaN.
"""

from __future__ import annotations

import datetime
import json
import os
import re
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ltr.admin.provenance import describe_environment
from pytracking.evaluation.results import ResultStore
from pytracking.utils.files import temporary_beside, write_atomic
from pytracking.video.targets import Target, target_name

if TYPE_CHECKING:
    from pytracking.evaluation.tracker import Tracker

COLUMNS = ("", "_time", "_object_presence_scores", "_flags")
NOT_TRACKED = {"": "nan\tnan\tnan\tnan", "_time": "nan", "_object_presence_scores": "nan", "_flags": "absent"}


class Recording:
    """Result files of a video; complete, with what there is, after `close`."""

    def __init__(self, setup: Tracker, name: str, source: str) -> None:
        """Raises InputError where the folder holds results of other parameters or cannot be written."""
        self._store = ResultStore(setup)
        self._store.open()
        self._setup = setup
        self._name = name
        self._source = source
        self._files: dict[int, _TargetFiles] = {}
        self._num_frames = 0
        self._remove_old()

    def add(self, targets: list[Target]) -> None:
        """One row for each target that ever was."""
        present = {target.number: target for target in targets}
        for number in present.keys() - self._files.keys():
            stem = self._store.folder / target_name(self._name, number)
            self._files[number] = _TargetFiles(stem, self._num_frames)
        for number, files in self._files.items():
            files.add(present.get(number))
        self._num_frames += 1

    def close(self, num_dropped: int = 0) -> list[Path]:
        """Give the files their names; returns those of the boxes."""
        paths = []
        for number, files in self._files.items():
            paths.append(files.close())
            record = {
                "hash": self._store.record["hash"],
                "source": self._source,
                "frames": self._num_frames,
                "frames_dropped": num_dropped,
                "first_frame": files.first_frame,
                "seed": self._setup.sequence_seed(target_name(self._name, number)),
                "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
                "environment": describe_environment(self._setup.device),
            }
            write_atomic(files.path("_info", ".json"), json.dumps(record, indent=1) + "\n")
        self._files = {}
        return paths

    def _remove_old(self) -> None:
        """Files of an earlier run, which may have had more targets."""
        kinds = "|".join(kind for kind in (*COLUMNS[1:], "_info"))
        pattern = re.compile(rf"{re.escape(self._name)}_[0-9]+({kinds})?\.(txt|json)")
        for path in list(self._store.folder.iterdir()):
            if pattern.fullmatch(path.name):
                path.unlink(missing_ok=True)


class _TargetFiles:
    def __init__(self, stem: Path, frames_before: int) -> None:
        self._stem = stem
        self.first_frame = frames_before + 1
        self._temporaries = {kind: temporary_beside(self.path(kind)) for kind in COLUMNS}
        self._open: dict[str, IO[str]] = {
            kind: temporary.open("w", encoding="utf-8") for kind, temporary in self._temporaries.items()
        }
        for _ in range(frames_before):
            self._write(NOT_TRACKED)

    def path(self, kind: str, suffix: str = ".txt") -> Path:
        return self._stem.with_name(f"{self._stem.name}{kind}{suffix}")

    def add(self, target: Target | None) -> None:
        self._write(NOT_TRACKED if target is None else self._row(target.output, target.seconds))

    def _row(self, output: dict[str, Any], seconds: float) -> dict[str, str]:
        row = dict(NOT_TRACKED)
        row[""] = "\t".join(f"{float(value):.4f}" for value in output["target_bbox"])
        row["_time"] = f"{seconds:.6f}"
        if output.get("object_presence_score") is not None:
            row["_object_presence_scores"] = f"{float(output['object_presence_score']):.6f}"
        if output.get("flag") is not None:
            row["_flags"] = str(output["flag"])
        return row

    def _write(self, row: dict[str, str]) -> None:
        for kind, text in row.items():
            self._open[kind].write(f"{text}\n")

    def close(self) -> Path:
        for kind, file in self._open.items():
            file.close()
            os.replace(self._temporaries[kind], self.path(kind))
        return self.path("")
