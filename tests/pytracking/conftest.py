"""Keeps the user's own paths out of the tests, and the tests out of the user's files."""

import os
from pathlib import Path

import pytest

from ltr.common import environment


@pytest.fixture(autouse=True)
def _default_settings(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("PYTRACKING_")]:
        monkeypatch.delenv(name)
    folder = Path(tmp_path_factory.getbasetemp())
    monkeypatch.setattr(environment, "LOCAL_PY", folder / "local.py")
    monkeypatch.setenv("PYTRACKING_CONFIG", str(folder / "local.toml"))
    for key in ("results_path", "result_plot_path", "demo_path"):
        monkeypatch.setenv(f"PYTRACKING_{key.upper()}", str(folder / "unexpected" / key))
