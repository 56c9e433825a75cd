"""Image files of a sequence; ltr finds those of its training data with the same functions."""

from ltr.dataset.frame_files import (
    IMAGE_SUFFIXES,
    annotated_frames,
    first_existing,
    images_in,
    listed_frames,
    numbered_frames,
)

__all__ = ["IMAGE_SUFFIXES", "annotated_frames", "first_existing", "images_in", "listed_frames", "numbered_frames"]
