import torch

from pytracking.tracker.rtmdnet.boxes import area_ratio, overlap, to_corners, within
from tests.shared_data import golden


def test_golden_overlaps() -> None:
    case = golden("c10_rtmdnet.npz")
    boxes, others = case["samples"], case["overlap_b"]
    torch.testing.assert_close(overlap(boxes, others), case["overlap_pair"], rtol=0, atol=1e-9)
    torch.testing.assert_close(overlap(boxes, others[5:6]), case["overlap_one"], rtol=0, atol=1e-9)


def test_boxes_apart_do_not_overlap() -> None:
    boxes = torch.tensor([[0.0, 0, 10, 10], [30, 0, 5, 5]]).double()
    assert overlap(boxes, torch.tensor([[20.0, 0, 5, 5]]).double()).tolist() == [0, 0]


def test_corners_areas_and_ranges() -> None:
    boxes = torch.tensor([[1.0, 2, 3, 4]])
    assert to_corners(boxes).tolist() == [[1, 2, 4, 6]]
    assert area_ratio(boxes, torch.tensor([[0.0, 0, 2, 3]])).tolist() == [2]
    assert within(torch.tensor([0.5, 0.6, 1.0, 1.1]), (0.6, 1.0)).tolist() == [False, True, True, False]
