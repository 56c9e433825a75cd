"""Visual object tracking: trackers, parameter files, evaluation and command line tools."""

import importlib
import os
from typing import Any

# Threads of PyTorch wait for each other by spinning, by default so long that on a CPU they take the processor from
# OpenVINO's threads, and on a busy machine from those that they wait for (docs/performance.md, "Threads"). It has to be
# said before PyTorch is imported; what the user has set stays.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "5000")

# Names that code written for pytracking imports from here (docs/pytracking.md); PyTorch is not loaded before they are.
_CLASSES = {"TensorList": "pytracking.libs.tensorlist", "TensorDict": "pytracking.libs.tensordict"}
_MODULES = ("complex", "dcf", "fourier", "operation")


def __getattr__(name: str) -> Any:
    if name in _CLASSES:
        return getattr(importlib.import_module(_CLASSES[name]), name)
    if name in _MODULES:
        return importlib.import_module(f"pytracking.libs.{name}")
    raise AttributeError(f"module 'pytracking' has no attribute '{name}'")
