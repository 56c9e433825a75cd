"""Nothing to choose."""

from pytracking.utils.params import TypedParams


def parameters() -> TypedParams:
    return TypedParams()
