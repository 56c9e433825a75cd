"""What every learner sees of a sequence: features at the true place of each frame, computed once.

The tracker's own code cuts and extracts. The first frame is that of the tracker: its augmented samples, with random
shifts and dropout. Every later search area lies where a tracker looks that lost nothing: around the target's true place
in the frame before, with its size there. That place is moved by up to half a score cell, as exactly as a tracker
localizes, and the size by up to `JITTER_SCALE`; both are drawn anew for each frame from the seed.

Frames without target, and those where its center lies outside the search area, are left out: a tracker learns nothing
there. Features are kept on disk by a key of all that they were made of.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ltr.common.files import temporary_beside
from ltr.common.fingerprints import files_fingerprint
from ltr.common.image import read_image
from ltr.inference.engine import cache_folder
from pytracking.evaluation.data import Sequence
from pytracking.evaluation.tracker import Tracker
from pytracking.tracker.dimp.params import DiMPParams
from pytracking.tracker.dimp.search import CropArea
from pytracking.tracker.dimp.state import TargetState
from pytracking.utils.seeding import sequence_seed

VERSION = 1  # of the files and of what the jitter is
JITTER_SCALE = 0.05  # of the search area's side, in log
# Parameters that features depend on; learners that agree in them see the same stream.
CROP_PARAMETERS = (
    *("network_dtype", "network_form", "image_sample_size", "search_area_scale", "use_image_aspect_ratio"),
    *("feature_stride", "border_mode", "patch_max_scale_change", "patch_resize", "use_augmentation", "augmentation"),
    *("augmentation_expansion_factor", "random_shift_factor"),
)


@dataclass(frozen=True, eq=False)
class Stream:
    """Features and boxes of a sequence; the first of the T frames is the plain sample of the first image."""

    key: str
    seed: int  # of what is random in a learner
    initial: Tensor  # (n, C, H, W) samples of the first frame
    initial_boxes: Tensor  # (n, 4) xywh in crop pixels
    features: Tensor  # (T, C, H, W) float32
    boxes: Tensor  # (T, 4)
    numbers: list[int]  # (T,) of the frames, from 1

    def __len__(self) -> int:
        return len(self.numbers)


def stream_of(tracker: Tracker, sequence: Sequence, seed: int) -> tuple[Stream, Any]:
    """The stream of a sequence for a tracker's network and crops, from the cache where it is there; and the network."""
    params: Any = tracker.get_parameters()
    made: Any = tracker.create_tracker(params.replace(box_estimator="scales", net_opt_iter=0, debug=0))
    made.initialize_features()
    key = _key(made, sequence, seed)
    path = cache_folder() / "retention" / f"{sequence.name}-{key}.safetensors"
    own_seed = sequence_seed(seed, "retention", "", None, sequence.name)
    stream = _read(path, key, own_seed)
    if stream is None:
        made.seed(own_seed)
        stream = _collect(made, sequence, key)
        _write(path, stream)
        _read.cache_clear()
        stream = _read(path, key, own_seed) or stream  # rounded as it will be the next time
    return stream, made.net


def _key(made: Any, sequence: Sequence, seed: int) -> str:
    params: DiMPParams = made.params
    crops = {name: value for name, value in params.to_dict().items() if name in CROP_PARAMETERS}
    boxes = np.ascontiguousarray(sequence.ground_truth_rect), np.ascontiguousarray(sequence.target_visible)
    made_of = {
        "version": VERSION,
        "jitter": JITTER_SCALE,
        "network": made.net.describe(),
        "weights": _weights_hash(made.net.net),
        "crops": crops,
        "name": sequence.name,  # part of the random numbers
        "images": files_fingerprint(sequence.frames),
        "boxes": [hashlib.sha256(array.tobytes()).hexdigest() for array in boxes],
        "seed": seed,
    }
    return hashlib.sha256(json.dumps(made_of, sort_keys=True, default=str).encode()).hexdigest()[:16]


@lru_cache(maxsize=4)
def _weights_hash(network: torch.nn.Module) -> str:
    digest = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        if isinstance(value, Tensor):
            digest.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


@torch.no_grad()
def _collect(made: Any, sequence: Sequence, key: str) -> Stream:
    boxes = sequence.ground_truth_rect
    usable = sequence.target_visible & np.isfinite(boxes).all(axis=1) & (boxes[:, 2:] > 0).all(axis=1)
    made.initialize(read_image(sequence.frames[0]), sequence.init_info())
    memory = made.classifier.memory
    initial, initial_boxes = memory.features.clone(), memory.boxes.cpu()
    features, stored_boxes, numbers = [initial[:1].half()], [initial_boxes[0]], [1]
    last = boxes[0]
    for index in range(1, min(len(sequence.frames), len(boxes))):
        if not usable[index]:
            continue
        image = read_image(sequence.frames[index])
        area = _search_area(made, last, image.shape[:2])
        last = boxes[index]
        target = TargetState.from_box(list(last), image.shape[:2], made.crop_sz, made.params.search_area_scale)
        box = torch.from_numpy(area.view(0).box_of(target))
        center = box[:2] + box[2:] / 2
        if not ((center > 0) & (center < torch.tensor(made.crop_sz[::-1]))).all():
            continue
        backbone = made.net.extract_backbone(area.cut(image, made.device, made.params.patch_resize))
        features.append(made.net.extract_classification_feat(backbone).half())
        stored_boxes.append(box)
        numbers.append(index + 1)
    return Stream(
        key,
        made.generator.initial_seed(),
        initial,
        initial_boxes,
        torch.cat(features).float(),
        torch.stack(stored_boxes),
        numbers,
    )


def _search_area(made: Any, box: Any, image_sz: tuple[int, int]) -> CropArea:
    """Where the tracker would look after it found the target in `box`, not quite exactly."""
    params = made.params
    state = TargetState.from_box(list(box), image_sz, made.crop_sz, params.search_area_scale)
    jitter = torch.rand(3, generator=made.generator).numpy() - 0.5
    scale = state.scale * math.exp(2 * JITTER_SCALE * float(jitter[2]))
    center = state.pos + (made.odd_offset / 2 + jitter[:2]) * made.cell * scale
    return CropArea.around(center, scale, [1.0], image_sz, made.crop_sz, params)


@lru_cache(maxsize=1)  # the next learner asks for the same
def _read(path: Path, key: str, seed: int) -> Stream | None:
    """None where there is no such file, or it is damaged or another one's."""
    try:
        with safe_open(path, "pt") as file:
            if (file.metadata() or {}).get("key") != key:
                return None
            part = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except (OSError, SafetensorError):
        return None
    features, numbers = part["features"].float(), part["numbers"].tolist()
    return Stream(key, seed, part["initial"], part["initial_boxes"], features, part["boxes"], numbers)


def _write(path: Path, stream: Stream) -> None:
    tensors = {
        "initial": stream.initial.cpu().contiguous(),
        "initial_boxes": stream.initial_boxes,
        "features": stream.features.half().cpu(),  # half the disk; its rounding is far below the jitter
        "boxes": stream.boxes,
        "numbers": torch.tensor(stream.numbers),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_beside(path)
    try:
        save_file(tensors, temporary, {"key": stream.key})
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
