"""Reading images: RGB, as stored, and never silently incomplete."""

from ltr.data.image import read_image

__all__ = ["read_image"]
