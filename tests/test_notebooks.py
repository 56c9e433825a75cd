"""Every notebook runs from the first cell to the last, and prints what is stored in it, but for numbers."""

import os
import re
from pathlib import Path
from typing import Any

import pytest

nbclient = pytest.importorskip("nbclient", reason="needs nbclient and ipykernel: pip install -e '.[dev]'")
nbformat = pytest.importorskip("nbformat", reason="needs nbclient and ipykernel: pip install -e '.[dev]'")
pytest.importorskip("ipykernel", reason="needs ipykernel: pip install -e '.[dev]'")

PROJECT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((PROJECT / "docs" / "notebooks").glob("*.ipynb"))


def printed(notebook: Any) -> list[str]:
    """What each cell prints, with N for numbers: they differ in the last digits between processors."""
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    texts = [output["text"] for output in outputs if output["output_type"] == "stream" and output["name"] == "stdout"]
    return [re.sub(r"\d+(\.\d+)?", "N", text) for text in texts]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(PROJECT), os.environ.get("PYTHONPATH")])))
    for key in ("demo_path", "results_path", "result_plot_path"):
        monkeypatch.setenv(f"PYTRACKING_{key.upper()}", str(tmp_path / key))
    monkeypatch.setenv("PYTRACKING_CONFIG", str(tmp_path / "local.toml"))
    stored = nbformat.read(path, as_version=4)
    notebook = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=1200, kernel_name="python3", resources=resources).execute()
    assert len(printed(stored)) > 0
    assert printed(notebook) == printed(stored)


def test_there_is_a_notebook() -> None:
    assert NOTEBOOKS
