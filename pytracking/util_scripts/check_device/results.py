"""What a check has measured, and how it is shown."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class Measurement:
    """A number, and how large it may be."""

    name: str
    value: float
    tolerance: float | None = None  # None: reported, without a verdict
    reason: str = ""  # of the tolerance
    unit: str = ""

    @property
    def passed(self) -> bool:
        """A number that is not finite never does."""
        return math.isfinite(self.value) and (self.tolerance is None or self.value <= self.tolerance)

    def as_json(self) -> dict[str, Any]:
        # JSON has no infinity and no NaN.
        value = self.value if math.isfinite(self.value) else str(self.value)
        rest = {"unit": self.unit, "tolerance": self.tolerance, "reason": self.reason, "passed": self.passed}
        return {"name": self.name, "value": value, **rest}


@dataclass
class PartResult:
    """What came of one part of the check."""

    part: str
    measurements: list[Measurement] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)  # JSON data, for a bug report
    error: str = ""  # why the part did not come to its end
    seconds: float = 0.0
    output: str = ""  # the last that it printed

    @property
    def passed(self) -> bool:
        return not self.error and all(measurement.passed for measurement in self.measurements)

    def as_json(self) -> dict[str, Any]:
        return {
            "part": self.part,
            "passed": self.passed,
            "error": self.error,
            "seconds": round(self.seconds, 2),
            "measurements": [measurement.as_json() for measurement in self.measurements],
            "facts": self.facts,
            "output": self.output,
        }


def table_of(results: list[PartResult]) -> Table:
    from rich.markup import escape
    from rich.table import Table

    table = Table("part", "measured", "value", "at most", "", "why that much")
    for result in results:
        first = escape(result.part)
        for measurement in result.measurements:
            limit, verdict = "", ""
            if measurement.tolerance is not None:
                limit = f"{measurement.tolerance:.3g}"
            if measurement.tolerance is not None or not measurement.passed:
                verdict = "[green]ok[/]" if measurement.passed else "[bold red]FAILED[/]"
            value = f"{measurement.value:.3g} {measurement.unit}".rstrip()
            table.add_row(first, escape(measurement.name), value, limit, verdict, escape(measurement.reason))
            first = ""
        if result.error:
            summary = result.error.strip().splitlines()[-1]
            table.add_row(first, escape(summary), "", "", "[bold red]FAILED[/]", "")
        table.add_section()
    return table
