"""Pairs of trackers: one on the device, in the form that is used, and the plain form on the CPU beside it."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch

from ltr.admin.checkpoint import conversion_of
from ltr.admin.network_files import find_network
from pytracking.evaluation.tracker import Tracker
from pytracking.features.net_wrappers import NetWithBackbone

DIMP50_FILE = "dimp50.pth"
# With random features a distractor is in every frame, and a box grows and shrinks at random.
RANDOM_WEIGHTS: dict[str, Any] = {"advanced_localization": False, "box_refinement_step_length": 1e-3}


@dataclass(frozen=True)
class Pair:
    """Two trackers of the same parameters that have not seen an image."""

    reference: Any  # plain form, on the CPU
    checked: Any
    weights: str  # where they are from


def make_pair(family: str, parameters: str, device: str) -> Pair:
    """Of a parameter file; DiMP-50 has random weights where its file is not there."""
    setup = Tracker(family, parameters)
    params: Any = setup.get_parameters()
    weights = params.net.net_path or "of the package"
    if params.net.net_path == DIMP50_FILE and not has_dimp50():
        params = params.replace(net=NetWithBackbone(architecture="dimpnet50"), **RANDOM_WEIGHTS)
        weights = "random"
    trackers: list[Any] = []
    for form, place in (("plain", "cpu"), ("fast", device)):
        tracker = setup.create_tracker(params.replace(net=copy.copy(params.net), network_form=form, device=place))
        torch.manual_seed(0)  # of random weights
        tracker.initialize_features()
        tracker.seed(0)
        trackers.append(tracker)
    return Pair(trackers[0], trackers[1], weights)


def has_dimp50() -> bool:
    path = find_network(DIMP50_FILE)
    return path.is_file() or conversion_of(path).is_file()
