"""Text files of boxes, polygons and flags; ltr reads those of its training data with the same functions."""

from ltr.dataset.annotations import (
    boxes_to_polygons,
    check_rows,
    corners_to_boxes,
    parse_table,
    polygons_to_boxes,
    read_boxes,
    read_flags,
    read_lines,
    read_polygons,
    read_table,
)

__all__ = [
    "boxes_to_polygons",
    "check_rows",
    "corners_to_boxes",
    "parse_table",
    "polygons_to_boxes",
    "read_boxes",
    "read_flags",
    "read_lines",
    "read_polygons",
    "read_table",
]
