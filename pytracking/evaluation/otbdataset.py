"""OTB-100 (Wu, Lim, Yang: Object Tracking Benchmark, PAMI 2015).

The table `tables/otb.json` holds what cannot be read off the folders: 100 targets in 98 videos (Jogging and Skating2
have two, Human4 is tracked by its second annotation), numbering that does not start at 1 (David 300, BlurCar1 247,
BlurCar3 3, BlurCar4 18), five-digit names (Board), images after the last annotated frame (Diving, Football1), and
Tiger1, whose first five frames and rows are left out of every evaluation. KiteSurf is found in both of its known
layouts. The last rows of Board and Twinnings are zeros: the target is not there, the row is scored as invalid.
"""

from pytracking.evaluation.tabledataset import TableDataset


class OTBDataset(TableDataset):
    """OTB-100; boxes of the files count pixels from 1."""

    name = "otb"
    setting = "otb_path"
    layout = "<Sequence>/img/0001.jpg and <Sequence>/groundtruth_rect.txt, for example Basketball/img/0001.jpg"
    table = "otb"
    pixel_origin = 1
    num_sequences = 100
