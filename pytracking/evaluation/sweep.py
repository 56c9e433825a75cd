"""Sweeps as data: which trackers run on which data sets, how often, with which parameters changed.

    title = "Table 4: ..."
    runs = 20                               # or a list of run numbers; 0 runs: one without a number
    seed = 0
    present_only = false                    # true: data sets and sequences that are not here are named and skipped

    [[part]]
    datasets = ["lasot"]
    sequences = ["airplane-1"]              # optional: these only
    trackers = [
        "RLS-DiMP = dimp:rls_dimp50",       # the name in tables is optional
        { name = "β 0.99", tracker = "dimp", parameters = "rls_dimp50", overrides = { rls_beta = 0.99 }, runs = 5 },
        { tracker = "dimp", parameters = "rls_dimp50", grid = { online_step_length = [1e-3, 1e-2] } },
    ]

Results of changed parameters go to `<parameters>+<label>[_<run>]`; without a label, a hash stands for the changes.
"""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Iterator, Mapping
from collections.abc import Sequence as SequenceOf
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ltr.common.environment import CONFIGS
from ltr.common.errors import InputError, nearest, unknown_name
from pytracking.evaluation.data import SequenceList
from pytracking.evaluation.datasets import DATASETS, load_sequences, unknown_dataset
from pytracking.evaluation.planning import Part
from pytracking.evaluation.tracker import Tracker

SWEEPS = CONFIGS / "sweeps"
NAMED_MISSING = 5  # missing sequences that a message names

_SWEEP_KEYS = {"title": str, "runs": (int, list), "seed": int, "present_only": bool, "command": str, "part": list}
_PART_KEYS = {
    "datasets": list, "trackers": list, "sequences": list, "otherwise": list, "runs": (int, list),
}  # fmt: skip
_TRACKER_KEYS = {
    "name": str, "tracker": str, "parameters": str, "label": str, "overrides": dict, "grid": dict,
    "runs": (int, list), "seed": int,
}  # fmt: skip
_KINDS = {str: "a text", int: "a number", bool: "true or false", list: "a list", dict: "a table"}


@dataclass(frozen=True)
class SweepTracker:
    """A tracker of a sweep, in all its runs."""

    name: str  # in tables
    tracker: str
    parameters: str
    runs: tuple[int | None, ...]
    seed: int = 0
    overrides: Mapping[str, Any] = field(default_factory=dict)
    label: str | None = None
    where: str = field(default="", compare=False)  # in the sweep file, for messages

    def check(self, results_path: Path | None, device: str | None) -> None:
        """Raise InputError, naming the place in the sweep file, for unknown names and values out of range."""
        try:
            self.trackers(results_path, device)[0].get_parameters()
        except InputError as error:
            raise InputError(f"{self.where}: {error}" if self.where else str(error)) from error

    def trackers(self, results_path: Path | None = None, device: str | None = None) -> list[Tracker]:
        """One tracker for each run."""
        return [
            Tracker(
                self.tracker,
                self.parameters,
                run,
                seed=self.seed,
                device=device,
                results_path=results_path,
                overrides=self.overrides,
                label=self.label,
            )
            for run in self.runs
        ]


@dataclass(frozen=True)
class SweepPart:
    """Trackers that run on the same data sets."""

    datasets: tuple[str, ...]
    trackers: tuple[SweepTracker, ...]
    sequences: tuple[str, ...] | None = None  # None: all
    otherwise: tuple[str, ...] = ()  # data sets for when none of `datasets` is here

    def load(self, present_only: bool) -> tuple[dict[str, SequenceList], list[str]]:
        """Sequences by data set, and what is said of those that are not here.

        Raises InputError for a data set that is not here, unless `present_only`, and for an unknown sequence.
        """
        notes: list[str] = []
        loaded = _load_all(self.datasets, present_only, notes)
        if not loaded and self.otherwise:
            notes.append(f"none of {', '.join(self.datasets)} is here: {', '.join(self.otherwise)} in their place")
            loaded = _load_all(self.otherwise, present_only, notes)
        if self.sequences is not None:
            loaded = _choose(loaded, self.sequences)
        kept = {name: _present(name, sequences, present_only, notes) for name, sequences in loaded.items()}
        return {name: sequences for name, sequences in kept.items() if sequences}, notes


