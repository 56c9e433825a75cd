"""The report as one HTML file that needs nothing else: no network, no other file."""

from __future__ import annotations

import html
import json
from importlib import resources
from string import Template
from typing import Any

import numpy as np

from ltr.common.types import Array
from pytracking.analysis.evaluation import Evaluation
from pytracking.analysis.report.plots import PLOTS, curves
from pytracking.analysis.report.report import Report
from pytracking.analysis.report.scores import METRICS, SEQUENCE_METRICS
from pytracking.analysis.report.strips import Strip
from pytracking.analysis.report.style import color, dashes
from pytracking.analysis.report.tables import Table, as_number, format_value, json_number

SCRIPTS = ("core.js", "tables.js", "plots.js", "strips.js", "main.js")  # in this order
DASH_UNIT = 2  # width of a curve on the page
ALL = "all"


def html_page(report: Report) -> str:
    """The page of a report."""
    # "<" could end the script element that holds the data.
    data = json.dumps(page_data(report), separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    return Template(_file("template.html")).substitute(
        title=html.escape(report.title),
        subtitle=html.escape(report.subtitle),
        css=_file("page.css"),
        data=data,
        script='"use strict";\n(() => {\n' + "\n".join(_file(name) for name in SCRIPTS) + "})();",
    )


def _file(name: str) -> str:
    return resources.files("pytracking.analysis.report").joinpath("page", name).read_text(encoding="utf-8")


def page_data(report: Report) -> dict[str, Any]:
    """What the page shows, as JSON data."""
    evaluation = report.evaluation
    titles = {ALL: "all sequences", **report.attribute_titles}
    parts = {ALL: evaluation} | evaluation.per_attribute(report.attributes)
    return {
        "trackers": [
            {"name": tracker.name, "color": color(rank), "dash": " ".join(f"{DASH_UNIT * d:g}" for d in dashes(rank))}
            for rank, tracker in enumerate(evaluation.trackers)
        ],
        "groups": {name: f"{titles.get(name, name)} ({len(part.sequences)})" for name, part in parts.items()},
        "metrics": {key: f"{METRICS[key].header}: {METRICS[key].help}" for key in SEQUENCE_METRICS},
        "plots": [_plot(kind, parts) for kind in PLOTS],
        "radar": _radar(report, parts),
        "comparison": _comparison(report),
        "tables": {
            "summary": table_data(report.summary),
            "sequences": {metric: table_data(table) for metric, table in report.sequence_tables.items()},
            "long_term": report.long_term and table_data(report.long_term),
            "attributes": report.attribute_table and table_data(report.attribute_table),
            "comparison": report.comparison and table_data(report.comparison),
            "runs": table_data(report.provenance.runs),
            "differences": table_data(report.provenance.differences),
        },
        "strips": [strip_data(strip) for strip in report.strips],
        "strip_problems": report.strip_problems,
        "rules": report.definitions,
        "common": report.provenance.common,
        "notes": report.notes,
        "notices": report.notices,
    }


def table_data(table: Table) -> dict[str, Any]:
    """A table with its cells as (text, number to sort by, whether it is best)."""
    best = table.best_cells()
    return {
        "title": table.title,
        "last_is_mean": table.last_is_mean,
        "columns": [{"header": c.header, "kind": c.kind, "help": c.help} for c in table.columns],
        "rows": [
            [
                (format_value(value, column.kind), _number(as_number(value)), (r, c) in best)
                for c, (value, column) in enumerate(zip(row, table.columns, strict=True))
            ]
            for r, row in enumerate(table.rows)
        ],
    }


def _plot(kind: str, parts: dict[str, Evaluation]) -> dict[str, Any]:
    plot = PLOTS[kind]
    first = next(iter(parts.values()))
    return {
        "kind": kind,
        "title": plot.title,
        "xlabel": plot.xlabel,
        "ylabel": plot.ylabel,
        "score_title": plot.legend_title,
        "reading": plot.reading,
        "x": _numbers(plot.thresholds(first)),
        "groups": {
            name: [
                {"values": _numbers(curve.values), "score": _number(curve.score)}
                for curve in sorted(curves(part, kind), key=lambda curve: curve.rank)
            ]
            for name, part in parts.items()
        },
    }


def _radar(report: Report, parts: dict[str, Evaluation]) -> dict[str, Any] | None:
    names = [name for name in parts if name != ALL]
    if not names:
        return None
    scores = [
        [_number(parts[name].trackers[rank].mean(parts[name].trackers[rank].auc)) for name in names]
        for rank in range(len(report.evaluation.trackers))
    ]
    return {"names": names, "titles": [report.attribute_titles.get(name, name) for name in names], "scores": scores}


def _comparison(report: Report) -> list[list[tuple[int, float, float, float, str]]] | None:
    """For each tracker, the others' differences to it with intervals, best first."""
    if not report.pairs:
        return None
    ranks = {tracker.name: rank for rank, tracker in enumerate(report.evaluation.trackers)}
    others: list[list[tuple[int, float, float, float, str]]] = [[] for _ in ranks]
    for pair in report.pairs:
        first, second, difference = ranks[pair.first], ranks[pair.second], pair.difference
        for rank, reference, sign in ((first, second, 1), (second, first, -1)):
            low, high = sorted((sign * difference.low, sign * difference.high))
            values = [_number(value) for value in (sign * difference.mean, low, high)]
            shown = [format_value(value, "signed_share") for value in values]
            text = f"{shown[0]} [{shown[1]}, {shown[2]}], p {format_value(pair.p_value, 'p_value')}"
            others[reference].append((rank, *values, text))
    return [sorted(entries) for entries in others]


def strip_data(strip: Strip) -> dict[str, Any]:
    """A film strip, its images as addresses that hold them."""
    return {
        "sequence": strip.sequence,
        "scores": [_number(score) for score in strip.scores],
        "length": strip.length,
        "timeline": [_numbers(row, digits=3) for row in strip.timeline],
        "frames": [
            {
                "number": frame.number,
                "image": frame.data_uri,
                "region": frame.region,
                "zoomed": frame.zoomed,
                "ground_truth": frame.ground_truth,
                "boxes": frame.boxes,
                "overlaps": frame.overlaps,
            }
            for frame in strip.frames
        ],
    }


def _numbers(values: Array, digits: int = 5) -> list[float | None]:
    return [_number(float(value), digits) for value in np.asarray(values)]


def _number(value: float, digits: int = 6) -> Any:
    return json_number(round(value, digits) if np.isfinite(value) else value)
