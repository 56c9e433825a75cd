import random

import numpy as np
import torch

from pytracking.utils.seeding import seed_everything, sequence_seed


def test_seed_is_the_same_for_ever():
    assert sequence_seed(0, "dimp", "rls_dimp_lite", None, "Deer") == 3299298292


def test_every_part_counts():
    keys = [
        (0, "dimp", "a", None, "s"),
        (1, "dimp", "a", None, "s"),
        (0, "atom", "a", None, "s"),
        (0, "dimp", "b", None, "s"),
        (0, "dimp", "a", 0, "s"),
        (0, "dimp", "a", None, "t"),
        (0, "dim", "pa", None, "s"),
    ]
    seeds = [sequence_seed(*key) for key in keys]
    assert len(set(seeds)) == len(keys)
    assert all(0 <= seed < 2**32 for seed in seeds)


def test_global_generators():
    def draw() -> tuple[float, float, float]:
        seed_everything(2**32 - 1)
        return random.random(), float(np.random.rand()), float(torch.rand(()))  # noqa: NPY002

    assert draw() == draw()
