"""Files that vot-toolkit reads: `trackers.ini`, and a workspace with sequences in its own layout."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence as SequenceOf
from pathlib import Path

from ltr.common.environment import PROJECT
from ltr.common.errors import InputError
from ltr.common.files import create_atomic, write_atomic
from pytracking.evaluation.data import Sequence
from pytracking.evaluation.tracker import Tracker
from pytracking.VOT.experiment import tracker_id
from pytracking.VOT.regions import format_row
from pytracking.VOT.sequences import vot_sequence

TIMEOUT = 300  # seconds that the toolkit waits for an answer; its 30 are too few for a first frame on a CPU


def trackers_ini(trackers: SequenceOf[Tracker], python: str | None = None, timeout: int = TIMEOUT) -> str:
    """Content of `trackers.ini` for vot-toolkit: each tracker runs in this Python, or in another.

    Raises InputError for unknown trackers and parameter files, and for two of the same name.
    """
    sections: dict[str, str] = {}
    for tracker in trackers:
        tracker.get_parameters()
        identifier = tracker_id(tracker)
        if identifier in sections:
            raise InputError(f"two trackers are called '{identifier}'; give them different names")
        call = ", ".join(repr(value) for value in (tracker.name, tracker.parameter_name))
        lines = [
            f"[{identifier}]",
            f"label = {tracker.display_name}",
            "protocol = traxpython",
            f"command = import pytracking.run_vot as run_vot; run_vot.run_vot({call})",
            f"paths = {PROJECT}",
            f"python = {python or sys.executable}",
            f"timeout = {timeout}",
        ]
        # The toolkit runs trackers in folders of its own; paths that are set here must be set there.
        environment = {key: value for key, value in sorted(os.environ.items()) if key.startswith("PYTRACKING_")}
        lines += [f"env_{key} = {value}" for key, value in environment.items()]
        sections[identifier] = "\n".join(lines)
    return "\n\n".join(sections.values()) + "\n"


def write_workspace(
    folder: Path,
    sequences: SequenceOf[Sequence],
    trackers: SequenceOf[Tracker],
    stack: str = "vot2018/shortterm",
) -> None:
    """Make a workspace of vot-toolkit: configuration, trackers, and sequences whose images are linked, not copied.

    A configuration that is there is left alone. Raises InputError for sequences that cannot be used.
    """
    folder.mkdir(parents=True, exist_ok=True)
    create_atomic(folder / "config.yaml", f"registry:\n- ./trackers.ini\nsequences: ./sequences\nstack: {stack}\n")
    write_atomic(folder / "trackers.ini", trackers_ini(trackers))
    for sequence in sequences:
        _write_sequence(folder / "sequences" / sequence.native_name, sequence)
    names = [sequence.native_name for sequence in sequences]
    write_atomic(folder / "sequences" / "list.txt", "".join(f"{name}\n" for name in names))


def _write_sequence(folder: Path, sequence: Sequence) -> None:
    sequence.check()
    prepared = vot_sequence(sequence)
    (folder / "color").mkdir(parents=True, exist_ok=True)
    for number, frame in enumerate(sequence.frames, start=1):
        link = folder / "color" / f"{number:08d}{frame.suffix}"
        link.unlink(missing_ok=True)
        link.symlink_to(frame.absolute())
    truth = prepared.truth
    rows = ("nan,nan,nan,nan" if kind < 4 else format_row(truth.row(i)) for i, kind in enumerate(truth.kinds))
    write_atomic(folder / "groundtruth.txt", "".join(f"{row}\n" for row in rows))
    width, height = prepared.size
    entries = {
        "channels.color": f"color/%08d{sequence.frames[0].suffix}",
        "format": "default",
        "fps": 20,
        "width": width,
        "height": height,
        "length": len(sequence),
        "name": sequence.native_name,
    }
    write_atomic(folder / "sequence", "".join(f"{key}={value}\n" for key, value in entries.items()))
