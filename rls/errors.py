"""Errors and warnings of this package that are no plain ValueError or TypeError."""


class PositiveDefinitenessError(ArithmeticError):
    """P is no longer positive definite and could not be repaired."""


class PositiveDefinitenessWarning(RuntimeWarning):
    """P was no longer positive definite and has been repaired."""


class LongInputWarning(RuntimeWarning):
    """An input was too long for δ in the type of P, or in any: what has been done about it."""


class PlainGradientWarning(UserWarning):
    """Parameters that look as if they belonged under P are trained without."""
