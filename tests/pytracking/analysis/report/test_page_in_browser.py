"""The HTML page in a real browser: what it draws, and how it answers mouse and keys."""

import pytest

from pytracking.analysis.report import write_report_files
from pytracking.analysis.report.page import page_data
from tests.chromium import Chromium
from tests.pytracking.analysis.report.synthetic import SEQUENCES, make_evaluation, make_full_report

ODD = '<b>poor</b> & "odd"'
PLOT = ".curve-plot:first-child svg[tabindex]"


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """Report of three trackers, one of which has a name full of markup."""
    return make_full_report(tmp_path_factory.mktemp("report"), make_evaluation(("good", "fair", ODD)), strips=2)


@pytest.fixture(scope="module")
def browser(report, tmp_path_factory):
    """Browser for all tests of this module: its start takes longest."""
    folder = tmp_path_factory.mktemp("page")
    file = write_report_files(report, folder / "out")[0]
    with Chromium(folder / "profile") as chromium:
        chromium.file = file
        yield chromium


@pytest.fixture
def page(browser):
    """The page, freshly loaded; it must not complain, whatever the test does with it."""
    browser.events.clear()
    browser.move(1, 1)
    browser.open(browser.file)
    browser.wait_for("document.documentElement.dataset.ready === 'true'")
    yield browser
    assert browser.problems() == []


def texts(page, selector: str) -> list[str]:
    return page.evaluate(f"Array.from(document.querySelectorAll({selector!r}), (node) => node.textContent)")


def column(page, section: str, number: int) -> list[str]:
    return texts(page, f"#{section} tbody tr td:nth-child({number})")


def tooltip(page) -> str | None:
    return page.evaluate(
        "(() => { const node = document.getElementById('tooltip');"
        " return node.style.visibility === 'visible' ? node.textContent : null; })()"
    )


def test_everything_is_there(page):
    headings = ["Ranking", "Curves", "Attributes", "Comparison", "Sequences", "Worst sequences"]
    assert texts(page, "section h2") == [*headings, "How it was scored", "How the results were made"]
    assert texts(page, "#contents a") == texts(page, "section h2")
    assert page.evaluate("document.querySelectorAll('.strip .frames image').length") == 10
    assert page.evaluate("document.querySelectorAll('.strip .box').length") == 30
    assert page.evaluate("document.querySelectorAll('#curves .curve').length") == 9
    assert "mean over its sequences" in " ".join(texts(page, "#rules li"))


def test_names_are_text(page):
    assert ODD in texts(page, "#trackers button")
    assert ODD in [text.strip() for text in column(page, "ranking", 1)]
    assert page.evaluate("document.querySelectorAll('main b b, #trackers b').length") == 0


def test_sorting(page):
    def order() -> list[str]:
        return [text.strip() for text in column(page, "ranking", 1)]

    header = "#ranking thead th:nth-child(3)"  # AUC
    page.click(f"{header} button")
    assert order() == ["good", "fair", ODD]
    assert page.evaluate(f"document.querySelector('{header}').getAttribute('aria-sort')") == "descending"
    page.click(f"{header} button")
    assert order() == [ODD, "fair", "good"]
    assert page.evaluate(f"document.querySelector('{header}').getAttribute('aria-sort')") == "ascending"
    page.click("#ranking thead th:nth-child(1) button")
    assert order() == [ODD, "fair", "good"]
    page.click("#sequences thead th:nth-child(1) button")
    page.click("#sequences thead th:nth-child(1) button")
    assert column(page, "sequences", 1) == sorted(SEQUENCES, reverse=True)
    assert texts(page, "#sequences tfoot td")[0] == "mean"  # stays below


