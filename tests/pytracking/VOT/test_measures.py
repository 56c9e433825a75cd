"""Measures by hand, on runs of a few frames."""

import numpy as np
import pytest

from pytracking.VOT.measures import (
    Run,
    eao_curve,
    eao_score,
    expected_overlaps,
    failure_rate,
    fragments,
    mean_accuracy,
    mean_failures,
    sequence_accuracy,
)


def run(text, value=0.5):
    """`1` started, `2` failed, `0` skipped, `.` tracked with this overlap; other letters with 0.1 to 0.9: a to i."""
    kinds = [int(c) if c in "012" else 4 for c in text]
    overlaps = [np.nan if c in "012" else value if c == "." else (ord(c) - ord("a") + 1) / 10 for c in text]
    return Run(np.array(kinds), np.array(overlaps))


def test_accuracy_leaves_out_the_burn_in():
    """The start and the two frames after it do not count with a burn-in of 3; failures and skipped frames never do."""
    runs = [run("1aabb2001aac")]
    assert sequence_accuracy(runs, 3) == pytest.approx((0.2 + 0.2 + 0.3) / 3)
    assert sequence_accuracy(runs, 3, "toolkit") == pytest.approx((0.2 + 0.2 + 0.3) / 3)


def test_accuracy_over_runs():
    """Frame by frame over the runs first, or run by run over the frames first."""
    runs = [run("1a2"), run("1cd")]
    assert sequence_accuracy(runs, 1) == pytest.approx(((0.1 + 0.3) / 2 + 0.4) / 2)
    assert sequence_accuracy(runs, 1, "toolkit") == pytest.approx((0.1 + (0.3 + 0.4) / 2) / 2)


def test_accuracy_over_sequences():
    """Frames that count weigh the same, or sequences weigh their lengths."""
    sequences = [[run("1ab")], [run("1e200")]]
    assert mean_accuracy(sequences, 1) == pytest.approx((0.1 + 0.2 + 0.5) / 3)
    assert mean_accuracy(sequences, 1, "toolkit") == pytest.approx((3 * 0.15 + 5 * 0.5) / 8)


def test_accuracy_of_nothing():
    assert np.isnan(sequence_accuracy([run("120")], 10))
    assert sequence_accuracy([run("120")], 10, "toolkit") == 0


def test_failures():
    assert mean_failures([run("1.2001"), run("1.....")]) == 0.5
    sequences = [[run("1.2001"), run("1.....")], [run("12")]]
    assert failure_rate(sequences) == 1.5 / 8
    assert failure_rate(sequences, "toolkit") == pytest.approx((0.5 * 6 + 1 * 2) / 8 / 4)


def test_expected_overlap_without_failure():
    """The frame of the start is left out of sum and number; beyond its end a run says nothing."""
    curve = expected_overlaps(fragments([[run("1bd")]]), 5)
    np.testing.assert_allclose(curve, [0, 0.2, 0.3, np.nan, np.nan])


def test_expected_overlap_goes_on_with_zeros_after_a_failure():
    """Pieces: 0.4 and zeros for ever; 0.2, then the end."""
    curve = expected_overlaps(fragments([[run("1d20001b")]]), 8)
    np.testing.assert_allclose(curve[:4], [0, (0.4 + 0.2) / 2, 0.4 / 2, 0.4 / 3])
    assert curve[7] == pytest.approx(0.4 / 7)


def test_failure_without_restart():
    """In the last frames: the piece ends with the sequence in `challenge`, and is known to be lost in `toolkit`."""
    np.testing.assert_allclose(expected_overlaps(fragments([[run("1d20")]]), 6)[:4], [0, 0.4, 0.2, 0.4 / 3])
    assert np.isnan(expected_overlaps(fragments([[run("1d20")]]), 6)[4])
    toolkit = expected_overlaps(fragments([[run("1d20")]], "toolkit"), 6)
    np.testing.assert_allclose(toolkit, [0, 0.4, 0.2, 0.4 / 3, 0.4 / 4, 0.4 / 5])


def test_weights_of_repetitions():
    """`challenge`: a sequence weighs 1, whatever its repetitions; `toolkit`: each piece does."""
    sequences = [[run("1b"), run("1b")], [run("1e")]]
    assert expected_overlaps(fragments(sequences), 2)[1] == pytest.approx((0.2 + 0.5) / 2)
    assert expected_overlaps(fragments(sequences, "toolkit"), 2)[1] == pytest.approx((0.2 + 0.2 + 0.5) / 3)


def test_interval():
    curve = np.array([0, 1, 2, 3, np.nan])
    assert eao_score(curve, (2, 3)) == 1.5  # lengths 2 and 3 are 1 and 2 frames after the start
    assert eao_score(curve, (2, 3), "toolkit") == 2.5
    assert eao_score(curve, (3, 100)) == 2.5
    assert np.isnan(eao_score(curve, (50, 100)))


def test_length_of_the_curve():
    """That of the longest sequence, or of the longest piece: a start and the overlaps up to its failure."""
    sequences = [[run("1b2000" + "1d2000")], [run("1eee")]]
    assert len(eao_curve(sequences)) == 12
    assert len(eao_curve(sequences, "toolkit")) == 4
