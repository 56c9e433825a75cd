"""Videos of stored results: a frame for each row, never over what is read."""

import av
import numpy as np
import pytest

from ltr.common.errors import InputError
from pytracking.evaluation.result_videos import write_result_video
from pytracking.evaluation.results import SequenceResult
from tests.pytracking.dummy import make_sequence


def num_frames(path):
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def test_result_video(tmp_path):
    sequence = make_sequence(tmp_path, "s")
    sequence.ground_truth_rect[3] = np.nan
    result = SequenceResult(np.array([[30.0, 20, 10, 10]] * 6), np.ones(6), np.full(6, 0.5), ["normal"] * 6)
    write_result_video(tmp_path / "s.mp4", sequence, result)
    assert num_frames(tmp_path / "s.mp4") == 6
    bare = SequenceResult(result.boxes[:4], np.empty(0), np.empty(0), [])
    write_result_video(tmp_path / "short.mp4", sequence, bare)
    assert num_frames(tmp_path / "short.mp4") == 4


def test_result_videos_do_not_replace_their_frames(tmp_path):
    sequence = make_sequence(tmp_path, "s")
    (tmp_path / "s.mp4").symlink_to(sequence.frames[2])
    result = SequenceResult(np.array([[30.0, 20, 10, 10]] * 6), np.empty(0), np.empty(0), [])
    with pytest.raises(InputError, match="which is read"):
        write_result_video(tmp_path / "s.mp4", sequence, result)
