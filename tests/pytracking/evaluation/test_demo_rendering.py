"""The demo data set: exact boxes, deterministic pixels, and a folder that survives a killed rendering."""

import json
import math
import socket
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytracking.evaluation import demo_files
from pytracking.evaluation.demo_files import DEMO_VERSION, demo_sequences, is_rendered, render_demo
from pytracking.evaluation.demo_parts import Background, Camera, Scene, Sprite, curve, ellipse, still
from pytracking.evaluation.demo_rendering import ABSENT_BELOW, SceneRenderer, clip_polygon, photo_path, polygon_area
from pytracking.evaluation.demo_scenes import SCENES

BY_NAME = {scene.name: scene for scene in SCENES}
every_scene = pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)


def full_boxes(renderer: SceneRenderer) -> np.ndarray:
    """(T, 4) boxes of the whole target, also where it is hidden or cut by the frame."""
    outlines = np.stack([renderer.outline(t) for t in range(renderer.scene.num_frames)])
    low, high = outlines.min(axis=1), outlines.max(axis=1)
    return np.concatenate((low, high - low), axis=1)


@pytest.fixture
def two_short_scenes(monkeypatch):
    short = tuple(replace(BY_NAME[name], num_frames=frames) for name, frames in (("cat_grass", 4), ("coin_crowd", 6)))
    monkeypatch.setattr(demo_files, "SCENES", short)
    return short


def test_the_set_is_small_and_has_one_long_sequence():
    sequences = demo_sequences()
    frames = [num_frames for _, num_frames, _ in sequences]
    assert len({name for name, _, _ in sequences}) == len(sequences) >= 9
    assert sum(frames) <= 3500
    assert max(frames) >= 1500
    attributes = {attribute for _, _, of_one in sequences for attribute in of_one}
    assert attributes >= {
        "translation", "scale", "rotation", "blur", "light", "distractors", "occlusion", "out of view", "return",
    }  # fmt: skip


