"""Type names used throughout."""

from ltr.data.types import Array, Image

__all__ = ["Array", "Image"]
