import dataclasses

import pytest

from ltr.common import environment


@pytest.fixture(autouse=True)
def settings(tmp_path, monkeypatch) -> None:
    """Settings of the tests' own: no folder is set, and the workspace is a temporary one."""
    for field in dataclasses.fields(environment.Settings):
        monkeypatch.delenv(f"PYTRACKING_{field.name.upper()}", raising=False)
    monkeypatch.setenv(environment.CONFIG_VARIABLE, str(tmp_path / "configs" / "local.toml"))
    monkeypatch.setenv("PYTRACKING_WORKSPACE_PATH", str(tmp_path / "workspace"))
