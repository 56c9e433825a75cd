"""One model of a table, shown in the terminal and written as CSV, JSON, Markdown and LaTeX.

Shown numbers are rounded, and shares are percent. CSV and JSON hold them unrounded, shares as fractions of 1, with the
standard deviation over runs in a column of its own.
"""

from __future__ import annotations

import csv
import io
import math
import os
import re
from collections.abc import Callable
from collections.abc import Sequence as SequenceOf
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ltr.common.types import Array

if TYPE_CHECKING:
    from rich.console import Console
    from rich.measure import Measurement
    from rich.table import Table as RichTable

Kind = Literal["text", "count", "share", "signed_share", "decimal", "mebibytes", "p_value"]
MISSING = "–"
MEBIBYTE = 2**20
LATEX_PAGE = 45  # rows
FILE_WIDTH = 200  # characters
NARROW_TEXT = 10  # characters that text keeps in a narrow terminal


def make_console() -> Console:
    """Console for tables: as wide as the terminal, and in a file or pipe wide enough for all columns."""
    from rich.console import Console

    console = Console()
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = FILE_WIDTH
    return console


@dataclass(frozen=True)
class Spread:
    """Mean over runs with the sample standard deviation, NaN with one run and where runs have no number each."""

    mean: float
    std: float = math.nan

    @classmethod
    def over(cls, runs: SequenceOf[float] | Array) -> Spread:
        """Spread of one number for each run, (R,)."""
        return cls(float(np.mean(runs)), float(np.std(runs, ddof=1)) if len(runs) > 1 else math.nan)


Value = str | int | float | Spread | None


@dataclass(frozen=True)
class Column:
    """Key in files, header for people, and how values are shown."""

    key: str
    header: str
    kind: Kind = "share"
    best: Literal["max", "min"] | None = None
    help: str = ""


@dataclass(frozen=True)
class Table:
    """Rows of values; the best of each column, or of each row, is emphasized."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Value, ...], ...]
    best_in: Literal["column", "row"] = "column"
    last_is_mean: bool = False  # the last row sums up the others

    def select(self, keys: SequenceOf[str]) -> Table:
        """The columns of these keys, in their order."""
        positions = [next(c for c, column in enumerate(self.columns) if column.key == key) for key in keys]
        columns = tuple(self.columns[position] for position in positions)
        return replace(self, columns=columns, rows=tuple(tuple(row[p] for p in positions) for row in self.rows))

    def texts(
        self, escape: Callable[[str], str] = str, emphasize: Callable[[str], str] = str
    ) -> list[list[str]]:  # (rows, columns)
        """Shown cells in some syntax: `escape` makes any text safe in it, `emphasize` marks the best cells."""
        best = self.best_cells()
        texts = [
            [escape(format_value(value, column.kind)) for value, column in zip(row, self.columns, strict=True)]
            for row in self.rows
        ]
        for r, c in best:
            texts[r][c] = emphasize(texts[r][c])
        return texts

    def best_cells(self) -> set[tuple[int, int]]:
        """(row, column) of the best values, ties in what is shown included; none where there is nothing to compare."""
        compared = [c for c, column in enumerate(self.columns) if column.best]
        rows = range(len(self.rows))
        if self.best_in == "row":
            groups = [[(r, c) for c in compared] for r in rows]
        else:
            groups = [[(r, c) for r in rows if not (self.last_is_mean and r == rows[-1])] for c in compared]
        return {cell for group in groups for cell in self._best_of(group)}

    def _best_of(self, cells: list[tuple[int, int]]) -> list[tuple[int, int]]:
        known = {(r, c): v for r, c in cells if not math.isnan(v := as_number(self.rows[r][c]))}
        if len(known) < 2:
            return []
        choose = max if self.columns[next(iter(known))[1]].best == "max" else min
        kind = self.columns[next(iter(known))[1]].kind
        wanted = format_value(choose(known.values()), kind)
        return [cell for cell, value in known.items() if format_value(value, kind) == wanted]

    def without_spread(self) -> Table:
        """The table with means alone."""
        rows = tuple(tuple(cell.mean if isinstance(cell, Spread) else cell for cell in row) for row in self.rows)
        return replace(self, rows=rows)

    def print(self, console: Console) -> None:
        """Show the table in a terminal; where that is too narrow, without lines and deviations."""
        table, narrow = self.rich(), self.without_spread().rich(narrow=True)
        if _measure(table, console).maximum <= console.width:
            console.print(table)
        elif _measure(narrow, console).minimum <= console.width:
            console.print(narrow)
        else:
            console.print(self.without_spread().rich(narrow=True, whole_numbers=False))

    def rich(self, narrow: bool = False, whole_numbers: bool = True) -> RichTable:
        """The table for the terminal; headers and long text may be folded, numbers only without `whole_numbers`."""
        from rich import box
        from rich.markup import escape
        from rich.table import Table as RichTable

        shown = RichTable(title=escape(self.title), title_justify="left", padding=(0, 0, 0, 1) if narrow else (0, 1))
        shown.box = box.SIMPLE_HEAD if narrow else box.HEAVY_HEAD
        texts = self.texts()
        for number, column in enumerate(self.columns):
            is_text = column.kind == "text"
            longest = max((len(row[number]) for row in texts), default=0)
            width = min(longest, NARROW_TEXT) if is_text else longest
            shown.add_column(
                escape(column.header),
                justify="left" if is_text else "right",
                overflow="fold",
                min_width=width if whole_numbers else None,
            )
        for number, row in enumerate(self.texts(escape, lambda text: f"[bold]{text}[/]")):
            if self.last_is_mean and number == len(self.rows) - 1:
                shown.add_section()
            shown.add_row(*row)
        return shown

    def csv(self) -> str:
        """Comma-separated values, one header line of keys; unknown values are empty."""
        stream = io.StringIO()
        writer = csv.DictWriter(stream, self._keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.records())
        return stream.getvalue()

    def records(self) -> list[dict[str, Any]]:
        """A dictionary of JSON values for each row; unknown numbers are None."""
        return [
            {
                key: value
                for column, cell in zip(self.columns, row, strict=True)
                for key, value in self._entries(column, cell)
            }
            for row in self.rows
        ]

    def _keys(self) -> list[str]:
        return [key for column in self.columns for key, _ in self._entries(column, None)]

    def _entries(self, column: Column, cell: Value) -> list[tuple[str, Any]]:
        mean, std = (cell.mean, cell.std) if isinstance(cell, Spread) else (cell, None)
        index = self.columns.index(column)
        has_spread = any(isinstance(row[index], Spread) for row in self.rows)
        entries = [(column.key, json_number(mean))]
        return [*entries, (f"{column.key}_std", json_number(std))] if has_spread else entries

    def markdown(self) -> str:
        """GitHub's table syntax; the best is bold."""
        rows = self.texts(_escape_markdown, lambda text: f"**{text}**")
        rules = [":--" if column.kind == "text" else "--:" for column in self.columns]
        header = [_escape_markdown(column.header) for column in self.columns]
        lines = ["| " + " | ".join(row) + " |" for row in (header, rules, *rows)]
        return f"**{_escape_markdown(self.title)}**\n\n" + "\n".join(lines) + "\n"

    def latex(self) -> str:
        r"""A table with \usepackage{booktabs}, and {longtable} where it is longer than a page. The best is bold."""
        rows = self.texts(_escape_latex, lambda text: rf"\textbf{{{text}}}")
        lines = [" & ".join(row) + r" \\" for row in rows]
        if self.last_is_mean and lines:
            lines.insert(-1, r"\midrule")
        alignment = "".join("l" if column.kind == "text" else "r" for column in self.columns)
        header = " & ".join(_escape_latex(column.header) for column in self.columns) + r" \\"
        caption = rf"\caption{{{_escape_latex(self.title)}}}"
        if len(rows) > LATEX_PAGE:
            start = [
                rf"\begin{{longtable}}{{{alignment}}}",
                caption + r" \\",
                r"\toprule",
                header,
                r"\midrule",
                r"\endhead",
            ]
            return "\n".join([*start, *lines, r"\bottomrule", r"\end{longtable}", ""])
        start = [r"\begin{table}", r"\centering", caption, rf"\begin{{tabular}}{{{alignment}}}", r"\toprule", header]
        return "\n".join([*start, r"\midrule", *lines, r"\bottomrule", r"\end{tabular}", r"\end{table}", ""])


