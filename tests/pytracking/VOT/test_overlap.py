import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from ltr.common.errors import InputError
from ltr.dataset.regions import Regions
from pytracking.VOT.overlap import region_overlaps

SIZE = (400, 300)
CONVENTIONS = ("challenge", "toolkit")


def overlap(first, second, convention="challenge", size=SIZE):
    return float(region_overlaps(Regions.from_rows([first]), Regions.from_rows([second]), size, convention)[0])


def rotated(x, y, w, h, angle):
    """Corners of a rotated rectangle."""
    c, s = np.cos(angle), np.sin(angle)
    corners = np.array([[-w, -h], [w, -h], [w, h], [-w, h]]) / 2 @ np.array([[c, s], [-s, c]]) + [x, y]
    return corners.ravel().tolist()


shapes = st.builds(
    rotated, st.floats(-20, 420), st.floats(-20, 320), st.floats(8, 150), st.floats(8, 150), st.floats(0, np.pi)
)


def exact(first, second, size=SIZE):
    """Intersection over union of the areas inside the image, and the perimeters and areas that errors scale with."""
    image = shapely.box(0, 0, *size)
    a, b = (shapely.Polygon(np.reshape(corners, (4, 2))).intersection(image) for corners in (first, second))
    union = a.union(b).area
    return (a.intersection(b).area / union if union > 0 else 0.0), a.length + b.length, union


@pytest.mark.parametrize("convention", CONVENTIONS)
@given(first=shapes, second=shapes)
def test_against_areas(convention, first, second):
    """Pixels count an area up to a strip of at most one and a half pixels along the outlines: vertices are rounded by
    half a pixel, and both ends of a row are included. Half of it on either side of an outline is an error of the
    intersection, of the union, or of both."""
    expected, outline, union = exact(first, second)
    if union < 1:
        return
    assert overlap(first, second, convention) == pytest.approx(expected, abs=1.5 * outline / union)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_against_areas_on_average(convention):
    """Errors of single shapes cancel: 300 pairs of one size differ by less than a hundredth on average."""
    rng = np.random.default_rng(0)
    pairs = [
        [rotated(*rng.uniform(120, 150, 2), *rng.uniform(40, 90, 2), rng.uniform(0, 3)) for _ in range(2)]
        for _ in range(300)
    ]
    drawn = [overlap(*pair, convention) for pair in pairs]
    assert np.mean(drawn) == pytest.approx(np.mean([exact(*pair)[0] for pair in pairs]), abs=0.01)


@pytest.mark.parametrize("convention", CONVENTIONS)
@given(first=shapes, second=shapes)
def test_symmetry_and_range(convention, first, second):
    value = overlap(first, second, convention)
    assert 0 <= value <= 1
    assert overlap(second, first, convention) == value


@pytest.mark.parametrize("convention", CONVENTIONS)
@given(shape=shapes)
def test_itself(convention, shape):
    """A region overlaps itself wholly where any of it is drawn."""
    if exact(shape, shape)[2] > 200:
        assert overlap(shape, shape, convention) == 1


def drawn_slowly(corners, size):
    """Mask of an upright or rotated shape by the rules of the challenge, pixel row by pixel row."""
    vertices = np.floor(np.asarray(corners, dtype=np.float64).reshape(4, 2) + 0.5)
    mask = np.zeros((size[1], size[0]), dtype=bool)
    for row in range(size[1]):
        columns = []
        for (x0, y0), (x, y) in zip(np.roll(vertices, 1, axis=0), vertices, strict=True):
            if min(y, y0) <= row <= max(y, y0) and y != y0:
                columns.append(int(x + (row - y) / (y0 - y) * (x0 - x)))
        if columns and min(columns) < max(columns):
            mask[row, max(min(columns), 0) : max(columns) + 1] = True
    return mask


@given(first=shapes, second=shapes)
def test_challenge_against_a_slow_drawing(first, second):
    """Convex shapes inside the image: a row reaches from the first to the last crossing."""
    if min(*first, *second) < 0 or max(*first[::2], *second[::2]) >= SIZE[0] - 1:
        return
    if max(*first[1::2], *second[1::2]) >= SIZE[1] - 1:
        return
    a, b = (drawn_slowly(np.float32(corners), SIZE) for corners in (first, second))
    union = (a | b).sum()
    assert overlap(first, second) == ((a & b).sum() / union if union else 0.0)


def test_boxes_by_hand():
    """A box of the challenge covers both ends: 11 x 11 pixels for w = h = 10; vot-toolkit's covers 10 x 10."""
    a, b = [10, 10, 10, 10], [15, 10, 10, 10]
    assert overlap(a, b) == (6 * 11) / (16 * 11)
    assert overlap(a, b, "toolkit") == 50 / 150


def test_boxes_are_their_polygons_in_the_challenge():
    box, polygon = [10.3, 20.6, 33.1, 15.2], [10.3, 20.6, 43.4, 20.6, 43.4, 35.8, 10.3, 35.8]
    other = rotated(30, 25, 30, 20, 0.4)
    assert overlap(box, other) == overlap(polygon, other)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_only_the_image_counts(convention):
    """Outside of it the regions differ by much, inside not at all."""
    assert overlap([0, 0, 60, 60], [-300, -300, 360, 360], convention) == 1
    assert overlap([-50, -50, 20, 20], [-50, -50, 20, 20], convention) == 0


def test_marks():
    regions = Regions.from_rows([[1], [2], [0], [0, 0, 10, 10], [0, 0, 10, 10]])
    truth = Regions.from_rows([[0, 0, 10, 10]] * 4 + [[float("nan")] * 4])
    np.testing.assert_array_equal(region_overlaps(regions, truth, SIZE), [np.nan, np.nan, np.nan, 1, 0])


def test_blocks_do_not_matter(monkeypatch):
    rng = np.random.default_rng(1)
    regions = [
        Regions.from_rows([rotated(*rng.uniform(50, 200, 2), *rng.uniform(20, 90, 2), 0.3) for _ in range(30)])
        for _ in range(2)
    ]
    expected = region_overlaps(*regions, SIZE)
    monkeypatch.setattr("pytracking.VOT.overlap.ROWS_AT_ONCE", 100)
    np.testing.assert_array_equal(region_overlaps(*regions, SIZE), expected)


def test_errors():
    regions = Regions.from_rows([[0, 0, 1, 1]])
    with pytest.raises(InputError, match="unknown convention 'tolkit'; did you mean 'toolkit'"):
        region_overlaps(regions, regions, SIZE, "tolkit")
    with pytest.raises(ValueError, match="as many regions on both sides, found 1 and 0"):
        region_overlaps(regions, regions.at(slice(0, 0)), SIZE)
