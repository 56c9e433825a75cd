"""The search for a lost target, on made-up scores."""

import math
from collections.abc import Mapping

import numpy as np
import pytest

from pytracking.tracker.dimp.redetection import (
    MOST_TILES,
    Find,
    Look,
    Presence,
    Redetection,
    RedetectionParams,
    search_looks,
)

PARAMS = RedetectionParams(
    redetection=True,
    redetection_patience=4,
    redetection_frames=3,
    redetection_score=0.3,
    redetection_hint=0.2,
    redetection_growth=2.0,
    redetection_tiles=100,
    redetection_reach=10.0,  # anywhere from the first frame on
)
IMAGE = np.array([240.0, 320.0])
PLACE = np.array([120.0, 60.0])  # where the target was last
AREA, TARGET = 70.0, 20.0
Objects = Mapping[tuple[float, float], float]  # place (y, x) -> the lower one of both filters' scores


def lost(params: RedetectionParams = PARAMS) -> Redetection:
    search = Redetection(params)
    for _ in range(params.redetection_patience):
        search.after_tracking(found=False)
    assert search.state == "searching"
    return search


def frame(search: Redetection, objects: Objects, image: np.ndarray = IMAGE) -> Find | None:
    """A frame in which the crops show these objects; a crop with none has a low score in its middle."""
    looks = search.looks(image, PLACE, AREA, TARGET)
    assert len(looks) == 1 + search.params.redetection_crops
    return search.after_looking(looks, [best_of(look, objects) for look in looks], TARGET)


def best_of(look: Look, objects: Objects) -> Find:
    finds = [Find(np.array(place), score) for place, score in objects.items() if is_in(look, np.array(place))]
    return max(finds, key=lambda find: find.score, default=Find(look.pos, 0.05))


def is_in(look: Look, place: np.ndarray) -> bool:
    return bool((abs(place - look.pos) <= look.growth * AREA / 2).all())


def play(search: Redetection, objects: Objects, num_frames: int) -> tuple[int, Find] | None:
    """The frame, from 1, in which the target is believed to be back, and where."""
    for number in range(1, num_frames + 1):
        if (find := frame(search, objects)) is not None:
            return number, find
    return None


def test_few_frames_without_the_target_are_no_loss():
    search = Redetection(PARAMS)
    for _ in range(10):
        assert not any(search.after_tracking(found) for found in (False, False, False, True))
    assert not search.is_lost
    assert [search.after_tracking(False) for _ in range(4)] == [False, False, False, True]
    assert search.is_lost


def test_target_that_comes_back_where_it_was_is_believed_after_some_frames():
    search = lost()
    target = {(122.0, 63.0): 0.8}
    assert frame(search, target) is None
    assert search.state == "verifying"
    assert frame(search, target) is None
    back = frame(search, target)
    assert back is not None
    assert search.state == "tracking"
    assert back.pos.tolist() == [122, 63]


@pytest.mark.parametrize("place", [(10.0, 310.0), (230.0, 5.0), (120.0, 300.0)])
def test_target_that_comes_back_elsewhere_is_found_within_one_round(place):
    found = play(lost(), {place: 0.8}, len(search_looks(PARAMS, IMAGE, PLACE, AREA, TARGET)) + 1 + 3)
    assert found is not None
    assert tuple(found[1].pos) == place


def test_false_alarm_is_not_believed():
    search = lost()
    for _ in range(20):
        for objects in ({(125.0, 60.0): 0.9}, {(125.0, 60.0): 0.9}, {}):
            assert frame(search, objects) is None
    assert search.state == "searching"


def test_only_one_filter_that_sees_it_is_not_enough():
    """The score of a find is the lower one of the two."""
    assert play(lost(), {(125.0, 60.0): min(0.9, 0.29)}, 100) is None


def test_flicker_is_not_believed():
    search = lost()
    for number in range(60):
        assert frame(search, {(125.0, 60.0): 0.9} if number % 2 else {}) is None


def test_finds_that_jump_are_not_one_target():
    """Two look-alikes far from each other, seen in turn in the same crop."""
    search = lost()
    for number in range(60):
        assert frame(search, {((95.0 if number % 2 else 150.0), 60.0): 0.9}) is None
    assert search.state == "verifying"


def test_target_beside_a_look_alike_is_the_better_one():
    found = play(lost(), {(100.0, 60.0): 0.4, (130.0, 70.0): 0.8}, 10)
    assert found is not None
    assert tuple(found[1].pos) == (130, 70)