def _measure(table: RichTable, console: Console) -> Measurement:
    from rich.measure import Measurement

    return Measurement.get(console, console.options.update(max_width=10_000), table)


def as_number(value: Value) -> float:
    """Number by which a cell is compared; NaN for text and unknown values."""
    if isinstance(value, Spread):
        return value.mean
    return float(value) if isinstance(value, (int, float)) else math.nan


def json_number(value: Any) -> Any:
    """The value, or None for a number that JSON does not know."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def format_value(value: Value, kind: Kind) -> str:
    """A cell as it is shown: `63.2 ± 0.4` for a spread, a dash for what is unknown."""
    if isinstance(value, str):
        return value
    if value is None or math.isnan(as_number(value)):
        return MISSING
    text = _FORMATS[kind](as_number(value))
    if isinstance(value, Spread) and not math.isnan(value.std):
        text = f"{text} ± {_FORMATS[kind](value.std).lstrip('+')}"
    return text


def _p_value(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


_FORMATS: dict[Kind, Callable[[float], str]] = {
    "text": str,
    "count": lambda value: f"{value:.0f}",
    "share": lambda value: f"{100 * value:.2f}",
    "signed_share": lambda value: f"{100 * value:+.2f}",
    "decimal": lambda value: f"{value:.1f}",
    "mebibytes": lambda value: f"{value / MEBIBYTE:.0f}",
    "p_value": _p_value,
}

_LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "_": r"\_", "%": r"\%", "&": r"\&", "#": r"\#", "$": r"\$",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$", "–": "--", "<": r"$<$", ">": r"$>$",
    "≤": r"$\leq$", "−": "$-$",
}  # fmt: skip


def _escape_markdown(text: str) -> str:
    return re.sub(r"([\\|*<`])", r"\\\1", text).replace("\n", " ")


def _escape_latex(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in text)
