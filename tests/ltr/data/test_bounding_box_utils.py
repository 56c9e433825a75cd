import math

import torch

from ltr.data.bounding_box_utils import rect_to_rel, rel_to_rect


def test_center_in_sizes_and_logarithm_of_the_size() -> None:
    box, unit = torch.tensor([[10.0, 20.0, 4.0, 8.0]]), torch.tensor([2.0, 3.0])
    own = [12 / 4, 24 / 8, math.log(4), math.log(8)]
    torch.testing.assert_close(rect_to_rel(box), torch.tensor([own]))
    torch.testing.assert_close(rect_to_rel(box, unit), torch.tensor([[12 / 2, 24 / 3, *own[2:]]]))
    torch.testing.assert_close(rel_to_rect(rect_to_rel(box)), box)
    torch.testing.assert_close(rel_to_rect(rect_to_rel(box, unit), unit), box)
