"""A wheel in an environment and a folder of its own: the checkout is not needed, and site-packages stay as they are."""

import json
import os
import site
import subprocess
import sys
import venv
from pathlib import Path

import numpy as np
import pytest

from pytracking.utils.video_writer import VideoWriter

pytest.importorskip("pip", reason="needs pip, which builds and installs the wheel")
pytest.importorskip("hatchling", reason="needs hatchling, which builds the wheel: pip install -e '.[dev]'")

PROJECT = Path(__file__).resolve().parents[1]
DATA = ("configs/local.example.toml", "configs/paper", "configs/sweeps", "configs/vot")


class Installed:
    """The commands of the environment, which see nothing of this one but the packages that the project depends on."""

    def __init__(self, folder: Path) -> None:
        self.environment, self.work, self.home = folder / "environment", folder / "work", folder / "home"
        self.work.mkdir()
        self.home.mkdir()
        venv.create(self.environment)
        self.site = next((self.environment / "lib").glob("python3*/site-packages"))
        # A path file is not followed from another one, so the editable install beside the dependencies is not seen.
        (self.site / "dependencies.pth").write_text("\n".join(site.getsitepackages()), encoding="utf-8")

    def run(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
        done = subprocess.run(
            [self.environment / "bin" / words[0], *words[1:]],
            cwd=self.work,
            env=kept | {"HOME": str(self.home), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert not check or done.returncode == 0, done.stderr
        return done

    def files(self) -> dict[str, float]:
        """Files of the installed packages, with their times."""
        paths = [path for name in ("rls", "ltr", "pytracking") for path in (self.site / name).rglob("*")]
        return {str(path.relative_to(self.site)): path.stat().st_mtime for path in paths if path.is_file()}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", folder, PROJECT], check=True)
    (wheel,) = folder.glob("*.whl")
    installed = Installed(folder)
    python = str(installed.environment / "bin" / "python")
    subprocess.run([*pip, "--python", python, "install", "--no-deps", "--no-index", "--no-compile", wheel], check=True)
    return installed


def write_video(path: Path) -> None:
    """Ten frames of a bright textured square that moves by three pixels a frame on a dark texture."""
    random = np.random.default_rng(0)
    background = random.integers(40, 90, (120, 160, 3), dtype=np.uint8)
    square = np.kron(random.integers(120, 255, (5, 5, 3), dtype=np.uint8), np.ones((8, 8, 1), dtype=np.uint8))
    with VideoWriter(path, 25, ()) as video:
        for number in range(10):
            image = background.copy()
            image[40:80, 20 + 3 * number : 60 + 3 * number] = square
            video.write(image)


def test_wheel_holds_what_the_checkout_holds(installed: Installed) -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "rls", "ltr", "pytracking", *DATA],
        cwd=PROJECT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if tracked.returncode != 0:
        pytest.skip("needs git, and the project in it")
    present = [name for name in tracked.stdout.splitlines() if (PROJECT / name).exists()]
    expected = {f"ltr/{name}" if name.startswith("configs/") else name for name in present}
    assert set(installed.files()) == expected


def test_video_is_tracked(installed: Installed) -> None:
    before = installed.files()
    write_video(installed.work / "clip.mp4")
    box = ("--optional_box", "20", "40", "40", "40")
    installed.run("rlstrack", "video", "dimp", "rls_dimp_lite", "clip.mp4", *box, "--no_display", "--save_results")
    results = installed.work / "results" / "dimp" / "rls_dimp_lite"
    boxes = np.loadtxt(results / "video_clip_1.txt")
    assert boxes.shape == (10, 4)
    assert np.abs(boxes[-1] - [47, 40, 40, 40]).max() < 8  # it followed 27 pixels, a fifth of its size apart at most
    assert json.loads((results / "video_clip_run.json").read_text())["environment"]["versions"]["rls-onlinetrack"]
    assert (
        "git_commit" not in (record := json.loads((results / "run.json").read_text())) or record["git_commit"] is None
    )
    assert installed.files() == before


def test_data_and_settings_are_found(installed: Installed) -> None:
    before = installed.files()
    assert "table4_lite" in installed.run("rlstrack", "experiment", "--list").stdout
    assert "RLS-DiMP" in installed.run("rlstrack", "reproduce", "table4").stdout
    assert "rls_dimp50" in installed.run("rlstrack", "run", "--list").stdout
    told = installed.run("rlstrack", "run", "dimp", "rls_dimp_lite", "--dataset_name", "otb", check=False)
    settings = installed.home / ".config" / "rls-onlinetrack" / "local.toml"
    assert told.returncode == 2
    assert str(settings) in told.stderr
    assert settings.exists()
    assert installed.run("rlstrack", "--version").stdout.startswith("rls-onlinetrack ")
    assert "usage: rlstrack report" in installed.run("rlstrack", "report", "--help").stdout
    code = "from ltr.common.environment import env_settings; print(env_settings().demo_path)"
    assert installed.run("python", "-c", code).stdout.strip() == str(installed.work / "data" / "demo")
    assert installed.files() == before
