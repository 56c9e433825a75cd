import csv
import io
import json
import math

import pytest
from rich.console import Console

from pytracking.analysis.report.tables import LATEX_PAGE, Column, Spread, Table, format_value

COLUMNS = (
    Column("tracker", "tracker", "text"),
    Column("auc", "AUC", best="max"),
    Column("fps", "fps", "decimal", "max"),
    Column("memory", "memory", "mebibytes", "min"),
)


def table(**options) -> Table:
    rows = (
        ("a_1", Spread(0.6321, 0.004), 20.04, 2.0**30),
        ("b|<i>", Spread(0.5), math.nan, 2.0**20),
        ("c", None, 31.0, math.nan),
    )
    return Table("Scores [%]", COLUMNS, rows, **options)


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        ("name", "text", "name"),
        (0.63217, "share", "63.22"),
        (Spread(0.632, 0.0042), "share", "63.20 ± 0.42"),
        (Spread(0.632), "share", "63.20"),
        (0.012, "signed_share", "+1.20"),
        (-0.012, "signed_share", "-1.20"),
        (12, "count", "12"),
        (12.34, "decimal", "12.3"),
        (3 * 2.0**20, "mebibytes", "3"),
        (0.0004, "p_value", "< 0.001"),
        (0.0312, "p_value", "0.031"),
        (math.nan, "share", "–"),
        (Spread(math.nan, 0.1), "share", "–"),
        (None, "count", "–"),
    ],
)
def test_format(value, kind, text):
    assert format_value(value, kind) == text


def test_best_of_columns_and_rows():
    assert table().best_cells() == {(0, 1), (2, 2), (1, 3)}
    assert table(last_is_mean=True).best_cells() == {(0, 1), (1, 3)}  # one known fps is left: nothing to compare
    columns = (Column("s", "s", "text"), Column("x", "x", best="max"), Column("y", "y", best="max"))
    rows = (("p", 0.5, 0.6), ("q", 0.70001, 0.70002), ("r", None, 0.1))
    # What is shown as equal is equally good; a single value is no best one.
    assert Table("t", columns, rows, "row").best_cells() == {(0, 2), (1, 1), (1, 2)}


def test_csv_and_records():
    rows = list(csv.DictReader(io.StringIO(table().csv())))
    assert list(rows[0]) == ["tracker", "auc", "auc_std", "fps", "memory"]
    assert rows[0] == {"tracker": "a_1", "auc": "0.6321", "auc_std": "0.004", "fps": "20.04", "memory": str(2.0**30)}
    assert rows[2] == {"tracker": "c", "auc": "", "auc_std": "", "fps": "31.0", "memory": ""}
    records = json.loads(json.dumps(table().records(), allow_nan=False))
    assert records[1] == {"tracker": "b|<i>", "auc": 0.5, "auc_std": None, "fps": None, "memory": 2.0**20}
    assert Table("none", COLUMNS, ()).csv() == "tracker,auc,fps,memory\n"


def test_markdown():
    lines = table().markdown().splitlines()
    assert lines[2] == "| tracker | AUC | fps | memory |"
    assert lines[3] == "| :-- | --: | --: | --: |"
    assert lines[4] == "| a_1 | **63.21 ± 0.40** | 20.0 | 1024 |"
    assert lines[5].startswith(r"| b\|\<i> | 50.00 |")


def test_latex():
    text = table(last_is_mean=True).latex()
    assert r"\caption{Scores [\%]}" in text
    assert r"a\_1 & \textbf{63.21 $\pm$ 0.40} & 20.0 & 1024 \\" in text
    assert r"b|$<$i$>$" in text
    assert text.count(r"\midrule") == 2  # one of them above the mean
    long = Table("t", COLUMNS[:1], tuple((str(n),) for n in range(LATEX_PAGE + 1))).latex()
    assert long.startswith(r"\begin{longtable}{l}")
    assert long.count("{") == long.count("}")


def test_terminal():
    console = Console(file=io.StringIO(), width=100)
    table(last_is_mean=True).print(console)
    text = console.file.getvalue()
    for word in ("Scores [%]", "63.21 ± 0.40", "b|<i>", "1024"):
        assert word in text


def test_narrow_terminal_has_no_deviations():
    columns = (Column("s", "sequence", "text"), *(Column(f"t{n}", f"a_long_tracker_name_{n}") for n in range(6)))
    wide = Table("t", columns, (("name", *[Spread(0.5, 0.01)] * 6),))
    console = Console(file=io.StringIO(), width=80)
    wide.print(console)
    row = console.file.getvalue().splitlines()[-2]
    assert row.count("50.00") == 6
    assert "±" not in row


def test_select():
    chosen = table().select(["fps", "tracker"])
    assert [column.key for column in chosen.columns] == ["fps", "tracker"]
    assert chosen.rows[0] == (20.04, "a_1")