def test_target_elsewhere_takes_the_place_of_a_look_alike_that_is_being_verified():
    params = PARAMS.replace(redetection_frames=40)
    search, look_alike, target = lost(params), (120.0, 60.0), (20.0, 300.0)
    assert play(search, {look_alike: 0.4}, 20) is None
    assert search.state == "verifying"
    found = play(search, {look_alike: 0.4, target: 0.8}, 200)
    assert found is not None
    assert tuple(found[1].pos) == target


def test_weak_hint_elsewhere_does_not_disturb_a_verification():
    found = play(lost(), {(120.0, 60.0): 0.8, (20.0, 300.0): 0.4}, 3)
    assert found is not None
    assert tuple(found[1].pos) == (120, 60)


def test_hint_is_looked_at_but_not_believed():
    """A place above the hint's score and below that of a find is never believed."""
    assert play(lost(), {(20.0, 300.0): 0.25}, 200) is None


def test_target_that_never_returns_is_looked_for_everywhere_again_and_again():
    search = lost()
    round_length = len(search_looks(PARAMS, IMAGE, PLACE, AREA, TARGET))
    for _ in range(3):
        seen = []
        for _ in range(round_length):
            looks = search.looks(IMAGE, PLACE, AREA, TARGET)
            assert looks[0].pos.tolist() == PLACE.tolist()
            seen += looks[1:]
            assert search.after_looking(looks, [best_of(look, {}) for look in looks], TARGET) is None
        points = [np.array([y, x]) for y in range(0, 240, 10) for x in range(0, 320, 10)]
        tiles = [look for look in seen if look.growth == 1]
        assert all(any(is_in(look, point) for look in tiles) for point in points)


@pytest.mark.parametrize("crops", [1, 2, 5])
def test_crops_of_a_frame_are_bounded(crops):
    search = lost(PARAMS.replace(redetection_crops=crops))
    for _ in range(100):
        assert len(search.looks(IMAGE, PLACE, AREA, TARGET)) == 1 + crops


def test_round_begins_near_the_last_place_and_has_the_whole_image():
    looks = search_looks(PARAMS, IMAGE, PLACE, AREA, TARGET)
    assert (looks[0].pos.tolist(), looks[0].growth) == (PLACE.tolist(), PARAMS.redetection_growth)
    assert all(is_in(looks[1], corner) for corner in (np.zeros(2), IMAGE - 1))
    distances = [math.dist(look.pos, PLACE) for look in looks[2:]]
    assert distances == sorted(distances)


def test_every_target_is_whole_in_some_tile():
    tiles = [look for look in search_looks(PARAMS, IMAGE, PLACE, AREA, TARGET)[2:] if look.growth == 1]
    for y in np.arange(TARGET / 2, IMAGE[0] - TARGET / 2, 3.0):
        for x in np.arange(TARGET / 2, IMAGE[1] - TARGET / 2, 3.0):
            inside = [(abs(np.array([y, x]) - look.pos) <= (AREA - TARGET) / 2 + 1e-9).all() for look in tiles]
            assert any(inside)


def test_number_of_tiles_is_limited_by_larger_ones():
    params = PARAMS.replace(redetection_tiles=12)
    tiles = search_looks(params, IMAGE, PLACE, AREA, TARGET)[2:]
    assert len(tiles) <= 12
    assert 1 < tiles[0].growth <= params.redetection_growth
    smallest = search_looks(params, IMAGE, PLACE, 7.0, 2.0)[2:]  # more would be needed even of the largest tiles
    assert len(smallest) > 12
    assert smallest[0].growth == params.redetection_growth


@pytest.mark.parametrize("area", [1.0, 1e-9, 1e-300])
@pytest.mark.parametrize("place", [(0.0, 0.0), (299.0, 399.0), (120.0, 200.0)])
def test_tiles_of_a_tiny_target_are_those_around_it(area, place):
    image_sz = np.array((300.0, 400.0))
    tiles = search_looks(PARAMS, image_sz, np.array(place), area, area / 4)[2:]
    assert len(tiles) == MOST_TILES**2
    assert math.dist(tiles[0].pos, place) <= 1.5 * PARAMS.redetection_growth * area + 0.5
    for look in (tiles[0], tiles[-1]):
        assert ((look.pos >= -0.5) & (look.pos <= image_sz - 0.5)).all()


