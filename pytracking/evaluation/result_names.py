"""Names of result files, which sequences would get in each other's way, and where results go that give way.

Side files share a folder with the boxes of all sequences, so a sequence `walk_time` would have the file of the times of
`walk`. Names count as equal where a disk may hold them so: many ignore case, or how an accent is composed.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable, Iterable
from pathlib import Path

from ltr.common.errors import InputError
from ltr.common.files import create_atomic

SIDES = ("_time.txt", "_object_presence_scores.txt", "_flags.txt", "_info.json")
_STEMS = ("", *(Path(side).stem for side in SIDES))
AVOID_CLASH = "give another --results_path or another --runid, or rename the sequence"


def file_names(sequence: str) -> tuple[str, ...]:
    """Files of one sequence: boxes, times, scores, flags, record."""
    return (f"{sequence}.txt", *(f"{sequence}{side}" for side in SIDES))


def info_name(sequence: str) -> str:
    """File of the record of a sequence."""
    return f"{sequence}_info.json"


def stored_sequences(names: Iterable[str]) -> list[str]:
    """Sequences that have a record among the files of a folder."""
    return sorted(name.removesuffix("_info.json") for name in names if name.endswith("_info.json"))


def is_side_file(sequence: str, names: set[str]) -> bool:
    """Whether `<sequence>.txt`, which is among the files of a folder, is a side file of another sequence there."""
    if info_name(sequence) in names:
        return False
    owners = (sequence.removesuffix(stem) for stem in _STEMS[1:] if sequence.endswith(stem))
    return any(f"{owner}.txt" in names for owner in owners)


def folded(name: str) -> str:
    """A name as disks see it that ignore case and the composition of characters."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def aside_folder(folder: Path, number: int = 1) -> Path:
    """Where results of other data go that give way to new ones: `<folder>.replaced-data`, then `...-2` and so on."""
    return folder.with_name(f"{folder.name}.replaced-data" + (f"-{number}" if number > 1 else ""))


def set_aside(folder: Path, names: Iterable[str]) -> Path:
    """Move files or folders of results, in this order, to a folder beside; returns it. Raises OSError.

    That folder has the same `run.json`, and so is a folder of results itself.
    """
    moved = [name for name in names if (folder / name).exists()]
    number = 1
    while any((aside_folder(folder, number) / name).exists() for name in moved):
        number += 1
    place = aside_folder(folder, number)
    place.mkdir(exist_ok=True)
    create_atomic(place / "run.json", (folder / "run.json").read_text(encoding="utf-8"))
    for name in moved:
        os.replace(folder / name, place / name)
    return place


class TakenNames:
    """File names of the sequences of one folder."""

    def __init__(self, stored: Iterable[str] = (), fold: Callable[[str], str] = folded) -> None:
        """`stored`: sequences whose files are there already; names are the same that `fold` makes the same."""
        self._fold = fold
        self._owners = {fold(sequence + stem): sequence for sequence in stored for stem in _STEMS}

    @classmethod
    def of_folder(cls, folder: Path, names: Iterable[str]) -> TakenNames:
        """Names of the results in a folder, as its own disk sees them: OTB has a Basketball, VOT2018 a basketball."""
        ignores_case = (folder / "RUN.JSON").exists()
        return cls(stored_sequences(names), folded if ignores_case else str)

    def add(self, sequence: str) -> None:
        """Take the names of a sequence. Raises InputError as `check`."""
        self.check(sequence)
        self._owners |= {self._fold(sequence + stem): sequence for stem in _STEMS}

    def check(self, sequence: str) -> None:
        """Raise InputError where a file of the sequence is one of another's, and for what cannot name a file."""
        if not sequence or sequence.startswith(".") or set(sequence) & set("/\\\0"):
            raise InputError(f"'{sequence}' cannot name a file of results; rename the sequence")
        for stem in _STEMS:
            owner = self._owners.get(self._fold(sequence + stem), sequence)
            if owner != sequence:
                raise InputError(
                    f"sequences '{owner}' and '{sequence}' would share result files, on a disk that ignores case at "
                    f"least: {sequence}{stem}\n  {AVOID_CLASH}"
                )
