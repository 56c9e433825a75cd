"""The files of a report: page, tables and plots."""

import json
from pathlib import Path

from ltr.common.files import write_atomic
from pytracking.analysis.report.page import html_page
from pytracking.analysis.report.plots import PLOTS, write_curve_plot, write_radar_plot
from pytracking.analysis.report.report import Report
from pytracking.analysis.report.scores import run_table


def write_report_files(report: Report, folder: Path) -> list[Path]:
    """Write page, tables and plots; returns their paths, the page first."""
    (folder / "tables").mkdir(parents=True, exist_ok=True)
    texts = {
        folder / "report.html": html_page(report),
        folder / "report.md": report.markdown(),
        folder / "report.json": json.dumps(report.json(), indent=1, allow_nan=False) + "\n",
        folder / "tables" / "runs.csv": run_table(report.evaluation).csv(),
    }
    for name, table in report.tables().items():
        base = folder / "tables" / name
        texts |= {base.with_suffix(".csv"): table.csv(), base.with_suffix(".tex"): table.latex()}
    for path, text in texts.items():
        write_atomic(path, text)
    plots = [path for kind in PLOTS for path in write_curve_plot(report.evaluation, kind, folder)]
    if report.attribute_table is not None:
        plots += write_radar_plot(report.evaluation, report.attributes, folder)
    return [*texts, *plots]
