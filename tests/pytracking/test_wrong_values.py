"""Every option of every command, given a wrong value, is answered by one error that names it; none is left out."""

import argparse
import importlib
from pathlib import Path

import pytest

from pytracking import run_tracker, run_vot
from pytracking.command_line import COMMANDS
from tests.pytracking.dummy import write_frames

TRACKER = "dimp dimp_lite"
DEVICE = {"device": [("gpu", "unknown device 'gpu'"), ("hpu", "PyTorch finds no device of the kind hpu here")]}
SEED = {"seed": [("x", "--seed: invalid int value: 'x'")]}
RESULTS = {"results_path": [("{file}", "--results_path/--results-path: expected a folder, found the file {file}")]}
SHOWN = {
    "debug": [("9", "--debug: expected a number from 0 to 3"), ("x", "--debug: expected a number from 0 to 3")],
    "use_visdom": [("perhaps", "expected True or False, found 'perhaps'")],
    "visdom_port": [("99999", "expected a port, a number from 0 to 65535, found '99999'")],
    "visdom_server": [],  # where none answers the run goes on, and says so
}
NUMBERED = {"runid": [("-1", "--runid: expected a number >= 0"), ("x", "--runid: expected a number >= 0")]}
FORMAT = {"format": [("xml", "--format: invalid choice: 'xml'")]}
DATA = {"dataset_name": [("otbb", "unknown data set 'otbb'; did you mean 'otb'?"), ("otb", "otb_path is not set")]}
NOWHERE = {"sequence": [("nowhere", "unknown sequence 'nowhere'")]}
NAMES = {"tracker_name": [], "tracker_param": []}  # wrong ones are words of their own, below
PACKED = {
    "tracker_name": [],
    "param_name": [],
    "output_name": [("a/b", "expected a file name without folder as output_name")],
    **RESULTS,
    "check": [("{file}", "--check takes a zip file alone, found the tracker dimp, too")],
}
RUN_ID = {"runid": [("-1", "expected a run_id of 0 or more, found -1"), ("x", "--runid: invalid int value")]}

