"""How the results of a report were made: what their run.json says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from collections.abc import Sequence as SequenceOf
from dataclasses import dataclass
from typing import Any

from ltr.common.files import flatten, read_record
from pytracking.analysis.report.tables import Column, Table
from pytracking.analysis.result_files import ResultSource

UNKNOWN = "unknown: no run.json"
NOTHING = "–"
HEADERS = {
    "parameters": "parameter file", "runs": "runs", "hash": "parameters hash", "seed": "seed", "device": "device",
    "versions": "versions",
}  # fmt: skip
COMMON = ("seed", "device", "versions")  # said once where they are the same for all trackers
SHOWN_DIFFERENCES = 60


@dataclass(frozen=True)
class Provenance:
    """What is known of the runs, and in which parameters the trackers differ."""

    runs: Table
    common: str  # what is the same for all trackers, and left out of the table
    differences: Table  # a row for each parameter that is not the same in all trackers


def provenance(trackers: Mapping[str, SequenceOf[ResultSource]]) -> Provenance:
    """Read the records of all runs; `trackers` gives the runs of each name in the report."""
    records = {name: [read_record(run.results_dir / "run.json") for run in runs] for name, runs in trackers.items()}
    rows = {name: _describe(runs, records[name]) for name, runs in trackers.items()}
    equal = [key for key in COMMON if len({row[key] for row in rows.values()}) == 1]
    keys = [key for key in HEADERS if key not in equal]
    columns = (Column("tracker", "tracker", "text"), *(Column(key, HEADERS[key], "text") for key in keys))
    table = Table(
        "How the results were made", columns, tuple((name, *(row[key] for key in keys)) for name, row in rows.items())
    )
    first = next(iter(rows.values()))
    common = ". ".join(f"{HEADERS[key].capitalize()}: {first[key]}" for key in equal if first[key] != NOTHING)
    return Provenance(table, common, _difference_table(records))


def _describe(runs: SequenceOf[ResultSource], records: SequenceOf[dict[str, Any]]) -> dict[str, str]:
    """Entries of HEADERS for the runs of one tracker."""
    environments = [record.get("environment", {}) for record in records]
    return {
        "parameters": "/".join(part for part in (runs[0].name, runs[0].parameter_name) if part),
        "runs": ", ".join(str(run.run_id) for run in runs if run.run_id is not None) or NOTHING,
        "hash": _distinct([str(record.get("hash", UNKNOWN)) for record in records]),
        "seed": _distinct([str(record["seed"]) for record in records if "seed" in record]),
        "device": _distinct(
            [str(e.get("device_name") or e.get("processor") or e.get("device", "")) for e in environments]
        ),
        "versions": _distinct([_versions(environment) for environment in environments]),
    }


def _versions(environment: Mapping[str, Any]) -> str:
    versions = environment.get("versions", {})
    return ", ".join(f"{name} {version}" for name, version in versions.items() if version)


def _distinct(texts: SequenceOf[str]) -> str:
    return "; ".join(dict.fromkeys(text for text in texts if text)) or NOTHING


def _difference_table(records: Mapping[str, SequenceOf[dict[str, Any]]]) -> Table:
    flat = {name: dict(flatten(runs[0].get("parameters", {}))) for name, runs in records.items() if runs[0]}
    names = list(dict.fromkeys(name for parameters in flat.values() for name in parameters))
    values = {name: [_shown(parameters, name) for parameters in flat.values()] for name in names}
    rows = tuple((name, *row) for name, row in values.items() if len(set(row)) > 1)
    columns = (Column("parameter", "parameter", "text"), *(Column(name, name, "text") for name in flat))
    return Table("Parameters that differ", columns, rows[:SHOWN_DIFFERENCES])


def _shown(parameters: Mapping[str, Any], name: str) -> str:
    return json.dumps(parameters[name]) if name in parameters else NOTHING
