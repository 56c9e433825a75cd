"""A tracker whose box walks at random."""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from ltr.admin.checkpoint import read_checkpoint
from pytracking.tracker.base import BaseTracker
from pytracking.utils.params import NonNegative, TypedParams


@dataclass(kw_only=True)
class WanderParams(TypedParams):
    step: float = 1.0  # pixels a frame
    delay: NonNegative = 0.0  # seconds a frame
    network: str = ""  # a file to be read as a network
    white: str = ""  # on a white image: "memory" there is too little of it, "kill" its process, "gpu" fails, see below
    memo: str = ""  # "kill once", "gpu once": a file that is made by the first time and prevents the second


class Wander(BaseTracker):
    lost_gpu: ClassVar[bool] = False  # by this process, as CUDA loses one: whatever it does from then on fails
    params_class: ClassVar[type[TypedParams]] = WanderParams

    def initialize_features(self) -> None:
        if self.params.network:
            read_checkpoint(Path(self.params.network))

    def initialize(self, image: np.ndarray, info: dict[str, Any]) -> dict[str, Any]:
        self.use_gpu()
        self.box = torch.tensor(info["init_bbox"])
        self.noise = float(np.random.rand()) + float(torch.rand(()))  # noqa: NPY002 - as old trackers draw
        return {}

    def track(self, image: np.ndarray, info: dict[str, Any] | None = None) -> dict[str, Any]:
        time.sleep(self.params.delay)
        if image.max() < 10:
            raise RuntimeError("it is too dark")
        if image.min() > 245:
            self.suffer()
        self.box[:2] += self.params.step * torch.randn(2, generator=self.generator)
        return {
            "target_bbox": self.box.tolist(),
            "object_presence_score": self.noise,
            "flag": "normal",
        }

    def use_gpu(self) -> None:
        if Wander.lost_gpu:
            raise RuntimeError("CUDA error: an illegal memory access was encountered\nCompile with TORCH_USE_CUDA_DSA")

    def suffer(self) -> None:
        if self.params.white == "memory":
            raise MemoryError("no memory for a white image")
        if self.params.white.endswith(" once") and Path(self.params.memo).exists():
            return
        if self.params.memo:
            Path(self.params.memo).touch()
        if self.params.white.startswith("gpu"):
            Wander.lost_gpu = True
            self.use_gpu()
        if self.params.white:
            os.kill(os.getpid(), signal.SIGKILL)
