"""The rules behind the numbers, in words."""

from __future__ import annotations

from pytracking.analysis.evaluation import Evaluation
from pytracking.analysis.report.scores import METRICS
from pytracking.scoring.conventions import Rules, rules_of

_INVALID = {
    "hit": "hits at every threshold",
    "miss": "misses",
    "dropped": "left out, of the denominator too",
}
_SHORT = {
    "repeat": "A result with too few rows is continued with its last box; surplus rows are dropped.",
    "zeros": "A result with too few rows is continued with boxes of zeros; surplus rows are dropped.",
    "error": "A result with too few rows is refused; surplus rows are dropped.",
}
_ABSENT = {
    "ignored": "Flags that the target is absent are ignored.",
    "invalid": "Frames flagged as without target count as frames without a valid box.",
    "miss": "Frames flagged as without target are misses in precision and normalized precision.",
}


def definitions(evaluation: Evaluation) -> list[str]:
    """Sentences that define the scores of an evaluation: metrics, then the rules of its convention."""
    names = evaluation.dataset.split(", ")
    by_rules: dict[Rules, list[str]] = {}
    for name in names:
        by_rules.setdefault(rules_of(evaluation.convention, name), []).append(name)
    thresholds = f"0, {evaluation.overlap_thresholds[1]:g}, …, 1"
    metrics = [metric.definition.replace("{thresholds}", thresholds) for metric in METRICS.values()]
    for rules, members in by_rules.items():
        prefix = "" if len(by_rules) == 1 else f"{', '.join(members)}: "
        metrics += [prefix + sentence for sentence in rule_sentences(rules)]
    return metrics


def rule_sentences(rules: Rules) -> list[str]:
    """The rules of one data set in words."""
    differs = rules.invalid_norm != rules.invalid
    norm = f", and in normalized precision {_INVALID[rules.invalid_norm]}" if differs else ""
    corner = "" if rules.min_corner is None else f", or whose corner is at {rules.min_corner:g} or less in x or y,"
    sentences = [
        "The score of the data set is the mean over all frames."
        if rules.frames_weigh
        else "The score of the data set is the mean over its sequences, each of which counts the same.",
        "Boxes are continuous, from x to x + w."
        if rules.added_pixel == 0
        else f"Boxes end at x + w − {rules.added_pixel:g}, and that much is added to every extent.",
        f"Frames whose ground truth has no area or is NaN{corner} never count as overlapping; in precision they are "
        f"{_INVALID[rules.invalid]}{norm}.",
        _ABSENT[rules.absent],
        "The first frame is left out."
        if rules.first_frame == "dropped"
        else "The first prediction counts as its ground truth, and is part of the mean.",
        _SHORT[rules.short_result],
    ]
    if rules.empty_box == "previous":
        sentences.append("A predicted box without width or height is replaced by the one before it.")
    if rules.scaled_centers:
        sentences.append("Normalized errors are differences of centers that were each divided by the true size.")
    if rules.clip:
        sentences.append("Boxes are limited to the image.")
    return sentences
