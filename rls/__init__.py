"""Recursive least squares with memory: the inverse correlation matrix, estimators and an optimizer built on it.

.. include:: README.md
"""

from rls.inverse_correlation import DenseInverseCorrelation, LowRankInverseCorrelation
from rls.optim import RLSSGD
from rls.recursive_least_squares import RecursiveLeastSquares

__all__ = ["RLSSGD", "DenseInverseCorrelation", "LowRankInverseCorrelation", "RecursiveLeastSquares"]