def test_nothing_is_downloaded(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("network access")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    for scene in SCENES:
        SceneRenderer(scene)


def test_a_missing_photograph_is_named():
    with pytest.raises(FileNotFoundError, match=r"no_such\.png.*pip install"):
        photo_path("no_such.png")


def target_alpha(renderer: SceneRenderer, t: int) -> np.ndarray:
    """(H, W) mask of the target in the middle of a frame's exposure, as if nothing were in front."""
    i, canvas = renderer._instant(t), np.zeros((renderer.height, renderer.width, 3), np.float32)
    window, alpha = renderer._target.paint(canvas, renderer._to_frame(i) @ renderer._target.to_world(i), i)
    mask = np.zeros((renderer.height, renderer.width), np.float32)
    mask[window] = alpha
    return mask


@every_scene
def test_box_bounds_the_rendered_mask(scene):
    renderer = SceneRenderer(scene)
    for t in np.linspace(0, scene.num_frames - 1, 9).astype(int):
        # Between the half of a pixel that a straight edge covers and the quarter that a corner does.
        rows, columns = np.nonzero(target_alpha(renderer, t) > 0.4)
        if len(rows) == 0:
            continue
        polygon = clip_polygon(renderer.outline(t), *scene.frame_size)
        seen = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
        np.testing.assert_allclose(np.concatenate((polygon.min(axis=0), polygon.max(axis=0))), seen, atol=1.0)


@every_scene
def test_boxes_lie_inside_the_frame_and_start_with_the_whole_target(scene):
    renderer = SceneRenderer(scene)
    width, height = scene.frame_size
    whole = full_boxes(renderer)
    first = renderer.render(0)
    assert first.visible > 0.97  # the mask's soft edge takes part of the outline's area
    np.testing.assert_allclose(first.box, whole[0])
    for t in range(0, scene.num_frames, 20):
        frame = renderer.render(t)
        assert frame.image.shape == (height, width, 3)
        assert frame.image.dtype == np.uint8
        assert (frame.box is None) == (frame.visible < ABSENT_BELOW)
        if frame.box is not None:
            assert (frame.box[:2] >= 0).all()
            assert (frame.box[2:] > 0).all()
            assert (frame.box[:2] + frame.box[2:] <= (width, height)).all()


@every_scene
def test_sizes_and_speeds_are_those_of_video(scene):
    boxes = full_boxes(SceneRenderer(scene))
    assert boxes[:, 2:].max() <= 130
    assert boxes[:, 2:].min() >= 24
    speed = np.linalg.norm(np.diff(boxes[:, :2] + boxes[:, 2:] / 2, axis=0), axis=1)
    assert speed.max() <= 16
    if "scale" in scene.attributes:
        longer = boxes[:, 2:].max(axis=1)
        assert longer.max() / longer.min() > 1.3


def test_box_of_a_turned_ellipse_is_the_closed_form():
    rx, ry = 40.0, 20.0
    sprite = Sprite(ellipse("coins.png", 150, 150, rx, ry), size=still(2 * rx), angle=curve((0, 0), (10, 90)))
    scene = Scene("ellipse", 11, (160, 120), (), Background("gravel.png"), sprite, camera=Camera(zoom=still(1.25)))
    renderer = SceneRenderer(scene)
    for t in range(11):
        angle = math.radians(90 * t / 10)  # a cubic through two knots is their line
        half = 1.25 * np.array([math.hypot(rx * math.cos(angle), ry * math.sin(angle)),
                                math.hypot(rx * math.sin(angle), ry * math.cos(angle))])  # fmt: skip
        box = renderer.render(t).box
        assert box is not None
        np.testing.assert_allclose(box[:2] + box[2:] / 2, (80, 60), atol=1e-9)
        np.testing.assert_allclose(box[2:], 2 * half, rtol=1 - math.cos(math.pi / 96))  # sagitta of the 96 chords


@given(
    center=st.tuples(st.floats(-20, 120), st.floats(-20, 80)),
    radii=st.tuples(st.floats(3, 60), st.floats(3, 60)),
    num_vertices=st.integers(3, 40),
)
def test_clipped_polygon_is_the_intersection_with_the_frame(center, radii, num_vertices):
    angles = 2 * np.pi * np.arange(num_vertices) / num_vertices
    polygon = np.array(center) + np.stack((np.cos(angles), np.sin(angles)), axis=1) * radii
    clipped = clip_polygon(polygon, 100, 60)
    supersampled = 4
    y, x = (np.mgrid[: 60 * supersampled, : 100 * supersampled] + 0.5) / supersampled
    inside = np.ones(x.shape, bool)
    for (x0, y0), (x1, y1) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        inside &= (x1 - x0) * (y - y0) - (y1 - y0) * (x - x0) >= 0
    if inside.any():
        # A row of samples errs by at most one sample where it enters and one where it leaves: 2 * 60 * 4 / 4² = 30.
        assert polygon_area(clipped) == pytest.approx(inside.sum() / supersampled**2, abs=30)
        assert (clipped >= -1e-9).all()
        assert (clipped <= np.array([100, 60]) + 1e-9).all()
        low, high = clipped.min(axis=0), clipped.max(axis=0)
        assert (low <= (x[inside].min(), y[inside].min())).all()
        assert (high >= (x[inside].max(), y[inside].max())).all()


def test_hidden_target_has_no_box_and_leaves_no_trace():
    scene = BY_NAME["cameraman_walls"]
    renderer = SceneRenderer(scene)
    without = SceneRenderer(replace(scene, target=replace(scene.target, x=still(1e4))))
    frames = {t: renderer.render(t) for t in (30, 60, 165, 210)}
    assert [frames[t].box is None for t in (30, 60, 165, 210)] == [False, True, True, False]
    for t, frame in frames.items():
        changed = (frame.image != without.render(t).image).any(axis=2).mean()
        assert (changed == 0) == (frame.box is None)


def test_box_of_a_partly_occluded_target_bounds_all_of_it():
    renderer = SceneRenderer(BY_NAME["cameraman_walls"])
    frame = renderer.render(40)
    assert 0.1 < frame.visible < 0.5
    np.testing.assert_allclose(frame.box, full_boxes(renderer)[40])


def test_target_leaves_the_view_and_comes_back():
    renderer = SceneRenderer(BY_NAME["headlight_pan"])
    whole = full_boxes(renderer)
    outside = np.flatnonzero(whole[:, 0] > renderer.width)
    assert 10 < len(outside) < 40
    assert all(renderer.render(t).box is None for t in outside[::5])
    leaving = outside[0] - 3
    box = renderer.render(leaving).box
    assert box is not None
    assert box[0] + box[2] == pytest.approx(renderer.width)
    assert renderer.render(outside[-1] + 10).visible > 0.9


def normalized_patch(renderer: SceneRenderer, t: int) -> np.ndarray:
    frame = renderer.render(t)
    assert frame.box is not None
    x, y, w, h = frame.box
    to_patch = np.array([[32 / w, 0, -x * 32 / w], [0, 32 / h, -y * 32 / h]])
    patch = cv2.warpAffine(cv2.cvtColor(frame.image, cv2.COLOR_RGB2GRAY), to_patch, (32, 32)).astype(np.float64)
    return (patch - patch.mean()) / np.linalg.norm(patch - patch.mean())


def test_the_first_appearance_returns_late_and_suddenly():
    scene = BY_NAME["portrait_return"]
    renderer = SceneRenderer(scene)
    first = normalized_patch(renderer, 0)
    likeness = {t: float((first * normalized_patch(renderer, t)).sum()) for t in (100, 700, 1000, 1370, 1390, 1599)}
    assert min(likeness[100], likeness[1390], likeness[1599]) > 0.7
    assert max(likeness[700], likeness[1000], likeness[1370]) < 0.3


@every_scene
def test_pixels_depend_on_neither_order_nor_threads(scene):
    forwards, backwards = SceneRenderer(scene), SceneRenderer(scene)
    a = [forwards.render(t) for t in (0, 50)]
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1 if threads > 1 else 2)
    try:
        b = [backwards.render(t) for t in (50, 0)][::-1]
    finally:
        cv2.setNumThreads(threads)
    for one, other in zip(a, b, strict=True):
        np.testing.assert_array_equal(one.image, other.image)
        np.testing.assert_array_equal(one.box, other.box)


