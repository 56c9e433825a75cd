"""Whether speeds can be compared: the records of results say on what, and beside what, they were measured."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from collections.abc import Sequence as SequenceOf
from typing import Any

import numpy as np

from ltr.common.files import read_record
from pytracking.analysis.result_files import ResultSource

NOT_RECORDED = "not recorded"
SAME_LOAD = 1.0  # processes: averages over a minute that differ by less tell nothing

Environment = Mapping[str, Any]  # of `describe_environment`


def _device(environment: Environment) -> str:
    names = [environment.get("device_name"), environment.get("processor")]  # a GPU is fed by its processor
    return " with ".join(str(name) for name in names if name) or NOT_RECORDED


def _count(key: str) -> Callable[[Environment], str]:
    return lambda environment: str(environment.get(key, NOT_RECORDED))


_CONDITIONS: dict[str, Callable[[Environment], str]] = {
    "device": _device,
    "threads": _count("torch_threads"),
    "processes at a time": _count("workers"),
}


def speed_notices(trackers: Mapping[str, SequenceOf[ResultSource]], sequences: SequenceOf[str]) -> list[str]:
    """What keeps the fps of trackers, given with their runs, from being compared; one sentence, or none.

    Told are other devices, numbers of threads, processes that ran at the same time, loads of the machine and versions,
    between trackers or within one, as the record of each result on the sequences has them.
    """
    found = {name: list(_environments(runs, sequences)) for name, runs in trackers.items()}
    known = {name: environments for name, environments in found.items() if environments}
    without = [name for name in found if name not in known]
    parts = [f"no records of {', '.join(without)}"] if known and without else []
    for what, of in _CONDITIONS.items():
        parts += _differing(what, {name: map(of, environments) for name, environments in known.items()})
    parts += _differing_load({name: _mean_load(environments) for name, environments in known.items()})
    packages = dict.fromkeys(p for environments in known.values() for e in environments for p in _versions(e))
    for package in packages:
        versions = {
            name: (str(_versions(e).get(package) or NOT_RECORDED) for e in environments)
            for name, environments in known.items()
        }
        parts += _differing(package, versions)
    if not parts:
        return []
    return [f"fps were measured under different conditions, compare them with care: {', '.join(parts)}."]


def _environments(runs: Iterable[ResultSource], sequences: Iterable[str]) -> Iterable[Environment]:
    for run in runs:
        for sequence in sequences:
            environment = read_record(run.results_dir / f"{sequence}_info.json").get("environment")
            if isinstance(environment, dict):
                yield environment


def _versions(environment: Environment) -> Mapping[str, Any]:
    versions = environment.get("versions")
    return versions if isinstance(versions, dict) else {}


def _differing(what: str, values: Mapping[str, Iterable[str]]) -> list[str]:
    """`what (tracker: values; ...)` where not all values are the same."""
    distinct = {name: tuple(dict.fromkeys(given)) for name, given in values.items()}
    if len({value for given in distinct.values() for value in given}) < 2:
        return []
    listed = (f"{name}: {', '.join(sorted(given))}" for name, given in distinct.items())
    return [f"{what} ({'; '.join(listed)})"]


def _mean_load(environments: SequenceOf[Environment]) -> float:
    loads = [e["load_average"] for e in environments if isinstance(e.get("load_average"), (int, float))]
    return float(np.mean(loads)) if loads else float("nan")


def _differing_load(loads: Mapping[str, float]) -> list[str]:
    known = {name: load for name, load in loads.items() if np.isfinite(load)}
    if len(known) < 2 or max(known.values()) - min(known.values()) < SAME_LOAD:
        return []
    return [f"load of the machine ({'; '.join(f'{name}: {load:.1f}' for name, load in known.items())})"]
