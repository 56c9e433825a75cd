"""Reset logic on cases made by hand: a dummy tracker whose boxes are written down."""

import pytest

from ltr.dataset.regions import Regions
from pytracking.VOT.protocols import Experiment
from pytracking.VOT.supervised import Answer, RealTime, supervise

SIZE = (100, 100)
BOX = [10.0, 10.0, 20.0, 20.0]
AWAY = [60.0, 60.0, 20.0, 20.0]
BASELINE = Experiment("baseline")


class Scripted:
    """Answers with the ground truth's box, and with another one in the frames that say so; it logs its starts."""

    def __init__(self, others=None, seconds=None):
        self.others = others or {}
        self.seconds = seconds or {}
        self.starts = []
        self.asked = []

    def start(self, frame, box):
        self.starts.append((frame, box))
        return Answer(box, 1.0, self.seconds.get(frame, 0.0))

    def track(self, frame):
        self.asked.append(frame)
        return Answer(self.others.get(frame, BOX), 0.5, self.seconds.get(frame, 0.0))


def truth(frames, absent=()):
    return Regions.from_rows([[float("nan")] * 4 if i in absent else BOX for i in range(frames)])


def marks(trajectory):
    """`1` started, `2` failed, `0` skipped, `.` tracked."""
    return "".join("." if len(row) == 4 else f"{row[0]:.0f}" for row in trajectory.rows)


def run(frames, others=None, absent=(), experiment=BASELINE):
    target = Scripted(others)
    return marks(supervise(target, truth(frames, absent), SIZE, experiment)), target


def test_no_failure():
    shown, target = run(8)
    assert shown == "1......."
    assert target.starts == [(0, BOX)]


def test_failure_in_the_second_frame():
    shown, target = run(12, {1: AWAY})
    assert shown == "120000" + "1....."  # frame 1 fails, frame 6 = 1 + 5 starts
    assert [frame for frame, _ in target.starts] == [0, 6]


@pytest.mark.parametrize(
    ("failure", "expected"),
    [(9, "1........2"), (8, "1.......20"), (5, "1....20000"), (4, "1...200001")],
    ids=["last", "last but one", "restart would be after the end", "restart in the last frame"],
)
def test_failure_in_the_last_frames(failure, expected):
    shown, _ = run(10, {failure: AWAY})
    assert shown == expected


def test_failure_after_failure():
    shown, _ = run(14, {3: AWAY, 9: AWAY})
    assert shown == "1..20000" + "12" + "0000"


def test_restart_distance_is_the_protocols():
    shown, _ = run(6, {2: AWAY}, experiment=Experiment("short", restart_after=1))
    assert shown == "1.21.."


def test_target_absent():
    """Nothing overlaps a target that is not there: a failure; the next start waits until it is back."""
    shown, target = run(14, absent=range(4, 11))
    assert shown == "1...2000000" + "1.."
    assert [frame for frame, _ in target.starts] == [0, 11]


def test_target_absent_at_first_or_always():
    assert run(6, absent=[0, 1])[0] == "001..."
    assert run(3, absent=range(3))[0] == "000"


@pytest.mark.parametrize(
    ("box", "fails"),
    [
        ([30.0, 10.0, 20.0, 20.0], True),  # side by side: they share an edge and no pixel, an overlap of exactly 0
        ([29.0, 10.0, 20.0, 20.0], False),  # one column of pixels in common
        ([10.0, 10.0, 0.0, 0.0], True),  # no pixel at all
        ([-40.0, 10.0, 20.0, 20.0], True),  # outside of the image
    ],
)
def test_overlap_of_zero_is_a_failure(box, fails):
    shown, _ = run(4, {2: box})
    assert shown[2] == ("2" if fails else ".")


def test_failure_overlap_is_the_protocols():
    half = [10.0, 10.0, 20.0, 10.0]
    assert run(3, {1: half}, experiment=Experiment("strict", failure_overlap=0.5))[0] == "120"
    assert run(3, {1: half}, experiment=Experiment("strict", failure_overlap=0.49))[0] == "1.."


def test_tracker_gets_the_box_of_the_polygons_area():
    polygon = [10, 10, 30, 10, 30, 20, 10, 20]
    target = Scripted()
    supervise(target, Regions.from_rows([polygon]), SIZE, BASELINE)
    assert target.starts[0][1] == pytest.approx([9.5, 9.5, 21, 11])


def test_answers_are_kept():
    trajectory = supervise(Scripted({1: AWAY}, {0: 0.25}), truth(3), SIZE, BASELINE)
    assert trajectory.seconds == [0.25, 0.0, None]
    assert trajectory.confidences == [1.0, 0.5, None]


def timed(seconds, frames=10, grace=0, fps=10.0):
    """Frames that the tracker is asked about, and the rows, where it needs `seconds` (by frame) of 0.1 a frame."""
    target = Scripted({i: [10.0 + i, 10.0, 20.0, 20.0] for i in range(1, frames)}, seconds)
    trajectory = supervise(target, truth(frames), SIZE, Experiment("realtime", 1, fps=fps, grace=grace))
    return target.asked, trajectory


def test_real_time_without_delay():
    assert timed({})[0] == list(range(1, 10))


def test_real_time_passes_frames():
    """0.35 s at frame 1: 0.25 are left at frame 2, 0.15 at 3, 0.05 at 4, which is answered."""
    asked, trajectory = timed({1: 0.35})
    assert asked == [1, 4, 5, 6, 7, 8, 9]
    assert trajectory.rows[1] == trajectory.rows[2] == trajectory.rows[3]
    assert trajectory.seconds[2:4] == [0.0, 0.0]


def test_real_time_start_takes_time():
    asked, trajectory = timed({0: 0.25})
    assert asked[0] == 2
    assert trajectory.rows[1] == BOX


def test_real_time_forgives():
    assert timed({0: 1.0, 1: 1.0, 2: 1.0}, grace=3)[0] == list(range(1, 10))
    assert timed({0: 1.0, 1: 1.0, 2: 1.0, 3: 0.25}, grace=3)[0] == [1, 2, 3, 5, 6, 7, 8, 9]


def test_real_time_forgives_again_after_a_restart():
    target = RealTime(Scripted(seconds={0: 1.0, 5: 1.0}), fps=10, grace=1)
    for start in (0, 5):
        target.start(start, BOX)
        target.track(start + 1)
    assert target._target.asked == [1, 6]