def test_hovering_shows_a_value(page, report):
    plot = page_data(report)["plots"][0]
    # The left end of the axis is the threshold 0; the curve of the best tracker is the highest there.
    value = plot["groups"]["all"][0]["values"][0]
    frame_left, frame_right, frame_top, frame_bottom = 40 / 420, 412 / 420, 24 / 302, 264 / 302
    page.move(*page.point(PLOT, frame_left + 0.002, frame_bottom - value * (frame_bottom - frame_top)))
    assert tooltip(page) == f"good\noverlap > 0: {100 * value:.2f} %"
    assert page.evaluate("document.querySelector('#trackers .focus').textContent") == "good"
    assert page.evaluate("document.querySelectorAll('#curves .curve.faded').length") == 6
    middle = plot["groups"]["all"][2]["values"][10]
    height = frame_bottom - (middle - 0.05) * (frame_bottom - frame_top)
    page.move(*page.point(PLOT, (frame_left + frame_right) / 2, height))
    assert tooltip(page) == f"{ODD}\noverlap > 0.5: {100 * middle:.2f} %"
    page.move(2, 2)
    assert tooltip(page) is None
    assert page.evaluate("document.querySelectorAll('.faded').length") == 0


def test_values_are_read_with_keys_too(page):
    page.evaluate(f"document.querySelector('{PLOT}').focus()")
    page.key("ArrowRight")
    assert tooltip(page).startswith("good\noverlap > 0.55: ")
    page.key("ArrowDown")
    page.key("ArrowLeft")
    assert tooltip(page).startswith("fair\noverlap > 0.5: ")
    page.key("Escape")
    assert tooltip(page) is None


def test_trackers_are_hidden_and_shown(page):
    visible = (
        "Array.from(document.querySelectorAll('[data-tracker=\"1\"]:not(button)'))"
        ".filter((node) => node.getClientRects().length).length"
    )
    before = page.evaluate(visible)
    assert before > 10
    button = "#trackers button:nth-child(2)"
    page.click(button)
    assert page.evaluate(visible) == 0
    assert page.evaluate(f"document.querySelector('{button}').getAttribute('aria-pressed')") == "false"
    page.click(".curve-plot:nth-child(2) .ranked li:nth-child(2) button")
    assert page.evaluate(visible) == before


def choose(page, section: str, value: str) -> None:
    page.evaluate(
        f"(() => {{ const select = document.querySelector('#{section} select'); select.value = '{value}';"
        " select.dispatchEvent(new Event('change')); })()"
    )


def test_choices(page, report):
    score = page_data(report)["plots"][0]["groups"]["OCC"][0]["score"]
    choose(page, "curves", "OCC")
    assert texts(page, ".curve-plot:first-child .ranked b")[0] == f"[{100 * score:.1f}]"
    choose(page, "sequences", "precision")
    shown = f"{100 * report.sequence_tables['precision'].rows[0][2].mean:.2f}"
    assert column(page, "sequences", 3)[0].startswith(shown)
    before = texts(page, "#comparison svg text.name")
    assert before == ["fair", ODD]
    choose(page, "comparison", "1")
    assert texts(page, "#comparison svg text.name") == ["good", ODD]


def test_filter(page):
    page.evaluate(
        "(() => { const input = document.querySelector('#sequences input'); input.value = 'T';"
        " input.dispatchEvent(new Event('input')); })()"
    )
    assert column(page, "sequences", 1) == ["cat", "kite", "rabbit"]


def test_strips_and_radar_answer(page, report):
    page.move(*page.point(".strip .frames figure:nth-child(2) svg"))
    assert tooltip(page) == f"frame 3, overlap\ngood: 1.00\nfair: 0.65\n{ODD}: 0.43"
    radar = "#attributes figure svg"
    assert page.evaluate(f"document.querySelectorAll('{radar} .curve').length") == 3
    page.move(*page.point(radar, 0.5, 0.5 - 138 / 380 * 0.9))
    assert "Occlusion: AUC" in (tooltip(page) or "")


def test_frames_are_enlarged(page):
    page.click(".strip .frames figure:first-child svg")
    assert page.evaluate("document.querySelector('dialog').open")
    assert page.evaluate("document.querySelectorAll('dialog .box').length") == 3
    page.click("dialog svg")
    page.wait_for("document.querySelector('dialog') === null")  # the browser sends the close event later


def test_one_tracker_without_strips(browser, tmp_path):
    report = make_full_report(tmp_path, make_evaluation(("alone",)), strips=0)
    browser.events.clear()
    browser.open(write_report_files(report, tmp_path / "out")[0])
    browser.wait_for("document.documentElement.dataset.ready === 'true'")
    assert texts(browser, "section h2")[:4] == ["Ranking", "Curves", "Attributes", "Sequences"]
    assert browser.problems() == []