# For each command: words that are right, options with wrong values and what is said of them, whole wrong commands.
CASES: dict[str, tuple[str, dict[str, list[tuple[str, str]]], list[tuple[str, str]]]] = {
    "demo": ("", NOWHERE, []),
    "run": (
        f"{TRACKER} --dataset_name folder:{{data}}",
        {**NAMES, **DEVICE, **SEED, **RESULTS, **SHOWN, **NUMBERED, **FORMAT, **DATA, **NOWHERE}
        | {"threads": [("-1", "--threads: expected a number >= 0")]},
        [
            ("dmp dimp_lite", "unknown tracker 'dmp'; did you mean 'dimp'?"),
            ("dimp dimp_light", "unknown dimp parameter file 'dimp_light'; did you mean 'dimp_lite'?"),
            ("dimp", "expected a tracker and a parameter file"),
            (
                "dimp super_dimp_simple",
                "super_dimp_simple names pytracking's dimp parameter file of SuperDiMPSimple, which is not supported; "
                "supported are DiMP, SuperDiMP, PrDiMP and RT-MDNet: bgd_dimp50,",
            ),
            ("tomp tomp50", "tomp names pytracking's tracker of ToMP, which is not supported; supported are DiMP"),
            (f"{TRACKER} --dataset_name avist", "avist names pytracking's data set of AVisT, which is not supported"),
            (f"{TRACKER} --debug 1 --threads 2", "--threads is of no use with --debug"),
            (f"{TRACKER} --save_debug --format mot", "--format is of no use with --debug and --save_debug"),
        ],
    ),
    "video": (
        f"{TRACKER} {{walk}} --no_display --save_results --optional_box 4 5 20 16",
        {**NAMES, **DEVICE, **SEED, **RESULTS, **SHOWN, **NUMBERED, **FORMAT}
        | {
            "videofile": [],
            "browser_port": [("70000", "expected a port"), ("x", "expected a port")],
            "save_video": [("x.avi", "ends in .mp4, .m4v, .mov, .mkv; found x.avi"), ("{file}/x.mp4", "cannot write")],
            "max_frames": [("0", "expected a number > 0"), ("-1", "expected a number > 0")],
            "optional_box": [
                ("1 2 3 x", "--optional_box/--optional-box: invalid float value: 'x'"),
                ("1 2 0 4", "target 2: expected an initial box x, y, w, h of positive width and height"),
                ("1 2 nan 4", "target 2: expected an initial box of four finite numbers"),
                ("400 2 4 4", "target 2: expected an initial box that meets the image of 48x36 pixels"),
            ],
        },
        [
            ("{no} --no_display", "there is no '{no}'"),
            ("{file} --no_display", "cannot read video {file}"),
            ("dimp {walk} --no_display", "expected a tracker and its parameter file"),
            ("{walk} --no_display", "without a window nothing says what to track"),
            ("{walk} --browser_port 0", "--browser_port is of a page: give --draw_in_browser, too"),
        ],
    ),
    "experiment": (
        "table4_lite",
        {**DEVICE, **RESULTS, "debug": SHOWN["debug"]}
        | {
            "experiment_module": [],
            "experiment_name": [],
            "workers": [("-1", "--workers/--threads: expected a number >= 0")],
            "gpus": [("a", "expected GPU numbers as in 0,1"), ("99", "GPU 99 was asked for")],
            "torch_threads": [("0", "expected a number > 0")],
            "engine": [("slurm", "--engine: invalid choice: 'slurm'")],
            "gpus_per_worker": [("2", "expected a share of a GPU from 0 to 1")],
            "ray_address": [],  # goes to Ray
        },
        [
            ("tabel4_lite", "table4_lite"),
            ("myexperiments nothing", "unknown experiment of myexperiments 'nothing'"),
            ("{no}.toml", "{no}.toml"),
            ("table4_lite --gpus_per_worker 0.5", "--gpus_per_worker is for --engine ray"),
            ("table4_lite --shared_results", "--shared_results is for --engine ray"),
            ("table4_lite --engine ray --gpus 0", "--gpus is of no use with --engine ray"),
            ("table4_lite --workers 0 --torch_threads 2", "--torch_threads is for workers"),
            ("table4_lite --debug 1 --workers 2", "--workers is of no use with --debug"),
        ],
    ),
    "vot": (
        TRACKER,
        {**NAMES, **SEED, "device": []} | {"run_id": [("-1", "expected a run_id of 0 or more"), ("x", "invalid int")]},
        [("dimp", "tracker_param"), (TRACKER, "to be started by the VOT toolkit")],
    ),
    "vot trackers_ini": (
        "dimp:dimp_lite",
        {
            "trackers": [],
            "output": [("{walk}", "{walk} is a folder"), ("{file}/x", "{file}")],
            "workspace": [
                ("{file} --dataset vot2018:{vot}", "expected a folder, found the file {file}"),
                ("{no} --output {no}", "--output is of no use with --workspace"),
            ],
            "dataset": [
                ("vott --workspace {no}", "unknown data set 'vott'"),
                ("vot2019", "--dataset is of a workspace: give --workspace FOLDER, too"),
            ],
            "sequence": [
                ("nowhere --workspace {no} --dataset vot2018:{vot}", "unknown sequence 'nowhere'"),
                ("ants1", "--sequence is of a workspace"),
            ],
            # A name of the toolkit's, which knows more than this project.
            "stack": [("vot2019/shortterm", "--stack is of a workspace")],
        },
        [("dimp", "expected a tracker as name:parameters"), ("dimp:x", "unknown dimp parameter file 'x'")],
    ),
    "vot experiment": (
        "vot2018 dimp:dimp_lite --present_only --dataset vot2018:{vot}",
        {**DEVICE, **SEED, **RESULTS, **NOWHERE}
        | {
            "protocol": [],
            "trackers": [],
            "experiment": [("real", "'real'")],
            "dataset": [("vott", "unknown data set 'vott'"), ("vot2018:{no}", "{no} is no folder")],
            "repetitions": [("0", "--repetitions: expected a number > 0")],
            "output": [
                ("{file}", "expected a folder, found the file {file}"),
                ("{no} --results_path {results}", "--results_path is of no use with --output"),
            ],
        },
        [
            ("vot2020 dimp:dimp_lite", "unknown VOT protocol 'vot2020'; did you mean 'vot2019'?"),
            ("vot2018 dimp", "expected a tracker as name:parameters"),
        ],
    ),
    "vot analysis": (
        "vot2018 {walk} --present_only --dataset vot2018:{vot}",
        {**NOWHERE}
        | {
            "protocol": [],
            "results": [],
            "experiment": [("real", "real")],
            "convention": [("x", "--convention: invalid choice: 'x'")],
            "dataset": [("vott", "unknown data set 'vott'")],
            "output": [("{walk}", "{walk} is a folder")],
        },
        [
            ("vot2018 {no} --present_only --dataset vot2018:{vot}", "{no}"),
            ("vot2018 {file} --present_only --dataset vot2018:{vot}", "expected a folder, found the file {file}"),
        ],
    ),
    "report": (
        "--trackers dimp:dimp_lite --dataset_name folder:{data}",
        {**DATA, **NOWHERE, **RESULTS}
        | {
            "trackers": [("dimp", "expected a tracker as name:parameters"), ("dimp:x", "run the trackers first")],
            "convention": [("x", "unknown convention 'x'")],
            "output": [("{file}", "expected a folder, found the file {file}")],
            "strips": [("x", "--strips: invalid int value: 'x'")],
            "title": [],  # any text
        },
        [],
    ),
    "reproduce": (
        "table4 --lite",
        {"table": [], **RESULTS},
        [
            ("table99", "unknown table of the paper 'table99'"),
            ("table3 --results_path {results}", "--results_path is of no use with table3"),
        ],
    ),
    "pack-got10k": (
        TRACKER,
        PACKED,
        [
            ("dimp", "expected a tracker and a parameter file, or --check ZIP"),
            ("--check {no}", "cannot read {no}"),
            ("--check {file}", "{file} is no zip file"),
            ("--check {file} --output_name x", "--output_name is of no use with --check"),
            ("--check {file} --results_path {results}", "--results_path is of no use with --check"),
        ],
    ),
    "pack-trackingnet": (
        TRACKER,
        PACKED | RUN_ID,
        [
            ("dimp", "expected a tracker and a parameter file"),
            ("--check {file} --runid 0", "--runid is of no use with --check"),
        ],
    ),
    "pack-oxuva": (
        TRACKER,
        PACKED | RUN_ID | {"split": [("x", "--split: invalid choice")], "presence_threshold": [("x", "invalid float")]},
        [
            ("dimp", "expected a tracker and a parameter file, or --check ZIP"),
            ("--check {file} --split dev --presence_threshold 0", "--presence_threshold is of no use with --check"),
        ],
    ),
    "check-dataset": (
        "",
        {"name": []},
        [("otbb", "unknown data set 'otbb'"), ("otb", "otb_path is not set"), ("", "name")],
    ),
    "check-device": (
        "cpu",
        {
            "device": [],
            "json": [("{no}/x", "expected an existing folder for --json"), ("{walk}", "{walk} is a folder")],
            "frames": [("1", "expected --frames of at least 4, found 1"), ("x", "invalid int value")],
            "part": [("x", "unknown part 'x'")],
        },
        [("gpu", "unknown device 'gpu'"), ("cuda:99", "'cuda:99' was asked for")],
    ),
    "visdom": (
        "",
        {
            "port": [("99999", "expected a port"), ("x", "expected a port")],
            "environments": [("{file}", "--environments: expected a folder, found the file {file}")],
        },
        [],
    ),
    "train": (
        "dimp dimp50",
        {"words": []},
        [
            ("", "expected settings"),
            ("dimp dimp51", "unknown training settings 'dimp.dimp51'; did you mean 'dimp.dimp50'?"),
            ("dimp super_dimp_simple", "names pytracking's training settings of SuperDiMPSimple, which is not"),
            ("bbreg atom", "bbreg.atom names pytracking's training settings of ATOM, which is not supported"),
            ("dimp dimp50 epocs=3", "epochs"),
            ("dimp dimp50 epochs=x", "epochs"),
            ("dimp dimp50 epochs=0", "expected epochs >= 1, found 0"),
            ("dimp dimp50 device=gpu", "unknown device 'gpu'"),
            ("dimp dimp50 device=hpu", "PyTorch finds no device of the kind hpu here"),
            ("dimp dimp50 amp=x", "amp"),
            ("dimp dimp50 num_workers=-1", "expected num_workers >= 0, found -1"),
            ("dimp dimp50 name=a/b", "expected a name that can be part of a folder's name"),
            ("dimp dimp50", "lasot_path is not set"),
        ],
    ),
    "convert-checkpoint": (
        "{no}.pth",
        {"source": [], "target": [], "architecture": [("foo", "{no}.pth")]},
        [("{no}.pth", "{no}.pth"), ("{file}", "{file}"), ("", "source")],
    ),
}
AS_VIDEO = "camera"  # has the options of `video`, made by the same function


