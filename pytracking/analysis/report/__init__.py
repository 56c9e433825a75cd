"""Reports of an evaluation: tables, plots and an HTML page."""

from pytracking.analysis.report.files import write_report_files
from pytracking.analysis.report.report import Report, make_report

__all__ = ["Report", "make_report", "write_report_files"]