@dataclass(frozen=True)
class Sweep:
    """What a sweep file says."""

    name: str
    title: str
    parts: tuple[SweepPart, ...]
    present_only: bool = False
    command: str = ""  # of a sweep that another program runs

    def load(
        self,
        *,
        present_only: bool | None = None,  # None: what the file says
        results_path: Path | None = None,
        device: str | None = None,
    ) -> tuple[list[Part], list[str]]:
        """Trackers and sequences, and what is left out because it is not here.

        Raises InputError for unknown names and parameters, and for data that is not here, unless it may be left out.
        """
        if self.command:
            raise InputError(f"sweep {self.name} is not run by this command\n{self.command.strip()}")
        only = self.present_only if present_only is None else present_only
        parts: list[Part] = []
        notes: list[str] = []
        for part in self.parts:
            trackers = [t for entry in part.trackers for t in entry.trackers(results_path, device)]
            for entry in part.trackers:
                entry.check(results_path, device)  # before data sets are searched
            by_dataset, said = part.load(only)
            notes += said
            if by_dataset:
                parts.append(Part(trackers, SequenceList(itertools.chain(*by_dataset.values()))))
        if not parts:
            raise InputError("\n".join([f"nothing to run for sweep {self.name}:", *(f"  {note}" for note in notes)]))
        return parts, list(dict.fromkeys(notes))


def list_sweeps(folder: Path = SWEEPS) -> dict[str, Path]:
    """Sweep files by name."""
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def read_sweep(name: str, folder: Path = SWEEPS) -> Sweep:
    """A sweep by its name or by its file. Raises InputError for an unknown name and for a file that says nonsense."""
    path = Path(name).expanduser()
    if path.suffix != ".toml" or not path.is_file():
        known = list_sweeps(folder)
        if path.name.removesuffix(".toml") not in known:
            raise unknown_name("sweep", name, known)
        path = known[path.name.removesuffix(".toml")]
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    return _read(content, path)


def _read(content: dict[str, Any], path: Path) -> Sweep:
    _check(content, _SWEEP_KEYS, str(path))
    parts = content.get("part", [])
    common = {"runs": content.get("runs", 0), "seed": content.get("seed", 0)}
    if not parts and "command" not in content:
        raise InputError(f"{path}: expected at least one [[part]] with datasets and trackers, found none")
    return Sweep(
        path.stem,
        content.get("title", path.stem),
        tuple(_read_part(part, common, f"{path}, part {number}") for number, part in enumerate(parts, start=1)),
        content.get("present_only", False),
        content.get("command", ""),
    )


def _read_part(content: Any, common: Mapping[str, Any], where: str) -> SweepPart:
    _check(content, _PART_KEYS, where, required=("datasets", "trackers"))
    common = {**common, **{key: content[key] for key in ("runs",) if key in content}}
    for name in (*content["datasets"], *content.get("otherwise", ())):
        if str(name).partition(":")[0].lower() not in DATASETS:
            raise InputError(f"{where}: {unknown_dataset(str(name).partition(':')[0])}")
    trackers = [entry for item in content["trackers"] for entry in _read_trackers(item, common, where)]
    names = [entry.name for entry in trackers]
    if repeated := [name for name in names if names.count(name) > 1]:
        raise InputError(f"{where}: two trackers are called '{repeated[0]}'; give them different names")
    chosen = content.get("sequences")
    return SweepPart(
        tuple(content["datasets"]),
        tuple(trackers),
        None if chosen is None else tuple(chosen),
        tuple(content.get("otherwise", ())),
    )