def test_frame_outside_the_scene_is_an_error():
    with pytest.raises(IndexError, match="frames 0 to 219, got 220"):
        SceneRenderer(BY_NAME["cat_grass"]).render(220)


def test_files(tmp_path, two_short_scenes):
    render_demo(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cat_grass", "coin_crowd", "demo.json"]
    assert sorted(p.name for p in (tmp_path / "coin_crowd" / "img").iterdir()) == [f"{n:05d}.jpg" for n in range(1, 7)]

    rows = (tmp_path / "coin_crowd" / "groundtruth.txt").read_text().splitlines()
    renderer = SceneRenderer(two_short_scenes[1])
    for t, row in enumerate(rows):
        frame = renderer.render(t)
        assert row == ",".join(f"{v:.4f}" for v in frame.box)
        image = cv2.imread(str(tmp_path / "coin_crowd" / "img" / f"{t + 1:05d}.jpg"))[..., ::-1]
        assert np.abs(image.astype(float) - frame.image).mean() < 6  # channels in order; JPEG loses some texture

    manifest = json.loads((tmp_path / "demo.json").read_text())
    assert manifest["version"] == DEMO_VERSION
    assert manifest["sequences"]["coin_crowd"]["num_frames"] == 6
    assert manifest["sequences"]["coin_crowd"]["frame_size"] == [400, 300]
    assert "distractors" in manifest["sequences"]["coin_crowd"]["attributes"]


def test_absent_rows_are_nan(tmp_path, monkeypatch):
    scene = BY_NAME["cameraman_walls"]
    hidden = replace(scene, num_frames=2, target=replace(scene.target, x=curve((0, -285), (1, -140))))
    monkeypatch.setattr(demo_files, "SCENES", (hidden,))
    render_demo(tmp_path)
    boxes = np.loadtxt(tmp_path / "cameraman_walls" / "groundtruth.txt", delimiter=",")
    np.testing.assert_array_equal(np.isnan(boxes), [[False] * 4, [True] * 4])


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_killed_rendering_is_done_again(tmp_path, two_short_scenes, monkeypatch):
    rendered = []
    render = SceneRenderer.render

    def kill(self, t):
        rendered.append(self.scene.name)
        if (self.scene.name, t) == ("coin_crowd", 3):
            raise KeyboardInterrupt
        return render(self, t)

    monkeypatch.setattr(SceneRenderer, "render", kill)
    with pytest.raises(KeyboardInterrupt):
        render_demo(tmp_path / "killed")
    assert is_rendered(tmp_path / "killed", ["cat_grass"])
    assert not is_rendered(tmp_path / "killed", ["coin_crowd"])
    assert not is_rendered(tmp_path / "killed")
    assert sorted(p.name for p in (tmp_path / "killed").iterdir()) == ["cat_grass", "demo.json"]

    rendered.clear()
    monkeypatch.setattr(SceneRenderer, "render", lambda self, t: rendered.append(self.scene.name) or render(self, t))
    render_demo(tmp_path / "killed")
    assert set(rendered) == {"coin_crowd"}
    render_demo(tmp_path / "whole", names=["coin_crowd"])
    render_demo(tmp_path / "whole")
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


@pytest.mark.parametrize("damage", ["no manifest", "broken manifest", "last frame gone", "other version"])
def test_damaged_folder_is_rendered_again(tmp_path, two_short_scenes, monkeypatch, damage):
    render_demo(tmp_path, names=["cat_grass"])
    before = contents(tmp_path)
    assert is_rendered(tmp_path, ["cat_grass"])
    if damage == "no manifest":
        (tmp_path / "demo.json").unlink()
    elif damage == "broken manifest":
        (tmp_path / "demo.json").write_text('{"version": ')
    elif damage == "last frame gone":
        (tmp_path / "cat_grass" / "img" / "00004.jpg").unlink()
    else:
        monkeypatch.setattr(demo_files, "DEMO_VERSION", DEMO_VERSION + "-next")
    assert not is_rendered(tmp_path, ["cat_grass"])
    render_demo(tmp_path, names=["cat_grass"])
    assert is_rendered(tmp_path, ["cat_grass"])
    if damage != "other version":
        assert contents(tmp_path) == before


def test_unknown_sequence_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"cat_grass.*found dog_grass"):
        render_demo(tmp_path, names=["dog_grass"])
