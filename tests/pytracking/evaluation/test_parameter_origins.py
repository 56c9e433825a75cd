"""What `run_tracker.py --show` says of parameters: checked against the source lines that it names."""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from ltr.common.environment import PROJECT
from pytracking.evaluation import Tracker, registry
from pytracking.evaluation.parameter_origins import ParameterRow, describe_parameters, field_texts
from pytracking.run_tracker import main
from pytracking.utils.params import TypedParams


def rows(name: str, parameters: str, **options: object) -> dict[str, ParameterRow]:
    return {row.name: row for row in describe_parameters(Tracker(name, parameters, **options))}


def source_line(place: str) -> str:
    file, number = re.match(r"(.+?):(\d+)", place).groups()
    return (PROJECT / file).read_text(encoding="utf-8").splitlines()[int(number) - 1]


def test_places_are_those_of_parameter_file_base_and_class() -> None:
    found = rows("dimp", "rls_dimp50_authors")
    assert found["net"].place.endswith("dimp50()")
    assert found["online_optimizer"].place.endswith("rls()")
    assert found["iounet_k"].place.startswith("pytracking/parameter/dimp/rls_dimp50_authors.py:")
    assert found["iounet_k"].place.endswith("parameters()")
    assert found["rls_dtype"].value == "float16"
    assert not found["iounet_k"].is_default
    assert found["search_area_scale"].is_default
    assert "search_area_scale" in source_line(found["search_area_scale"].place)
    assert found["search_area_scale"].meaning == "side of the search area in sqrt(target area)"
    assert found["search_area_scale"].section == "Search area"


def test_values_set_again_are_of_the_last_one() -> None:
    assert rows("dimp", "dimp50_vot18")["train_skipping"].place.endswith("vot18()")
    again = rows("dimp", "dimp50_vot19")
    assert again["train_skipping"].place.endswith("vot18()")  # vot19 builds on it
    assert again["net_opt_iter"].place.endswith("vot19()")


@pytest.mark.parametrize("name", registry.list_trackers())
def test_every_parameter_of_every_file_has_a_meaning_and_a_place(name: str) -> None:
    for parameters in registry.list_parameters(name):
        for row in rows(name, parameters).values():
            assert row.meaning, f"{row.place}: {row.name} has no comment"
            if row.is_default:
                assert re.match(rf"    {row.name}: ", source_line(row.place))
            else:
                assert source_line(row.place)


def test_defaults_are_those_of_the_class() -> None:
    for row in rows("rtmdnet", "rls_rtmdnet_lite").values():
        params = Tracker("rtmdnet", "rls_rtmdnet_lite").tracker_class().params_class()
        if row.is_default:
            assert row.value == getattr(params, row.name)


def test_a_device_given_on_the_command_line_is_shown() -> None:
    assert rows("dimp", "dimp_lite", device="cpu")["device"].value == "cpu"


@dataclass(kw_only=True)
class Documented(TypedParams):
    """Two sections."""

    # First
    beside: int = 1  # what it is
    # above it
    above: int = 2

    # Second
    # two lines
    # of text
    both: tuple[int, ...] = (
        1,  # one
        2,
    )  # and the end


def test_comments_above_and_beside_are_the_meaning() -> None:
    texts = field_texts(Documented)
    assert texts["beside"].meaning == "what it is"
    assert texts["above"].meaning == "above it"
    assert texts["both"].meaning == "two lines of text one and the end"
    assert texts["both"].section == "Second"
    assert texts["debug"].place.startswith("pytracking/utils/params.py:")


def test_pytrackings_open_parameters_are_placed_by_their_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "opened.py"
    file.write_text(
        "from pytracking.utils import TrackerParams\n\n\ndef parameters():\n    params = TrackerParams()\n"
        "    params.search_area_scale = 4.5\n    return params\n"
    )
    import pytracking.parameter.dimp as package

    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    monkeypatch.setattr(registry, "list_parameters", lambda *_: {"opened": file})
    row = rows("dimp", "opened")["search_area_scale"]
    assert (row.value, row.place, row.is_default) == (4.5, f"{file}:6", False)


def test_command_prints_a_line_for_each_parameter(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--show", "dimp", "rls_dimp50"]) == 0
    lines = capsys.readouterr().out.splitlines()
    (line,) = [line for line in lines if line.split()[:1] == ["online_step_length"]]
    assert re.search(r"0\.003 +pytracking/parameter/dimp/_base\.py:\d+ rls\(\) +eta of BGD and RLS-BGD", line)
    assert main(["--show", "dimp", "rls_dimp5"]) == 2
    assert "did you mean 'rls_dimp50'" in capsys.readouterr().err