def _read_trackers(item: Any, common: Mapping[str, Any], where: str) -> Iterator[SweepTracker]:
    if isinstance(item, str):
        shown, _, what = item.rpartition("=")
        tracker, colon, parameters = what.strip().partition(":")
        if not (tracker and colon and parameters):
            raise InputError(f"{where}: expected a tracker as 'tracker:parameters', found '{item}'")
        item = {"tracker": tracker, "parameters": parameters, **({"name": shown.strip()} if shown else {})}
    where = f"{where}, tracker {item.get('parameters', item) if isinstance(item, dict) else item}"
    _check(item, _TRACKER_KEYS, where, required=("tracker", "parameters"))
    grid = item.get("grid", {})
    if "label" in item and grid:
        raise InputError(f"{where}: expected either a label or a grid, found both; each point gets its own name")
    for values in itertools.product(*(_points(name, values, where) for name, values in grid.items())):
        point = dict(zip(grid, values, strict=True))
        overrides = {**item.get("overrides", {}), **point}
        told = point if "name" in item else overrides
        name = item.get("name", f"{item['tracker']} {item['parameters']}")
        yield SweepTracker(
            ", ".join([name, *(f"{key} {value}" for key, value in told.items())]),
            item["tracker"],
            item["parameters"],
            _runs(item.get("runs", common["runs"]), where),
            item.get("seed", common["seed"]),
            overrides,
            item.get("label"),
            where,
        )


def _points(name: str, values: Any, where: str) -> list[Any]:
    if not isinstance(values, list) or not values:
        raise InputError(f"{where}: grid.{name}: expected a list of values, found {values!r}")
    return values


def _runs(value: int | list[Any], where: str) -> tuple[int | None, ...]:
    if isinstance(value, int) and value < 0:
        raise InputError(f"{where}: runs: expected a number of 0 or more, or a list of run numbers, found {value}")
    runs = list(range(value)) if isinstance(value, int) else value
    if any(isinstance(run, bool) or not isinstance(run, int) or run < 0 for run in runs) or len(set(runs)) < len(runs):
        raise InputError(f"{where}: runs: expected a number of runs or a list of different run numbers, found {value}")
    return tuple(runs) or (None,)


def _check(content: Any, known: Mapping[str, Any], where: str, required: SequenceOf[str] = ()) -> None:
    """Raise InputError for anything but a table with these keys and kinds."""
    if not isinstance(content, dict):
        raise InputError(f"{where}: expected a table, found {content!r}")
    for key, value in content.items():
        if key not in known:
            raise InputError(f"{where}: unknown key '{key}'{nearest(key, known)}\n  known: {', '.join(known)}")
        kinds = known[key] if isinstance(known[key], tuple) else (known[key],)
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise InputError(f"{where}: {key}: expected {' or '.join(_KINDS[kind] for kind in kinds)}, found {value!r}")
    if missing := [key for key in required if key not in content]:
        raise InputError(f"{where}: expected the key '{missing[0]}', found {', '.join(content) or 'nothing'}")


def _load_all(names: SequenceOf[str], present_only: bool, notes: list[str]) -> dict[str, SequenceList]:
    loaded = {}
    for name in names:
        try:
            loaded[name] = load_sequences(name)
        except InputError as error:
            if not present_only:
                raise
            notes.append(f"data set {name} is not here and is left out: {str(error).splitlines()[0]}")
    return loaded


def _choose(loaded: dict[str, SequenceList], names: SequenceOf[str]) -> dict[str, SequenceList]:
    """Of each data set the named sequences. Raises InputError for a name that is in none."""
    everything = SequenceList(itertools.chain(*loaded.values()))
    chosen = {id(everything[name]) for name in names}
    return {key: SequenceList(s for s in sequences if id(s) in chosen) for key, sequences in loaded.items()}


def _present(name: str, sequences: SequenceList, present_only: bool, notes: list[str]) -> SequenceList:
    missing = [sequence.native_name for sequence in sequences if not sequence.is_present()]
    if not missing:
        return sequences
    named = ", ".join(missing[:NAMED_MISSING]) + (", ..." if len(missing) > NAMED_MISSING else "")
    rest = "left out" if present_only else "will fail; --present-only leaves them out"
    notes.append(f"{len(missing)} of {len(sequences)} sequences of {name} are not here ({named}): {rest}")
    return SequenceList(s for s in sequences if s.is_present()) if present_only else sequences
