import re

import cv2
import numpy as np
import pytest

from ltr.common.errors import InputError
from pytracking.analysis.report.plots import PLOTS, curves, write_curve_plot, write_radar_plot
from pytracking.analysis.report.style import PALETTE, color, dashes, rgb
from tests.pytracking.analysis.report.synthetic import ATTRIBUTES, make_evaluation

NAMES = {"success": "success_plot", "prec": "precision_plot", "norm_prec": "norm_precision_plot"}


def test_curves_are_ranked_by_their_score():
    evaluation = make_evaluation(("poor", "good"))
    worse, better = evaluation.trackers
    evaluation = type(evaluation)(
        *(getattr(evaluation, name) for name in ("dataset", "convention", "sequences")),
        (better, worse),
        *(getattr(evaluation, name) for name in ("overlap_thresholds", "error_thresholds", "norm_error_thresholds")),
    )
    drawn = curves(evaluation, "success")
    assert [(curve.name, curve.rank) for curve in drawn] == [("poor", 1), ("good", 0)]
    assert drawn[0].score == pytest.approx(drawn[0].values.mean())
    assert re.fullmatch(r"poor \[\d\d\.\d\]", drawn[0].label)
    for kind, threshold in (("prec", 20), ("norm_prec", 20)):
        assert curves(evaluation, kind)[0].score == pytest.approx(curves(evaluation, kind)[0].values[threshold])


@pytest.mark.parametrize("kind", list(PLOTS))
def test_files(tmp_path, kind):
    files = write_curve_plot(make_evaluation(), kind, tmp_path / "plots")
    assert [path.name for path in files] == [f"{NAMES[kind]}.pdf", f"{NAMES[kind]}.png"]
    assert sorted(path.name for path in (tmp_path / "plots").iterdir()) == sorted(path.name for path in files)
    assert files[0].read_bytes().startswith(b"%PDF")
    image = cv2.cvtColor(cv2.imread(str(files[1])), cv2.COLOR_BGR2RGB)
    assert min(image.shape[:2]) > 600
    for rank in range(3):  # every tracker's color is there
        assert (np.abs(image.astype(int) - rgb(rank)).sum(axis=2) < 12).sum() > 100


def test_many_trackers_and_options(tmp_path):
    evaluation = make_evaluation(tuple(f"tracker {number}" for number in range(12)))
    options = {"title": "Title", "xlim": (0, 0.8), "ylim": (0, 90), "line_width": 1, "legend_loc": "upper right"}
    assert write_curve_plot(evaluation, "success", tmp_path, options, formats=("png",))[0].exists()
    with pytest.raises(InputError, match=r"unknown plot option 'colour'.*"):
        write_curve_plot(evaluation, "success", tmp_path, {"colour": "red"})
    with pytest.raises(InputError, match="did you mean 'success'"):
        write_curve_plot(evaluation, "sucess", tmp_path)


def test_radar(tmp_path):
    files = write_radar_plot(make_evaluation(), ATTRIBUTES, tmp_path)
    assert [path.name for path in files] == ["radar_plot.pdf", "radar_plot.png"]
    with pytest.raises(InputError, match="no sequence of dummy has any of the attributes XX"):
        write_radar_plot(make_evaluation(), {"XX": ["elsewhere"]}, tmp_path)


def test_styles_differ():
    styles = [(color(rank), dashes(rank)) for rank in range(20)]
    assert len(set(styles)) == 20
    assert dashes(len(PALETTE) - 1) == ()
    assert rgb(0) == (0, 0x77, 0xBB)
