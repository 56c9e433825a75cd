"""Paths under the names of pytracking, and data sets that were written for it."""

from pathlib import Path

import numpy as np
import pytest

from ltr.common import environment
from ltr.common.environment import PROJECT, Settings, config_file
from ltr.common.errors import InputError
from pytracking.evaluation import BaseDataset, Sequence, SequenceList, datasets, get_dataset
from pytracking.evaluation.datasets import DatasetEntry
from pytracking.evaluation.environment import EnvSettings, create_default_local_file, env_settings

LOCAL_PY = """
from pytracking.evaluation.environment import EnvSettings


def local_env_settings():
    settings = EnvSettings()

    # Set your local paths here.

    settings.davis_dir = ''
    settings.my_path = '{folder}/mine'
    settings.network_path = ['{folder}/networks', '{folder}/more']    # Where tracking networks are stored.
    settings.otb_path = '{folder}/otb'
    settings.results_path = '{folder}/tracking_results/'    # Where to store tracking results
    settings.uav_path = ''
    return settings
"""


@pytest.fixture
def local_py(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A local.py of pytracking, beside no settings file."""
    monkeypatch.delenv("PYTRACKING_RESULTS_PATH")
    monkeypatch.setenv("PYTRACKING_CONFIG", str(tmp_path / "local.toml"))
    path = tmp_path / "local.py"
    path.write_text(LOCAL_PY.format(folder=tmp_path))
    monkeypatch.setattr(environment, "LOCAL_PY", path)
    return path


def test_without_a_local_file_the_settings_are_the_projects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTRACKING_OTB_PATH", "/data/otb")
    settings = env_settings()
    assert settings.otb_path == "/data/otb"
    assert settings.uav_path == ""
    assert settings.network_path == [str(PROJECT / "networks")]
    with pytest.raises(AttributeError, match=r"'my_path' is not set: settings\.my_path = \.\.\. in .*local\.py"):
        settings.my_path  # noqa: B018
    settings.my_path = "/mine"
    assert settings.my_path == "/mine"
    assert EnvSettings().results_path == str(Settings().results_path)


def test_a_local_file_gives_what_the_settings_leave_open(
    local_py: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = environment.env_settings()
    assert (tmp_path / "local.toml").exists()  # made from the example, whose values are the defaults
    assert settings.otb_path == tmp_path / "otb"
    assert settings.results_path == tmp_path / "tracking_results"
    assert settings.network_path == [tmp_path / "networks", tmp_path / "more"]
    assert settings.uav_path is None
    (tmp_path / "local.toml").write_text('otb_path = "/toml/otb"\nuav_path = "/toml/uav"\n')
    monkeypatch.setenv("PYTRACKING_UAV_PATH", "/environment/uav")
    settings = environment.env_settings()
    assert settings.otb_path == Path("/toml/otb")
    assert settings.uav_path == Path("/environment/uav")
    assert settings.results_path == tmp_path / "tracking_results"
    assert env_settings().otb_path == "/toml/otb"
    assert env_settings().my_path == f"{tmp_path}/mine"
    local_py.write_text(LOCAL_PY.format(folder="/other"))
    assert environment.env_settings().results_path == Path("/other/tracking_results")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import nothing_of_this_name", "ModuleNotFoundError: No module named 'nothing_of_"),
        ("def local_env_settings(:", "SyntaxError"),
        ("paths = {}", "KeyError: 'local_env_settings'"),
    ],
)
def test_a_local_file_that_fails_is_named_and_left_alone(local_py: Path, text: str, message: str) -> None:
    local_py.write_text(text)
    with pytest.raises(InputError, match=rf"local\.py cannot be used: {message}(?s:.*)it was left as it is"):
        environment.env_settings()
    assert local_py.read_text() == text


def test_the_settings_file_is_made_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PYTRACKING_CONFIG", str(tmp_path / "configs" / "local.toml"))
    path = create_default_local_file()
    assert path == config_file() == tmp_path / "configs" / "local.toml"
    assert "otb_path" in path.read_text()
    assert str(path) in capsys.readouterr().out
    path.write_text('otb_path = "/mine"\n')
    create_default_local_file()
    assert path.read_text() == 'otb_path = "/mine"\n'


class Mine(BaseDataset):
    """In the style of pytracking: a path of one's own, sequences made at once, no names of this project."""

    def __init__(self):
        super().__init__()
        self.base_path = self.env_settings.my_path
        self.sequence_list = ["a", "b"]

    def get_sequence_list(self):
        return SequenceList([self._construct_sequence(s) for s in self.sequence_list])

    def _construct_sequence(self, name):
        frames = [f"{self.base_path}/{name}/{number}.jpg" for number in range(3)]
        boxes = np.array([[1, 2, 30, 40]] * 3)
        return Sequence(name, frames, "mine", boxes, object_class="cat", target_visible=np.array([1, 1, 0]))

    def __len__(self):
        return len(self.sequence_list)


def test_a_data_set_written_for_pytracking(local_py: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = Mine()
    assert isinstance(dataset.env_settings, EnvSettings)
    assert len(dataset) == 2
    sequence = dataset.get_sequence_list()["b"]
    assert sequence.frames[1] == tmp_path / "mine" / "b" / "1.jpg"
    assert sequence.init_info() == sequence.frame_info(0) == {"init_bbox": [1, 2, 30, 40]}
    assert sequence.frame_info(1) == {}
    assert sequence.target_visible.tolist() == [True, True, False]
    monkeypatch.setitem(datasets.DATASETS, "mine", DatasetEntry(__name__, "Mine", "one's own"))
    assert get_dataset("mine").names == ["a", "b"]


def test_length_of_the_projects_data_sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "Basketball" / "img").mkdir(parents=True)
    monkeypatch.setenv("PYTRACKING_OTB_PATH", str(tmp_path))
    assert len(datasets.load_dataset("otb")) == 100
