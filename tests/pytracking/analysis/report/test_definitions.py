from dataclasses import replace

from pytracking.analysis.report.definitions import definitions, rule_sentences
from pytracking.analysis.report.scores import METRICS
from pytracking.scoring.conventions import Rules, rules_of
from tests.pytracking.analysis.report.synthetic import make_evaluation


def text(**rules) -> str:
    return " ".join(rule_sentences(Rules(**rules)))


def test_every_rule_is_said():
    plain = text()
    for name, value in {
        "invalid": "hit", "invalid_norm": "dropped", "absent": "miss", "first_frame": "dropped",
        "short_result": "zeros", "empty_box": "previous",
        "min_corner": 0.0, "added_pixel": 1.0, "scaled_centers": True, "clip": True, "frames_weigh": True,
    }.items():  # fmt: skip
        assert text(**{name: value}) != plain, name
    assert "0 or less" in text(min_corner=0.0)
    assert "mean over its sequences" in plain


def test_definitions_of_an_evaluation():
    evaluation = replace(make_evaluation(), dataset="otb")
    sentences = definitions(evaluation)
    assert "t = 0, 0.05, …, 1" in sentences[0]
    assert sentences[len(METRICS) :] == rule_sentences(rules_of("official", "otb"))
    assert definitions(replace(evaluation, convention="pytracking")) != sentences


def test_several_data_sets_with_other_rules_are_told_apart():
    sentences = definitions(replace(make_evaluation(), dataset="otb, uav, got10k_val"))
    assert any(sentence.startswith("otb, uav: ") for sentence in sentences)
    assert any(sentence.startswith("got10k_val: ") for sentence in sentences)
