"""Every pair of trackers compared on the same sequences."""

from __future__ import annotations

from collections.abc import Sequence as SequenceOf
from itertools import combinations

from pytracking.analysis.comparison import Comparison, compare
from pytracking.analysis.evaluation import Evaluation
from pytracking.analysis.report.tables import Column, Table


def compare_pairs(evaluation: Evaluation) -> list[Comparison]:
    """AUC of every pair of trackers, the one that comes first in the evaluation against the other."""
    names = [tracker.name for tracker in evaluation.trackers]
    return [compare(evaluation, first, second) for first, second in combinations(names, 2)]


def pair_table(evaluation: Evaluation, pairs: SequenceOf[Comparison]) -> Table:
    """A row for each pair: difference with interval, p-value, and the sequences that each is better on."""
    columns = (
        Column("tracker", "tracker", "text"),
        Column("compared_to", "compared to", "text"),
        Column("difference", "AUC difference", "signed_share"),
        Column("low", "from", "signed_share", help="lower end of the interval"),
        Column("high", "to", "signed_share", help="upper end of the interval"),
        Column("p_value", "p", "p_value", help="Wilcoxon signed-rank test, two-sided"),
        Column("wins", "better on", "count", help="sequences with a higher AUC"),
        Column("losses", "worse on", "count", help="sequences with a lower AUC"),
        Column("ties", "same on", "count", help="sequences with the same AUC"),
    )
    rows = tuple(
        (p.first, p.second, p.difference.mean, p.difference.low, p.difference.high, p.p_value, p.wins, p.losses, p.ties)
        for p in pairs
    )
    return Table(f"{evaluation.dataset}, {len(evaluation.sequences)} sequences: trackers in pairs", columns, rows)


def comparison_note(pairs: SequenceOf[Comparison]) -> str:
    """What the numbers of `pair_table` mean; empty without pairs."""
    if not pairs:
        return ""
    confidence = f"{100 * pairs[0].difference.confidence:g} %"
    return (
        f"AUC in percent, averaged over runs. Intervals: {confidence}, paired bootstrap over sequences. "
        "p: Wilcoxon signed-rank test over sequences, two-sided, not corrected for the number of pairs."
    )
