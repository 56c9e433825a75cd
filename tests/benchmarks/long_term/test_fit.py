"""What the presence map is fitted to is what the tracker computes."""

import numpy as np
import pytest
from scipy.special import expit

from benchmarks.long_term.fit import evidence
from pytracking.tracker.dimp.params import DiMPParams
from pytracking.tracker.dimp.redetection import Presence

MAP = (-4.0, 2.0, 5.0)


def test_evidence_of_stored_scores_is_that_of_the_tracker():
    """Seen, weaker, lost for some frames, found, lost again."""
    raw, mapped = (Presence(DiMPParams(presence_map=values)) for values in (None, MAP))
    scores, expected = [1.0], []
    for score in (0.9, 0.5, 0.05, 0.0, 0.0, 0.8, 0.7, -0.1, 0.0, 0.6):
        is_found = scores[-1] == 0 and score > 0
        scores.append(raw.restart(score) if is_found else raw.after(score))
        expected.append(mapped.restart(score) if is_found else mapped.after(score))
    rows = evidence(np.array(scores), DiMPParams())
    assert rows[0].tolist() == [1, 1, 1]
    assert expit(rows[1:] @ np.array(MAP)) == pytest.approx(expected)
