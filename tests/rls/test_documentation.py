"""The README's example runs as it stands, the API documentation builds, and the plug-in example learns."""

import importlib.util
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch

from rls import RLSSGD

PROJECT = Path(__file__).parents[2]


def test_example_of_the_readme_runs() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (PROJECT / "rls" / "README.md").read_text(), flags=re.DOTALL)
    scope: dict = {}
    exec(code, scope)
    assert all(layer.inverse_correlation.num_updates == 5 for layer in scope["optimizer"].layers)


def test_documentation_builds(tmp_path: Path) -> None:
    pdoc = pytest.importorskip("pdoc", reason="needs pdoc: pip install -e '.[dev]'")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        modules = sorted(path.stem for path in (PROJECT / "rls").glob("[a-z]*.py"))
        pdoc.pdoc("rls", *(f"rls.{name}" for name in modules), output_directory=tmp_path)
    page = (tmp_path / "rls.html").read_text()
    assert "max_grad_norm" in page
    assert "Online learning that keeps" in page
    assert "conv_virtual_input" in (tmp_path / "rls" / "virtual_input.html").read_text()


def test_linear_probe_learns_the_target() -> None:
    path = PROJECT / "docs" / "examples" / "linear_probe.py"
    spec = importlib.util.spec_from_file_location("linear_probe", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sequence = PaintedSequence()
    torch.manual_seed(0)
    share = module.follow(sequence, lambda probe: RLSSGD(probe, lr=1.0, delta=1.0))
    assert share > 0.7  # chance is a half
    code = [line for line in path.read_text().splitlines() if line.strip() and not line.startswith(("import", "from"))]
    assert len(code) < 32  # with the two lines of its docstring


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "expected a data set and a sequence, as in: linear_probe.py demo cat_grass"),
        (["dmo", "cat_grass"], "unknown data set 'dmo'; did you mean 'demo'?"),
        (["demo", "cat_gras"], "unknown sequence 'cat_gras'; did you mean 'cat_grass'?"),
    ],
)
def test_linear_probe_started_wrongly(arguments: list[str], message: str, tmp_path: Path) -> None:
    command = [sys.executable, str(PROJECT / "docs" / "examples" / "linear_probe.py"), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "PYTRACKING_CONFIG": str(tmp_path / "local.toml")}
    environment["PYTRACKING_DEMO_PATH"] = str(tmp_path)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {message}")


class PaintedSequence:
    """A striped square that moves over noise."""

    def __init__(self) -> None:
        import tempfile

        import cv2
        import numpy as np

        rng = np.random.default_rng(0)
        self._folder = tempfile.TemporaryDirectory()
        self.frames, boxes = [], []
        for index in range(6):
            image = rng.integers(60, 110, (160, 160, 3), dtype=np.uint8)
            left = 20 + 8 * index
            image[40:104, left : left + 64] = (200, 30, 30)
            image[40:104:8, left : left + 64] = 255
            path = Path(self._folder.name) / f"{index}.png"
            cv2.imwrite(str(path), image)
            self.frames.append(path)
            boxes.append((left, 40, 64, 64))
        self.ground_truth_rect = np.array(boxes, dtype=float)
