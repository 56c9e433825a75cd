"""Trackers in pytracking's style, kept outside of the tree, in everything that runs trackers."""

import importlib
import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from ltr.admin.checkpoint import file_sha256
from ltr.admin.network_files import find_network
from ltr.common.boxes import overlap
from ltr.common.errors import InputError
from pytracking import run_experiment, run_tracker, run_video, run_vot
from pytracking.evaluation import Sequence, Tracker, trackerlist
from pytracking.evaluation.multi_object_wrapper import MultiObjectWrapper
from pytracking.evaluation.registry import list_parameters, list_trackers
from pytracking.evaluation.results import describe_run, load_result, stores_of
from pytracking.features.net_wrappers import NetWrapper
from pytracking.utils import TrackerParams
from pytracking.visualization.rendering import TILE
from tests.pytracking.visualization.test_live_view import read_video
from tests.pytracking.visualization.visdom_server import VisdomServer
from tests.pytracking.VOT.test_trax_server import Session

PLUGIN = Path(__file__).parent / "plugin"
FRAMES = 12
BOXES = np.array([[20 + 3 * i, 30 + i, 24, 30] for i in range(FRAMES)], float)


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Images of a textured target that crosses a textured background, with a VOT annotation that counts from 0."""
    monkeypatch.setenv("PYTRACKING_TRACKER_PATH", str(PLUGIN))
    monkeypatch.setenv("PYTRACKING_RESULTS_PATH", str(tmp_path / "results"))
    rng = np.random.default_rng(0)
    background = cv2.GaussianBlur(rng.integers(0, 255, (120, 160, 3), np.uint8), (0, 0), 3)
    target = cv2.GaussianBlur(rng.integers(0, 255, (30, 24, 3), np.uint8), (0, 0), 1.2)
    folder = tmp_path / "data" / "cross"
    folder.mkdir(parents=True)
    for number, (x, y, w, h) in enumerate(BOXES.astype(int)):
        image = background.copy()
        image[y : y + h, x : x + w] = target
        cv2.imwrite(str(folder / f"{number:04d}.png"), image)
    (folder / "groundtruth.txt").write_text("".join(",".join(map(str, box)) + "\n" for box in BOXES))
    return folder


def sequence(scene: Path) -> Sequence:
    return Sequence("cross", sorted(scene.glob("*.png")), "made", BOXES)


def assert_follows(boxes: np.ndarray) -> None:
    """Every frame overlaps by more than half; a box that stays overlaps the last one not at all."""
    assert len(boxes) == FRAMES
    assert overlap(boxes, BOXES).min() > 0.5
    assert overlap(BOXES[0], BOXES[-1]) == 0


def test_run_tracker_in_this_process_and_in_a_worker(scene: Path, tmp_path: Path) -> None:
    arguments = ["mosse", "default", "--dataset_name", f"folder:{scene}", "--device", "cpu"]
    assert run_tracker.main(arguments) == 0
    folder = tmp_path / "results" / "mosse" / "default"
    result = load_result(folder, "cross")
    assert_follows(result.boxes)
    assert len(result.scores) == FRAMES
    record = json.loads((folder / "run.json").read_text())
    assert record["parameters"]["learning_rate"] == 0.05
    assert record["parameters"]["features"] == {"class": "FeatureParams", "weights": [0.7, 0.3]}
    assert run_tracker.main([*arguments, "--threads", "1", "--results_path", str(tmp_path / "worker")]) == 0
    written = tmp_path / "worker" / "mosse" / "default" / "cross.txt"
    assert written.read_bytes() == (folder / "cross.txt").read_bytes()


def test_lists_show_it(scene: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "mosse" in list_trackers()
    assert list(list_parameters("mosse")) == ["default", "drawn"]
    assert run_tracker.main(["--list"]) == 0
    assert "tracker mosse, parameter files:" in capsys.readouterr().out


def test_parameter_files_of_ones_own_for_trackers_of_the_project(
    scene: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "mine" / "parameter" / "dimp"
    folder.mkdir(parents=True)
    (folder / "quick.py").write_text(
        '"""Few samples."""\n\nfrom pytracking.parameter.dimp import dimp_lite\n\n\n'
        "def parameters():\n    params = dimp_lite.parameters()\n    params.sample_memory_size = 7\n    return params\n"
    )
    monkeypatch.setenv("PYTRACKING_TRACKER_PATH", f"{PLUGIN}:{tmp_path / 'mine'}")
    assert Tracker("dimp", "quick").get_parameters().get("sample_memory_size") == 7
    assert "dimp_lite" in list_parameters("dimp")
    (folder / "dimp_lite.py").write_text("")
    with pytest.raises(
        InputError, match=r"mine/parameter/dimp/dimp_lite\.py has the name of .*/dimp_lite\.py; give one"
    ):
        Tracker("dimp", "dimp_lite").get_parameters()
    (tmp_path / "mine" / "tracker" / "dimp").mkdir(parents=True)
    (tmp_path / "mine" / "tracker" / "dimp" / "__init__.py").write_text("def get_tracker_class(): ...")
    with pytest.raises(InputError, match=r"mine/tracker/dimp/__init__\.py has the name of"):
        Tracker("dimp", "quick").get_parameters()
    monkeypatch.setenv("PYTRACKING_TRACKER_PATH", str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match=r"tracker_path names .*nowhere, which is no folder"):
        Tracker("dimp", "quick").get_parameters()


def test_run_video_with_its_panels(scene: Path, tmp_path: Path) -> None:
    arguments = [
        "mosse",
        "default",
        str(scene),
        "--optional_box",
        *map(str, BOXES[0]),
        "--no_display",
        "--device",
        "cpu",
    ]
    assert run_video.main([*arguments, "--save_results", "--save_debug"]) == 0
    folder = tmp_path / "results" / "mosse" / "default"
    assert_follows(load_result(folder, "video_cross_1").boxes)
    # Tracking, Status, First and Current Target, and the two that the tracker registers: the rows of the strip.
    strip = cv2.imread(str(folder / "debug" / "video_cross_1_strip.png"))
    assert strip is not None
    assert strip.shape[0] == 5 * TILE[1]
    assert len(read_video(folder / "debug" / "video_cross_1_panels.mp4")) == FRAMES
    summary = Tracker("mosse", "default", device="cpu").run_video(scene, BOXES[0].tolist())
    assert summary.num_frames == FRAMES


def test_vot_experiment(scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--dataset", f"folder:{scene}", "--repetitions", "1", "--experiment", "baseline", "--device", "cpu"]
    output = ["--output", str(tmp_path / "vot")]
    assert run_vot.main(["experiment", "vot2018", "mosse:default", *arguments, *output]) == 0
    assert "1 repetitions done" in capsys.readouterr().out
    rows = (tmp_path / "vot" / "mosse_default" / "baseline" / "cross" / "cross_001.txt").read_text().split()
    assert rows[0] == "1"
    assert_follows(np.array([BOXES[0], *(list(map(float, row.split(","))) for row in rows[1:])]))


def test_under_the_vot_toolkit(scene: Path) -> None:
    command = [sys.executable, "-m", "pytracking.run_vot", "mosse", "default", "--device", "cpu"]
    session = Session(command, PYTRACKING_TRACKER_PATH=str(PLUGIN), TRAX="1")
    frames = sorted(scene.glob("*.png"))
    session.frame(frames[0], importlib.import_module("trax").Rectangle.create(*BOXES[0]))
    answers = [session.frame(frame) for frame in frames[1:]]
    assert_follows(np.array([BOXES[0], *(box for box, _ in answers)]))
    assert session.end()[0] == 0


def write_sweep(path: Path, scene: Path, entry: str) -> str:
    path.write_text(f'[[part]]\ndatasets = ["folder:{scene}"]\ntrackers = [{{ tracker = "mosse", {entry} }}]\n')
    return str(path)


def test_sweep_over_parameters_that_nobody_declared(
    scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = write_sweep(
        tmp_path / "rates.toml", scene, 'parameters = "default", grid = { learning_rate = [0.02, 0.2] }'
    )
    assert run_experiment.main([sweep, "--device", "cpu"]) == 0
    folders = list((tmp_path / "results" / "mosse").glob("default+*"))
    rates = {json.loads((folder / "run.json").read_text())["parameters"]["learning_rate"] for folder in folders}
    assert rates == {0.02, 0.2}
    assert len({(folder / "cross.txt").read_text() for folder in folders}) == 2
    assert run_experiment.main([sweep, "--device", "cpu"]) == 0
    assert "2 of 2 skipped: results exist" in capsys.readouterr().err
    for entry, message in [
        ("learning_rat = 0.2", "sets no parameter 'learning_rat'; did you mean 'learning_rate'?"),
        ('learning_rate = "high"', "'learning_rate': expected a value of the kind of 0.05, found 'high'"),
    ]:
        wrong = write_sweep(tmp_path / "wrong.toml", scene, f'parameters = "default", overrides = {{ {entry} }}')
        assert run_experiment.main([wrong]) == 2
        assert message in capsys.readouterr().err


def test_parameters_drawn_by_chance_are_those_of_the_run(scene: Path, tmp_path: Path) -> None:
    sweep = write_sweep(tmp_path / "drawn.toml", scene, 'parameters = "drawn", runs = 6')
    assert run_experiment.main([sweep, "--device", "cpu"]) == 0
    runs = trackerlist("mosse", "drawn", range(6), device="cpu")
    rates = [run.get_parameters().get("learning_rate") for run in runs]
    assert rates == [run.get_parameters().get("learning_rate") for run in reversed(runs)][::-1]
    assert len(set(rates)) > 1
    recorded = [json.loads((run.results_dir / "run.json").read_text())["parameters"]["learning_rate"] for run in runs]
    assert recorded == rates
    assert [store.conflict() for store in stores_of(runs)] == [""] * 6


def test_scores_in_the_browser(scene: Path, tmp_path: Path) -> None:
    with VisdomServer(tmp_path) as server:
        output = Tracker("mosse", "default", device="cpu").run_sequence(sequence(scene), 2, {"port": server.port})
        windows = server.windows()
        Tracker("netfilter", "default", device="cpu").run_sequence(sequence(scene), 3, {"port": server.port})
        (loss,) = server.windows()["Training Loss"]["content"]["data"]
    assert len(loss["y"]) == 10 + 1  # iterations of the first frame, and the end
    assert {"Tracking", "Score Map", "Filter"} <= set(windows)
    scores = np.array(windows["Score Map"]["content"]["data"][0]["z"])
    assert scores.shape == (63, 63)
    assert scores.max() == pytest.approx(output["object_presence_score"][-1], rel=1e-6)
    assert f"frame num: {FRAMES}" in windows["Filter"]["content"]
    assert {"Score Map", "Filter"} <= {entry["name"] for entry in windows["block_list"]["content"]}


def test_a_tracker_with_a_network(scene: Path, tmp_path: Path) -> None:
    tracker = Tracker("netfilter", "default", device="cpu")
    output = tracker.run_sequence(sequence(scene), 3, {"use_visdom": False, "save_debug": True})
    assert_follows(np.array(output["target_bbox"]))
    assert len(output["object_presence_score"]) == FRAMES
    strip = cv2.imread(str(tracker.results_dir / "debug" / "cross_strip.png"))
    assert strip is not None
    assert strip.shape[0] == 5 * TILE[1]  # with Score Map and Training Loss
    record = describe_run(tracker)
    assert record["parameters"]["net"]["net_path"] == "dimp_lite0.safetensors"
    sha256 = file_sha256(find_network("dimp_lite0.safetensors"))
    assert record["network_sha256"] == sha256
    params = tracker.get_parameters()
    params.second = NetWrapper("dimp_lite0.safetensors")  # type: ignore[attr-defined]
    tracker.get_parameters = lambda: params  # type: ignore[method-assign]
    assert describe_run(tracker)["network_sha256"] == [sha256, sha256]


def test_several_objects_at_once(scene: Path) -> None:
    setup = Tracker("mosse", "default", device="cpu")
    wrapper = MultiObjectWrapper(setup.tracker_class(), setup.get_parameters())
    images = [cv2.imread(str(path))[..., ::-1] for path in sorted(scene.glob("*.png"))]
    still = [100.0, 60.0, 30.0, 30.0]
    output = wrapper.initialize(images[0], {"init_object_ids": ["1"], "init_bbox": {"1": BOXES[0].tolist()}})
    assert output["target_bbox"] == {"1": BOXES[0].tolist()}
    boxes = []
    for number, image in enumerate(images[1:], start=1):
        new = {"init_object_ids": ["2"], "init_bbox": {"2": still}} if number == 4 else {}
        output = wrapper.track(image, {"previous_output": output, **new})
        boxes.append(output["target_bbox"]["1"])
        assert set(output["target_bbox"]) == set(output["time"]) == ({"1"} if number < 4 else {"1", "2"})
    assert_follows(np.array([BOXES[0], *boxes]))
    assert overlap(np.array(output["target_bbox"]["2"]), np.array(still)) > 0.5
    assert set(output["object_presence_score"]) == {"1", "2"}
    with pytest.raises(InputError, match=r"found none of \['3'\]"):
        wrapper.track(images[0], {"init_object_ids": ["3"]})
    # Alone it does the same.
    alone = setup.create_tracker(setup.get_parameters())
    alone.initialize(images[0], {"init_bbox": BOXES[0].tolist()})
    assert [alone.track(image)["target_bbox"] for image in images[1:]] == boxes


@pytest.mark.parametrize("name", ["atom", "eco", "tomp"])
def test_trackers_that_are_not_here(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_tracker.main([name, "default"]) == 2
    error = capsys.readouterr().err
    assert f"{name} names pytracking's tracker of " in error
    assert "not supported" in error
    assert "RT-MDNet: dimp, rtmdnet" in error
    assert "docs/pytracking.md says what of pytracking is here, and how a tracker of one's own" in error


@pytest.mark.parametrize("place", ["tracker/needy/__init__.py", "parameter/needy/default.py"])
@pytest.mark.parametrize(
    ("statement", "message"),
    [
        (
            "from pytracking.features.extractor import MultiResolutionExtractor",
            "No module named 'pytracking.features.ex",
        ),
        ("from pytracking import optimization", "cannot import name 'optimization' from 'pytracking'"),
    ],
)
def test_what_a_tracker_imports_in_vain(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    place: str,
    statement: str,
    message: str,
) -> None:
    name = tmp_path.name  # modules of another test would be found again
    monkeypatch.setenv("PYTRACKING_TRACKER_PATH", str(tmp_path))
    files = {"tracker/needy/__init__.py": "def get_tracker_class(): ...\n", "parameter/needy/default.py": ""}
    files[place] = statement + "\n" + files[place]
    for file, text in files.items():
        path = tmp_path / file.replace("needy", name)
        path.parent.mkdir(parents=True)
        path.write_text(text)
    assert run_tracker.main([name, "default"]) == 2
    error = capsys.readouterr().err
    assert f"imports what is not here: {message}" in error
    assert "docs/pytracking.md" in error


def test_a_bag_of_the_projects_own_trackers_is_still_checked(scene: Path) -> None:
    params = TrackerParams()
    params.learning_rat = 0.1  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match="did you mean 'learning_rate'"):
        Tracker("dimp", "dimp_lite").create_tracker(params)
