"""Samples to batches."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

Sample = dict[str, Tensor]
Batch = dict[str, Tensor]


def stack_sequences(samples: Sequence[Sample]) -> Batch:
    """Samples of B sequences as one batch: (I, ...) becomes (I, B, ...), a scalar becomes (B,).

    Raises ValueError where the samples do not have the same keys.
    """
    keys = samples[0].keys()
    for sample in samples:
        if sample.keys() != keys:
            raise ValueError(f"expected samples with the keys {sorted(keys)}, found {sorted(sample)}")
    return {key: torch.stack([s[key] for s in samples], dim=min(samples[0][key].ndim, 1)) for key in keys}


def join_domains(samples: Sequence[Sample]) -> Batch:
    """Samples of MDNet as one batch: images, domains, boxes and labels one after the other.

    Images are filled up with zeros, at the right and at the bottom, to the size of the largest. The first column of
    `rois`, the number of an image, counts through the batch.
    """
    height, width = (max(sample["images"].shape[axis] for sample in samples) for axis in (2, 3))
    images, rois, offset = [], [], 0
    for sample in samples:
        missing = (0, width - sample["images"].shape[3], 0, height - sample["images"].shape[2])
        images.append(F.pad(sample["images"], missing))
        rois.append(sample["rois"] + sample["rois"].new_tensor([offset, 0, 0, 0, 0]))
        offset += len(sample["images"])
    return {
        "images": torch.cat(images),
        "rois": torch.cat(rois),
        "labels": torch.cat([sample["labels"] for sample in samples]),
        "domain": torch.cat([sample["domain"] for sample in samples]),
        "num_bad": torch.stack([sample["num_bad"] for sample in samples]),
    }
