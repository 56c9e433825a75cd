"""A linear probe on EfficientNet-Lite0 features learns online, frame by frame, where the target is.

python docs/examples/linear_probe.py demo cat_grass
"""

import sys

import torch
from torch import Tensor, nn

from ltr.common.errors import InputError, exit_status
from ltr.common.image import read_image
from ltr.models.tracking.dimpnet import dimpnet_lite0
from pytracking.evaluation import get_dataset
from rls import RLSSGD


def follow(sequence, optimizer_of) -> float:  # share of cells told right before they are learnt, classes balanced
    net, probe, told = dimpnet_lite0().eval(), nn.Linear(112, 1), []
    optimizer = optimizer_of(probe)
    for path, (x, y, w, h) in zip(sequence.frames, sequence.ground_truth_rect, strict=True):
        image = (torch.tensor(read_image(path)).permute(2, 0, 1)[None] - 127.0) / 128
        with torch.no_grad():
            feat = net.extract_backbone_features(image, ["layer3"])["layer3"][0]
        rows, cols = torch.meshgrid(*(torch.arange(size) * 16 + 8 for size in feat.shape[1:]), indexing="ij")
        inside = ((cols >= x) & (cols <= x + w) & (rows >= y) & (rows <= y + h)).flatten()
        scores = probe(nn.functional.normalize(feat.flatten(1).mT, dim=1))[:, 0]
        errors: Tensor = (scores - inside.float()).square()
        told.append([float(((scores > 0.5) == inside)[part].float().mean()) for part in (inside, ~inside)])
        optimizer.zero_grad()
        sum(errors[part].mean() for part in (inside, ~inside) if part.any()).backward()
        optimizer.step()
    return float(torch.tensor(told[1:]).nanmean())


def main() -> int:
    if len(sys.argv) != 3:
        raise InputError("expected a data set and a sequence, as in: linear_probe.py demo cat_grass")
    video = get_dataset(sys.argv[1])[sys.argv[2]]
    print("RLS", follow(video, lambda probe: RLSSGD(probe, lr=1.0, delta=1.0)))
    print("SGD", follow(video, lambda probe: torch.optim.SGD(probe.parameters(), lr=0.3)))
    return 0


if __name__ == "__main__":
    sys.exit(exit_status(main))
