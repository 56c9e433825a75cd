"""Stored boxes of one run on one sequence."""

from pytracking.analysis.result_files import ResultSource, find_results
from pytracking.utils.errors import InputError
from pytracking.utils.types import Array


def load_boxes(source: ResultSource, sequence: str) -> Array:
    """Boxes (N, 4) of a run. Raises InputError where there is no result, and for a malformed file."""
    file = find_results(source, [sequence]).get(sequence)
    if file is None:
        raise InputError(
            f"no result of sequence '{sequence}' in {source.results_dir}; run {source.display_name} on it first"
        )
    return file.read_boxes(file.boxes.read_bytes())
