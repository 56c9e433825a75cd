"""Seeds that depend on what is run, never on the order or the process in which it is run."""

import hashlib
import json
import random

import numpy as np


def sequence_seed(base_seed: int, tracker: str, parameter: str, run_id: int | None, sequence: str) -> int:
    """Seed in [0, 2**32) of one (tracker, parameter file, run, sequence), by hash."""
    key = json.dumps([base_seed, tracker, parameter, run_id, sequence]).encode()
    return int.from_bytes(hashlib.sha256(key).digest()[:4], "big")


def seed_everything(seed: int) -> None:
    """Seed the global generators of Python, NumPy and torch (every device)."""
    import torch

    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - third-party trackers draw from the global generator
    torch.manual_seed(seed)