@pytest.mark.parametrize("image", [(40.0, 50.0), (1.0, 1.0), (300.0, 40.0)])
def test_image_smaller_than_a_tile(image):
    image_sz = np.array(image)
    tiles = search_looks(PARAMS, image_sz, np.array([500.0, -20.0]), AREA, TARGET)[2:]
    assert len(tiles) == (1 if image[0] < AREA else len({look.pos[0] for look in tiles}))
    assert all(look.pos[1] == (image[1] - 1) / 2 for look in tiles)
    assert all(((look.pos >= 0) & (look.pos < image_sz)).all() for look in tiles)


def test_search_area_no_larger_than_the_target_is_searched_too():
    assert len(search_looks(PARAMS, IMAGE, PLACE, 40.0, 40.0)) > 2


def test_sizes_that_change_begin_a_new_round():
    search = lost()
    for _ in range(7):
        frame(search, {})
    small = np.array([60.0, 80.0])
    seen = []
    for _ in range(len(search_looks(PARAMS, small, PLACE, AREA, TARGET))):
        looks = search.looks(small, PLACE, AREA, TARGET)
        seen += looks[1:]
        search.after_looking(looks, [best_of(look, {}) for look in looks], TARGET)
    assert seen[0].growth == PARAMS.redetection_growth
    assert all(((look.pos >= 0) & (look.pos < small)).all() for look in seen)


def test_target_is_believed_no_further_away_than_it_can_be():
    """Half a search area at the loss, and a tenth of one more after each frame: at 100 pixels after 10 frames."""
    params = PARAMS.replace(redetection_reach=0.1)
    assert play(lost(params), {(120.0, 90.0): 0.8}, 3) is not None
    search, far = lost(params), {(120.0, 160.0): 0.8}
    found = play(search, far, 60)
    assert found is not None
    assert found[0] >= (100 / AREA - 0.5) / 0.1
    again = lost(params)
    assert play(again, {(120.0, 60.0): 0.8}, 3) is not None  # and so it is after another loss
    for _ in range(params.redetection_patience):
        again.after_tracking(found=False)
    assert play(again, far, 9) is None


def test_look_alike_that_is_too_far_does_not_hide_the_target():
    found = play(lost(PARAMS.replace(redetection_reach=0.01)), {(120.0, 200.0): 0.9, (125.0, 70.0): 0.7}, 4)
    assert found is not None
    assert tuple(found[1].pos) == (125, 70)


def test_search_grows():
    """Only around the last place at first, then a part of the tiles, then all of them."""
    near, some, all_of = (search_looks(PARAMS, IMAGE, PLACE, AREA, TARGET, reach) for reach in (35, 120, 1000))
    assert len(near) == 1 < len(some) < len(all_of) == len(search_looks(PARAMS, IMAGE, PLACE, AREA, TARGET))


def test_second_loss_begins_anew():
    search = lost()
    assert play(search, {(120.0, 60.0): 0.8}, 3) is not None
    assert not search.after_tracking(True)
    assert [search.after_tracking(False) for _ in range(4)] == [False, False, False, True]
    assert search.state == "searching"
    assert search.looks(IMAGE, PLACE, AREA, TARGET)[1].growth == PARAMS.redetection_growth


def test_presence_without_a_map_is_the_score():
    presence = Presence(RedetectionParams())
    assert [presence.after(score) for score in (0.9, 0.2, 0.0)] == [0.9, 0.2, 0.0]


def test_presence_rises_with_the_score_and_with_what_was_before():
    params = RedetectionParams(presence_map=(-3.0, 2.0, 6.0), presence_memory=0.5)
    seen = Presence(params)
    expected = 0.5 * 1.0 + 0.5 * 0.8
    assert seen.after(0.8) == pytest.approx(1 / (1 + math.exp(3 - 2 * 0.8 - 6 * expected)))
    lost_for_long = Presence(params)
    while_lost = [lost_for_long.after(0.0) for _ in range(20)]
    assert while_lost == sorted(while_lost, reverse=True)
    assert lost_for_long.after(0.8) < seen.after(0.8)
    back = lost_for_long.restart(0.8)
    assert back == pytest.approx(1 / (1 + math.exp(3 - 8 * 0.8)))


def test_presence_of_extreme_scores_is_a_share():
    presence = Presence(RedetectionParams(presence_map=(0.0, 1.0, 0.0)))
    assert [presence.after(score) for score in (-1e6, 1e6)] == [0.0, 1.0]
