import dataclasses
from pathlib import Path

import pytest

from ltr.common import environment
from ltr.common.environment import EXAMPLE_FILE, OUTPUTS, PROJECT, Settings, env_settings
from ltr.common.errors import InputError


@pytest.fixture
def config(tmp_path, monkeypatch) -> Path:
    for field in dataclasses.fields(Settings):
        monkeypatch.delenv(f"PYTRACKING_{field.name.upper()}", raising=False)
    path = tmp_path / "configs" / "local.toml"
    monkeypatch.setenv(environment.CONFIG_VARIABLE, str(path))
    return path


def test_file_is_made_from_the_example_once(config):
    assert env_settings() == Settings()  # the example says what the defaults are
    assert config.read_text() == EXAMPLE_FILE.read_text()
    config.write_text('otb_path = "/data/otb"\n')
    assert env_settings().otb_path == Path("/data/otb")
    assert config.read_text() == 'otb_path = "/data/otb"\n'


def test_example_names_every_setting():
    text = EXAMPLE_FILE.read_text()
    assert [f.name for f in dataclasses.fields(Settings) if f"{f.name} =" not in text] == []


def test_environment_wins(config, monkeypatch):
    config.parent.mkdir()
    config.write_text('otb_path = "/data/otb"\nresults_path = "mine"\n')
    monkeypatch.setenv("PYTRACKING_OTB_PATH", "/other")
    monkeypatch.setenv("PYTRACKING_NETWORK_PATH", "/a:/b")
    settings = env_settings()
    assert settings.otb_path == Path("/other")
    assert settings.network_path == [Path("/a"), Path("/b")]
    assert settings.results_path == PROJECT / "mine"


def test_network_path_is_a_string_or_a_list(config):
    config.parent.mkdir()
    config.write_text('network_path = "/one"')
    assert env_settings().network_path == [Path("/one")]
    config.write_text('network_path = ["/one", "two"]')
    assert env_settings().network_path == [Path("/one"), PROJECT / "two"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('results_path = "ok"\notb_path = "D:\\data"', r"local\.toml is not valid TOML.*line 2.*\n.*left as it is"),
        ('obt_path = "/data"', r"unknown key 'obt_path'; did you mean 'otb_path'\?"),
        ("otb_path = 3", "otb_path must be a string, found 3"),
        ("network_path = [3]", "network_path must be a string or a list of strings, found 3"),
    ],
)
def test_bad_file_is_reported_and_left_alone(config, text, message):
    config.parent.mkdir()
    config.write_text(text)
    with pytest.raises(InputError, match=message):
        env_settings()
    assert config.read_text() == text


@pytest.mark.parametrize("key", OUTPUTS)
def test_file_in_the_place_of_a_folder_is_refused(config, tmp_path, monkeypatch, key):
    (tmp_path / "notes.txt").write_text("mine")
    monkeypatch.setenv(f"PYTRACKING_{key.upper()}", str(tmp_path / "notes.txt"))
    with pytest.raises(InputError, match=rf"{key} names .*notes\.txt, which is a file; a folder is expected"):
        env_settings()
    monkeypatch.setenv(f"PYTRACKING_{key.upper()}", str(tmp_path / "not_yet"))
    assert getattr(env_settings(), key) == tmp_path / "not_yet"


def test_missing_data_set_path_says_what_to_do(config, tmp_path):
    with pytest.raises(InputError) as unset:
        env_settings().data_path("otb_path", "<Sequence>/img")
    for part in ("otb_path is not set", str(config), "export PYTRACKING_OTB_PATH=", "<Sequence>/img"):
        assert part in str(unset.value)
    with pytest.raises(InputError, match="which is no folder"):
        Settings(otb_path=tmp_path / "nowhere").data_path("otb_path", "")
    assert Settings(otb_path=tmp_path).data_path("otb_path", "") == tmp_path


def test_unwritable_place_of_the_file_is_no_obstacle(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(environment.CONFIG_VARIABLE, str(tmp_path / "file" / "local.toml"))
    monkeypatch.delenv("PYTRACKING_OTB_PATH", raising=False)
    with pytest.raises(InputError, match="Not a directory"):
        env_settings()
