"""The examples of CONTRIBUTING.md, put where it says into a copy of the project, do what it says."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
PROGRAM = """
import sys
from pathlib import Path

import cv2
import numpy as np

import pytracking.analysis.report.strict_precision
import pytracking.evaluation.plaindataset
import pytracking.tracker.dimp.sign_descent
from pytracking.evaluation import Tracker
from pytracking.evaluation.datasets import load_dataset
from pytracking.run_tracker import main as run_tracker
from pytracking.tracker.dimp.dimp import DiMP
from pytracking.util_scripts.report import write_report

texture = np.random.default_rng(0).integers(0, 255, (120, 160, 3), dtype=np.uint8)
folder = Path("data/one")
folder.mkdir(parents=True)
for number in range(1, 4):
    cv2.imwrite(str(folder / f"{number:04d}.jpg"), cv2.GaussianBlur(np.roll(texture, number, axis=1), (9, 9), 0))
(folder / "boxes.csv").write_text("41,31,40,30\\n42,31,40,30\\n60,31,40,30\\n")

(sequence,) = load_dataset("plain:data").get_sequence_list()
assert sequence.init_bbox() == [40, 30, 40, 30]
assert run_tracker(["still", "sure", "--dataset_name", "plain:data", "--results_path", "results"]) == 0
assert Path("results/still/sure/one.txt").read_text().split() == ["40.0000", "30.0000", "40.0000", "30.0000"] * 3
report, _ = write_report(["still:sure"], "plain:data", output=Path("report"), results_path=Path("results"))
assert "P5" in Path("report/report.md").read_text()
(tracker,) = report.evaluation.trackers
assert abs(float(pytracking.analysis.report.strict_precision.precision_at_5(tracker)[0, 0]) - 2 / 3) < 1e-9

parameters = Tracker("dimp", "dimp_lite", device="cpu").get_parameters()
changed = parameters.replace(online_optimizer="sign", online_step_length=1e-6, train_skipping=1)
tracker = DiMP(changed)
images = [cv2.imread(str(frame))[..., ::-1] for frame in sequence.frames]
tracker.initialize(images[0], {"init_bbox": sequence.init_bbox()})
before = tracker.classifier.filter.clone()
tracker.track(images[1])
assert type(tracker.classifier.optimizer).__name__ == "SignDescent"
assert not before.equal(tracker.classifier.filter)
"""


def test_examples_run_where_they_are_said_to_go(tmp_path: Path) -> None:
    for name in ("rls", "ltr", "pytracking", "configs"):
        shutil.copytree(PROJECT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "local.toml"))
    shutil.copy(PROJECT / "pyproject.toml", tmp_path)
    text = (PROJECT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n# (\S+\.py)\n(.*?)```", text, flags=re.DOTALL)
    assert len(blocks) == text.count("```python")
    for name, code in blocks:
        path = tmp_path / name
        assert not path.exists()
        path.parent.mkdir(exist_ok=True)
        path.write_text(code, encoding="utf-8")
    (tmp_path / "program.py").write_text(PROGRAM, encoding="utf-8")
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "program.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    for tool in (["ruff", "check"], ["ruff", "format", "--check"]):
        subprocess.run([sys.executable, "-m", *tool, *(name for name, _ in blocks)], cwd=tmp_path, check=True)
