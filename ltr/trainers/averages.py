"""Averages of an epoch, over samples and over processes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ltr.trainers.processes import Processes


@dataclass
class Averages:
    """Sums of statistics and of what they are weighted with; samples that could not be read are counted beside."""

    sums: dict[str, float] = field(default_factory=dict)
    weights: dict[str, float] = field(default_factory=dict)
    samples: int = 0
    bad: int = 0

    def add(self, stats: Mapping[str, float], samples: int, bad: int) -> None:
        """Statistics of a batch of `samples`, for which `bad` more had been tried."""
        for name, value in stats.items():
            self.sums[name] = self.sums.get(name, 0.0) + samples * value
            self.weights[name] = self.weights.get(name, 0.0) + samples
        self.samples += samples
        self.bad += bad

    def means(self) -> dict[str, float]:
        """Mean of each statistic over the samples for which it was given."""
        return {name: self.sums[name] / self.weights[name] for name in self.sums}

    @property
    def bad_share(self) -> float:
        """Share of the samples tried that could not be read."""
        tried = self.samples + self.bad
        return self.bad / tried if tried else 0.0

    def merged(self, processes: Processes) -> Averages:
        """These averages over all processes, which may have seen different statistics."""
        if processes.count == 1:
            return self
        every = processes.gather((self.sums, self.weights, self.samples, self.bad))
        merged = Averages()
        for sums, weights, samples, bad in every:
            for name, value in sums.items():
                merged.sums[name] = merged.sums.get(name, 0.0) + value
                merged.weights[name] = merged.weights.get(name, 0.0) + weights[name]
            merged.samples += samples
            merged.bad += bad
        return merged


@dataclass(frozen=True)
class StepSummary:
    """What all processes together know of one iteration."""

    stats: dict[str, float]
    samples: int
    bad: int
    not_finite: bool
    stop: bool  # at least one process was asked to stop


def summarize(
    loss: Tensor,  # ()
    stats: Mapping[str, Tensor],  # scalars
    samples: int,
    bad: int,
    stop: bool,
    processes: Processes,
) -> StepSummary:
    """Weighted means and counts over the processes; one exchange, and one wait for the device."""
    values = torch.stack([value.detach().double() for value in (~torch.isfinite(loss), *stats.values())]).cpu()
    values[1:] *= samples
    counts = torch.tensor([samples, bad, stop], dtype=torch.float64)
    all_samples, all_bad, stops, not_finite, *sums = processes.sum(torch.cat([counts, values])).tolist()
    means = {name: value / all_samples for name, value in zip(stats, sums, strict=True)}
    return StepSummary(means, int(all_samples), int(all_bad), not_finite > 0, stops > 0)
