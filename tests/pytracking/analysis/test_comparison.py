from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ltr.common.errors import InputError
from pytracking.analysis.comparison import bootstrap_interval, compare, hard_sequences, wilcoxon_p_value
from pytracking.analysis.evaluation import Evaluation, TrackerScores
from pytracking.scoring.metrics import ERROR_THRESHOLDS, NORM_ERROR_THRESHOLDS, THRESHOLDS


def scores(name: str, auc) -> TrackerScores:
    """A tracker whose success curves are flat at the given AUC (R, S)."""
    auc = np.atleast_2d(np.array(auc, dtype=float))
    curve, error = np.repeat(auc[:, :, None], 21, axis=2), np.repeat(auc[:, :, None], 51, axis=2)
    return TrackerScores(name, "p", tuple(range(len(auc))), curve, error, error, auc, auc, auc)


def evaluation(**trackers) -> Evaluation:
    tables = tuple(scores(name, auc) for name, auc in trackers.items())
    names = tuple(f"s{i}" for i in range(tables[0].auc.shape[1]))
    return Evaluation("otb", "official", names, tables, THRESHOLDS, ERROR_THRESHOLDS, NORM_ERROR_THRESHOLDS)


def test_interval_of_equal_scores_is_a_point():
    interval = bootstrap_interval(np.full(7, 0.25))
    assert (interval.mean, interval.low, interval.high) == pytest.approx((0.25, 0.25, 0.25))


def test_interval_against_normal_theory():
    """For many scores the interval is the mean -+ 1.96 standard errors."""
    values = np.random.default_rng(1).normal(0.6, 0.2, 400)
    interval = bootstrap_interval(values, samples=20_000)
    error = values.std() / 20
    # A 2.5 % quantile of 20000 draws has a standard error of sqrt(.025 * .975 / 20000) / density(1.96), 2 % of the
    # standard error; skewness adds less.
    assert interval.low == pytest.approx(values.mean() - 1.96 * error, abs=0.1 * error)
    assert interval.high == pytest.approx(values.mean() + 1.96 * error, abs=0.1 * error)


def test_interval_against_all_resamples():
    """Two scores give means 0, 1/2, 1 with probability 1/4, 1/2, 1/4."""
    values = np.array([0.0, 1.0])
    assert bootstrap_interval(values, confidence=0.9).low == 0
    assert bootstrap_interval(values, confidence=0.9).high == 1
    inner = bootstrap_interval(values, confidence=0.4)
    assert (inner.low, inner.high) == (0.5, 0.5)


def test_interval_covers():
    """Nine of ten 90 % intervals of repeated experiments hold the truth."""
    rng = np.random.default_rng(2)
    intervals = [bootstrap_interval(rng.uniform(size=60), 0.9, samples=300, seed=i) for i in range(200)]
    covered = np.mean([interval.low <= 0.5 <= interval.high for interval in intervals])
    assert 0.82 <= covered <= 0.97  # binomial: 0.9 -+ 4 * 0.021, and a percentile interval covers a little less


def test_interval_is_seeded():
    values = np.random.default_rng(0).uniform(size=30)
    assert bootstrap_interval(values, seed=3) == bootstrap_interval(values, seed=3)
    assert bootstrap_interval(values, seed=3) != bootstrap_interval(values, seed=4)


def test_weights_of_the_sequences():
    """A weight of two is the sequence twice in the mean."""
    assert bootstrap_interval(np.array([0.0, 1.0]), weights=np.array([1.0, 3.0])).mean == 0.75


@pytest.mark.parametrize("values", [[], [np.nan, 1], [[1.0, 2.0]]])
def test_no_interval(values):
    with pytest.raises(ValueError, match="expected finite scores"):
        bootstrap_interval(np.array(values))


@pytest.mark.parametrize("confidence", [0, 1, 95])
def test_confidence(confidence):
    with pytest.raises(ValueError, match="between 0 and 1"):
        bootstrap_interval(np.ones(3), confidence)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_interval_holds_the_mean_of_extremes(values):
    interval = bootstrap_interval(np.array(values), samples=200)
    assert min(values) - 1e-9 <= interval.low <= interval.high <= max(values) + 1e-9


def test_wilcoxon_by_hand():
    """All six differences positive: 2 of 2**6 sign patterns are as extreme."""
    assert wilcoxon_p_value(np.arange(1.0, 7), np.zeros(6)) == pytest.approx(2 / 64)
    assert wilcoxon_p_value(np.ones(5), np.ones(5)) == 1
    # A pair without difference is left out.
    assert wilcoxon_p_value(np.array([*range(1, 7), 4.0]), np.array([0.0] * 6 + [4])) == pytest.approx(2 / 64, abs=0.02)


def test_compare():
    result = compare(evaluation(a=[[0.5, 0.6, 0.7], [0.7, 0.6, 0.7]], b=[0.5, 0.6, 0.8]), "a", "b")
    assert (result.wins, result.losses, result.ties) == (1, 1, 1)
    assert result.first_score.mean == pytest.approx(1.9 / 3)
    assert result.second_score.mean == pytest.approx(1.9 / 3)
    assert result.difference.mean == pytest.approx(0)
    assert result.difference.low < 0 < result.difference.high


def test_paired_interval_is_narrower_than_the_scores():
    """Sequences differ by far more than trackers: only pairing shows a small steady advantage."""
    auc = np.random.default_rng(0).uniform(size=100)
    result = compare(evaluation(a=auc + 0.01, b=auc), "a", "b")
    assert result.difference.low > 0
    assert result.first_score.low < result.second_score.mean
    assert result.p_value < 1e-10


def test_swapped_trackers():
    data = evaluation(a=[0.1, 0.5, 0.9, 0.3], b=[0.2, 0.4, 0.7, 0.35])
    one, other = compare(data, "a", "b"), compare(data, "b", "a")
    assert one.difference.mean == pytest.approx(-other.difference.mean)
    assert one.difference.low == pytest.approx(-other.difference.high, abs=0.02)
    assert one.p_value == pytest.approx(other.p_value)


def test_another_metric():
    data = evaluation(a=[0.1, 0.5], b=[0.2, 0.4])
    assert compare(data, "a", "b", lambda s: s.precision_score).first_score.mean == pytest.approx(0.3)


def test_missing_and_unknown():
    data = evaluation(a=[0.1, np.nan], b=[0.2, 0.4])
    with pytest.raises(InputError, match=r"evaluation\.complete"):
        compare(data, "a", "b")
    with pytest.raises(InputError, match="unknown tracker 'c'"):
        compare(data, "a", "c")


def test_hard_sequences():
    """s1: one run of three is at the limit, which does not exceed it; s3: one run is below."""
    rls = [[0.9, 0.8, 0.1, 0.76], [0.8, 0.75, 0.2, 0.76], [0.76, 0.8, 0.9, 0.74]]
    data = evaluation(rls=rls, bgd=[0.1, 0.2, 0.3, 0.4])
    assert hard_sequences(data, ["rls"]) == ["s1", "s2", "s3"]
    assert hard_sequences(data, ["rls", "bgd"]) == ["s0", "s1", "s2", "s3"]
    assert hard_sequences(data, ["rls"], limit=0.5) == ["s2"]
    assert data.subset(hard_sequences(data, ["rls"])).sequences == ("s1", "s2", "s3")
    with pytest.raises(InputError, match="which sequences are hard"):
        hard_sequences(data, [])
    missing = replace(data, trackers=(scores("rls", [0.9, np.nan, 0.9, 0.9]),))
    with pytest.raises(InputError, match="found some missing"):
        hard_sequences(missing, ["rls"])