class CaughtError(Exception):
    """Holds the parser that a command was about to use."""


def value_options(monkeypatch: pytest.MonkeyPatch, command: str) -> set[str]:
    """Names of all options and words of a command that take a value."""

    def catch(parser: argparse.ArgumentParser, *_: object) -> None:
        raise CaughtError(parser)

    with monkeypatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, "parse_known_args", catch)
        with pytest.raises(CaughtError) as caught:
            main_of(command)(command.split()[1:])
    actions = caught.value.args[0]._actions
    return {action.dest for action in actions if action.nargs != 0 and action.dest != "help"}


def main_of(command: str):
    return importlib.import_module(COMMANDS[command.split(maxsplit=1)[0]][0]).main


def all_cases():
    for command, (words, options, wholes) in CASES.items():
        for option, values in options.items():
            for value, message in values:
                yield pytest.param(command, f"{words} --{option} {value}", message, id=f"{command} --{option} {value}")
        for whole, message in wholes:
            yield pytest.param(command, whole, message, id=f"{command} {whole}")


def test_no_command_and_no_option_is_left_out(monkeypatch):
    commands = {command.split()[0] for command in CASES} | {AS_VIDEO}
    assert commands == set(COMMANDS)
    assert {f"vot {name}" for name in run_vot.COMMANDS} <= set(CASES)
    for command, (_, options, _) in CASES.items():
        assert value_options(monkeypatch, command) == set(options), command
    assert value_options(monkeypatch, AS_VIDEO) - {"camera"} == set(CASES["video"][1]) - {"videofile"}


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the words stand for: a file, nothing, images, a data set that has results, and a VOT sequence."""
    folder = tmp_path_factory.mktemp("places")
    (folder / "file").write_text("no folder", encoding="utf-8")
    write_frames(folder / "walk", 3)
    write_frames(folder / "data" / "s1", 3)
    (folder / "data" / "s1" / "groundtruth.txt").write_text("4,5,20,16\n" * 3, encoding="utf-8")
    write_frames(folder / "vot" / "ants1" / "color", 3, digits=8)
    (folder / "vot" / "ants1" / "groundtruth.txt").write_text("4,5,20,16\n" * 3, encoding="utf-8")
    return {name: str(folder / name) for name in ("file", "no", "walk", "data", "vot", "results")}


@pytest.fixture(scope="module")
def results(places: dict[str, str]) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTRACKING_CONFIG", str(Path(places["results"]).with_name("local.toml")))
        words = f"{TRACKER} --device cpu --dataset_name folder:{places['data']} --results_path {places['results']}"
        assert run_tracker.main(words.split()) == 0
    return places["results"]


@pytest.mark.parametrize(("command", "words", "message"), list(all_cases()))
def test_a_wrong_value_is_one_error(command, words, message, places, results, monkeypatch, capsys):
    monkeypatch.setenv("PYTRACKING_RESULTS_PATH", results if command == "report" else places["results"] + "-of-test")
    arguments = [*command.split()[1:], *words.format(**places).split()]
    try:
        status = main_of(command)(arguments)
    except SystemExit as stop:
        status = stop.code
    captured = capsys.readouterr()
    assert status == (1 if command == "convert-checkpoint" and words else 2)  # 1: it could not be converted
    assert captured.err.count("error:") == 1
    assert "not supported" not in message or "did you mean" not in captured.err
    assert message.format(**places) in captured.err
    assert "Traceback" not in captured.err
    assert not Path(places["no"]).exists()
