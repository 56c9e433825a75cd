from pathlib import Path

import pytest

from ltr.admin.network_files import find_network
from ltr.weights import FOLDER


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    folders = [tmp_path / name for name in ("first", "second")]
    for folder in folders:
        folder.mkdir()
    monkeypatch.setenv("PYTRACKING_NETWORK_PATH", ":".join(map(str, folders)))
    return folders


def test_the_first_folder_that_has_it_counts(folders: list[Path]) -> None:
    (folders[1] / "net.pth").touch()
    assert find_network("net.pth") == folders[1] / "net.pth"
    (folders[0] / "net.safetensors").touch()  # its conversion
    assert find_network("net.pth") == folders[0] / "net.pth"


def test_packaged_networks_come_last(folders: list[Path]) -> None:
    name = next(path.name for path in FOLDER.glob("*.safetensors"))
    assert find_network(name) == FOLDER / name
    (folders[0] / name).touch()
    assert find_network(name) == folders[0] / name


def test_what_is_nowhere_is_expected_in_the_first_folder(folders: list[Path]) -> None:
    assert find_network("absent.pth") == folders[0] / "absent.pth"
    assert find_network("/absolute/absent.pth") == Path("/absolute/absent.pth")
