"""The API documentation of all three packages is made by one command."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("pdoc", reason="needs pdoc: pip install -e '.[dev]'")

PROJECT = Path(__file__).resolve().parents[1]


def test_every_public_module_has_a_page(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "docs/api.py", str(tmp_path)], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Error importing" not in done.stderr
    for package in ("rls", "ltr", "pytracking"):
        public = [path for path in (PROJECT / package).rglob("[!_]*.py") if "/_" not in str(path)]
        missing = [p for p in public if not (tmp_path / p.relative_to(PROJECT)).with_suffix(".html").exists()]
        assert public
        assert not missing
    assert "LowRankInverseCorrelation" in (tmp_path / "rls" / "inverse_correlation.html").read_text(encoding="utf-8")
