"""Tables, differences and a plot of what was measured.

A row is one learner on one sequence with one seed. Seeds are averaged first; sequences are what is drawn in the
bootstrap, the same ones for both learners of a difference.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Sequence as SequenceOf
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.retention.measure import KINDS, VALUES
from ltr.common.types import Array
from pytracking.analysis.comparison import bootstrap_interval, wilcoxon_p_value

Row = dict[str, Any]
MEASURES = tuple(f"{kind}_{value}" for kind in KINDS for value in VALUES)
MOVES = 0.99  # a sequence moves where the filter of the first frame alone is right on fewer of the frames
TITLES = {"next": "next", "earlier": "earlier", "dropped": "no longer stored"}
GROUPS = {
    "all": "sequences in which no appearance is made to return",
    "moving": f"of these, those on which the first frame's filter alone is right on less than {MOVES:.0%}",
    "return": "sequences in which an early appearance returns late",
}


def score(means: dict[str, float]) -> float:
    """By what settings are chosen: the mean of the shares of right peaks on the next and on the earlier frames."""
    return (means["next_right"] + means["earlier_right"]) / 2


def groups_of(rows: SequenceOf[Row]) -> dict[str, list[str]]:
    """Sequences by group, those without any left out."""
    returns = {row["sequence"] for row in rows if row["returns"]}
    every = [name for name in dict.fromkeys(row["sequence"] for row in rows) if name not in returns]
    first = {name: np.mean([row["first_right"] for row in rows if row["sequence"] == name]) for name in every}
    found = {"all": every, "moving": [name for name in every if first[name] < MOVES], "return": sorted(returns)}
    return {name: sequences for name, sequences in found.items() if sequences}


def by_sequence(rows: SequenceOf[Row], learner: str, measure: str) -> dict[str, float]:
    """Mean over the seeds, of each sequence on which the measure exists."""
    values: dict[str, list[float]] = {}
    for row in rows:
        if row["learner"] == learner and not math.isnan(row[measure]):
            values.setdefault(row["sequence"], []).append(row[measure])
    return {name: float(np.mean(numbers)) for name, numbers in values.items()}


def summarize(rows: SequenceOf[Row], sequences: SequenceOf[str]) -> dict[str, dict[str, Any]]:
    """Of each learner: mean and interval of each measure, the share of updates that raised the loss, fps."""
    found: dict[str, dict[str, Any]] = {}
    for learner in dict.fromkeys(row["learner"] for row in rows):
        own = [row for row in rows if row["learner"] == learner and row["sequence"] in sequences]
        entry: dict[str, Any] = {measure: _interval(_values(own, learner, measure, sequences)) for measure in MEASURES}
        entry["rose"] = sum(row["rose"] for row in own) / sum(row["updates"] for row in own)
        entry["fps"] = sum(row["frames"] for row in own) / sum(row["seconds"] for row in own)
        entry["learning_fps"] = sum(row["frames"] for row in own) / sum(row["learning_seconds"] for row in own)
        found[learner] = entry
    return found


def _values(rows: SequenceOf[Row], learner: str, measure: str, sequences: SequenceOf[str]) -> Array:
    each = by_sequence(rows, learner, measure)
    return np.array([each[name] for name in sequences if name in each])


def _interval(values: Array) -> dict[str, float] | None:
    """None where no sequence has the measure."""
    if not len(values):
        return None
    interval = bootstrap_interval(values)
    return {"mean": interval.mean, "low": interval.low, "high": interval.high, "sequences": len(values)}


def differences(rows: SequenceOf[Row], sequences: SequenceOf[str], reference: str) -> dict[str, dict[str, Any]]:
    """The reference minus each other learner, by measure: mean, interval, p-value, numbers of wins and losses."""
    found: dict[str, dict[str, Any]] = {}
    for learner in dict.fromkeys(row["learner"] for row in rows if row["learner"] != reference):
        found[learner] = {measure: _difference(rows, sequences, reference, learner, measure) for measure in MEASURES}
    return found


def _difference(
    rows: SequenceOf[Row], sequences: SequenceOf[str], reference: str, learner: str, measure: str
) -> dict[str, float] | None:
    one, other = by_sequence(rows, reference, measure), by_sequence(rows, learner, measure)
    both = [name for name in sequences if name in one and name in other]
    if not both:
        return None
    first, second = (np.array([values[name] for name in both]) for values in (one, other))
    return {
        **(_interval(first - second) or {}),
        "p_value": wilcoxon_p_value(first, second),
        "higher": int((first > second).sum()),
        "lower": int((first < second).sum()),
    }


def chosen_settings(rows: SequenceOf[Row]) -> dict[str, str]:
    """The best setting of each parameter file that was measured with several, by `score`; margins decide ties."""
    sequences = groups_of(rows).get("all") or list(dict.fromkeys(row["sequence"] for row in rows))
    members: dict[str, list[str]] = {}
    for row in rows:
        members.setdefault(row["member"], [])
        if row["learner"] not in members[row["member"]]:
            members[row["member"]].append(row["learner"])

    def rank(learner: str) -> tuple[float, float]:
        means = {m: float(_values(rows, learner, m, sequences).mean()) for m in MEASURES if "dropped" not in m}
        return score(means), (means["next_margin"] + means["earlier_margin"]) / 2

    return {member: max(learners, key=rank) for member, learners in members.items() if len(learners) > 1}


def analyze(rows: SequenceOf[Row], reference: str) -> dict[str, Any]:
    """All that is said of the rows, as plain data."""
    groups = groups_of(rows)
    return {
        "reference": reference,
        "groups": groups,
        "chosen": chosen_settings(rows),
        "summary": {name: summarize(rows, sequences) for name, sequences in groups.items()},
        "differences": {name: differences(rows, sequences, reference) for name, sequences in groups.items()},
    }


def markdown(rows: SequenceOf[Row], found: dict[str, Any]) -> str:
    """All tables."""
    parts = []
    for group, sequences in found["groups"].items():
        title = f"## {group}: {GROUPS[group]} ({len(sequences)})"
        parts.append(f"{title}\n\n{_summary_table(found['summary'][group])}")
        if differing := found["differences"][group]:
            parts.append(f"{found['reference']} minus each other:\n\n{_difference_table(differing)}")
    if found["chosen"]:
        lines = [f"- {member}: {learner}" for member, learner in found["chosen"].items()]
        parts.append("## Chosen: the highest mean of right, next and earlier\n\n" + "\n".join(lines))
    parts.append("## Each sequence: right on the next frames / on earlier ones, %\n\n" + _sequence_table(rows))
    return "\n\n".join(parts) + "\n"


def _summary_table(summary: dict[str, dict[str, Any]]) -> str:
    header = ["learner", *(f"{TITLES[kind]}: {value}" for kind in KINDS for value in VALUES), "loss rose", "fps"]
    lines = []
    for learner, entry in summary.items():
        means = [_number(entry[measure] and entry[measure]["mean"], measure) for measure in MEASURES]
        lines.append([learner, *means, f"{entry['rose']:.1%}", f"{entry['fps']:.0f}"])
    return _table(header, lines)


def _difference_table(differing: dict[str, dict[str, Any]]) -> str:
    shown = [measure for measure in MEASURES if not measure.endswith("loss")]
    header = ["learner", *(f"{TITLES[m.split('_')[0]]}: {m.split('_')[1]}" for m in shown)]
    lines = []
    for learner, entry in differing.items():
        cells = []
        for measure in shown:
            found = entry[measure]
            numbers = [_number(found[key], measure, sign=True) for key in ("mean", "low", "high")] if found else []
            cells.append(f"{numbers[0]} [{numbers[1]}, {numbers[2]}]" if numbers else "")
        lines.append([learner, *cells])
    return _table(header, lines)


def _sequence_table(rows: SequenceOf[Row]) -> str:
    learners = list(dict.fromkeys(row["learner"] for row in rows))
    columns = [(by_sequence(rows, name, "next_right"), by_sequence(rows, name, "earlier_right")) for name in learners]
    first = {row["sequence"]: row["first_right"] for row in rows}
    lines = []
    for name in sorted(first, key=str.casefold):
        cells = (f"{100 * one[name]:.1f} / {100 * other[name]:.1f}" for one, other in columns)
        lines.append([name, f"{100 * first[name]:.1f}", *cells])
    return _table(["sequence", "first filter, all", *learners], lines)


def _number(value: float | None, measure: str, sign: bool = False) -> str:
    """Shares in per cent, others as they are."""
    if value is None:
        return ""
    factor, digits = (100, 2) if measure.endswith("right") else (1, 3)
    return f"{factor * value:{'+' if sign else ''}.{digits}f}".replace("-", "−")


def _table(header: list[str], lines: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in (header, ["---"] * len(header), *lines))


def write(rows: SequenceOf[Row], reference: str, environment: dict[str, Any], folder: Path) -> str:
    """rows.csv, retention.json, retention.md and retention.png; returns the text of the tables."""
    with (folder / "rows.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    found = analyze(rows, reference)
    (folder / "retention.json").write_text(
        json.dumps({"environment": environment, **found}, indent=1), encoding="utf-8"
    )
    text = markdown(rows, found)
    (folder / "retention.md").write_text(text, encoding="utf-8")
    plot(found, folder / "retention.png")
    return text


def plot(found: dict[str, Any], path: Path) -> None:
    """Wrong peaks on earlier frames against those on the next ones, one panel for each group, with intervals.

    Shares below 1 % are drawn to a linear scale, others to a logarithmic one: a learner that diverges hides no other.
    """
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot as plt

    groups, colors = found["groups"], plt.get_cmap("tab20").colors  # type: ignore[attr-defined]
    figure, axes = plt.subplots(1, len(groups), squeeze=False, figsize=(4.4 * len(groups) + 3, 4.2))
    for axis, (group, sequences) in zip(axes[0], groups.items(), strict=True):
        for index, (learner, entry) in enumerate(found["summary"][group].items()):
            pair = [entry[measure] for measure in ("next_right", "earlier_right")]
            if None in pair:
                continue
            x, y = (100 * (1 - mean["mean"]) for mean in pair)
            bars = [[[100 * (f["high"] - f["mean"])], [100 * (f["mean"] - f["low"])]] for f in pair]
            style = {"color": colors[index % 20], "marker": "os^D"[index // 5 % 4], "markersize": 5, "linewidth": 0.5}
            axis.errorbar(x, y, yerr=bars[1], xerr=bars[0], linestyle="", label=learner, **style)
        axis.set(title=f"{group} ({len(sequences)})", xlabel="wrong on the next frames [%]")
        axis.set_xscale("symlog", linthresh=1)
        axis.set_yscale("symlog", linthresh=1)
        axis.set(xlim=(0, None), ylim=(0, None))
        axis.grid(alpha=0.3)
    axes[0, 0].set_ylabel("wrong on earlier frames [%]")
    axes[0, -1].legend(fontsize=7, loc="upper left", bbox_to_anchor=(1.02, 1))
    figure.tight_layout()
    figure.savefig(path, dpi=110, bbox_inches="tight")
    plt.close(figure)
