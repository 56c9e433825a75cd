"""A short training on rendered tracks teaches what holds on other rendered tracks."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from ltr.data.synthetic import SceneOptions, SyntheticTracks
from ltr.run_training import main
from ltr.train_settings.dimp.dimp_lite0 import Options, build

SMALL = {
    "synthetic_tracks": 30,
    "val_crops_per_sequence": 12,
    "samples_per_epoch": 160,
    "epochs": 3,
    "num_workers": 0,
    "keep_checkpoints": 9,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight rendered tracks to validate on, in `val`."""
    pytest.importorskip("skimage", reason="the photographs in its wheel are rendered from")
    folder = tmp_path_factory.mktemp("learns")
    tracks = SyntheticTracks(num_tracks=8, seed=99, options=SceneOptions(num_frames=12))
    for index in range(len(tracks)):
        images = folder / "val" / f"{index}" / "img"
        images.mkdir(parents=True)
        for number, image in enumerate(tracks.read_frames(index, range(12)), start=1):
            cv2.imwrite(str(images / f"{number:05d}.jpg"), image[..., ::-1])
        track = tracks.track(index)
        boxes = np.where(track.visible[:, None], track.boxes, np.nan)
        np.savetxt(images.parent / "groundtruth.txt", boxes, fmt="%.3f", delimiter=",")
    return folder


def validations(folder: Path, seed: int) -> list[dict[str, float]]:
    """Losses on the validation tracks: of the network before it was trained, and after each epoch."""
    workspace = folder / f"{seed}"
    options = {"workspace": workspace, "cache": folder / "cache", "val_sequences": folder / "val", "seed": seed}
    task = build(Options(**SMALL, **options))
    assert task.val_set is not None
    assert task.collate is not None
    with torch.no_grad():
        samples = [task.val_set[index] for index in range(len(task.val_set))]
        untrained = task.actor.eval()(task.collate(samples))[1]
    words = [f"{name}={value}" for name, value in {**SMALL, **options, "tensorboard": "false"}.items()]
    assert main(["dimp", "dimp_lite0", *words]) == 0
    records = sorted(workspace.rglob("DiMPnet_ep*.json"))
    return [untrained, *(json.loads(path.read_text())["result"]["val"] for path in records)]


@pytest.mark.parametrize("seed", [0, 1])
def test_every_run_raises_the_iou_on_other_tracks(folder: Path, seed: int) -> None:
    untrained, *epochs = validations(folder, seed)
    assert len(epochs) == SMALL["epochs"]
    # The IoU of the proposal that is predicted to be the best one, mean of 96 x 3 images: noise of about .01.
    assert epochs[-1]["iou/chosen"] > max(untrained["iou/chosen"], epochs[0]["iou/chosen"]) + 0.03
    assert epochs[-1]["loss/iou"] < epochs[0]["loss/iou"] < untrained["loss/iou"]
    assert epochs[-1]["loss/clf_final"] < untrained["loss/clf_final"]
