"""Panels of what the inverse correlation matrix has learnt, for every tracker that uses one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pytracking.visualization.panels import Curves

if TYPE_CHECKING:
    from rls.base import InverseCorrelation


def inverse_correlation_curves(matrices: Mapping[str, InverseCorrelation]) -> Curves:
    """Effective rank and delta times trace of each P, by its name.

    Both are the dimension of P at the start, and fall as it learns: directions that are still open, and how far.
    """
    values = {}
    for name, P in matrices.items():
        values[f"rank {name}"] = [P.effective_rank()]
        values[f"delta trace {name}"] = [P.delta * P.trace()]
    return Curves(values)
