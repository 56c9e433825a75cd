"""No parameters but the common ones."""

from pytracking.utils.params import TypedParams


def parameters() -> TypedParams:
    return TypedParams()
