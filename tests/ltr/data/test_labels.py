import math

import numpy as np
import pytest

from ltr.data.labels import gaussian_labels


def test_label_by_hand():
    box = np.array([[128.0, 96.0, 32.0, 64.0]])  # center 144, 128: cells 9 and 8
    label = gaussian_labels(box, 0.9, 18, 4, 288)[0]
    assert label.shape == (19, 19)
    assert label.dtype == np.float32
    assert label[8, 9] == 1
    assert label[8, 10] == pytest.approx(math.exp(-0.5 / 0.81), rel=1e-6)
    assert label[10, 8] == pytest.approx(math.exp(-0.5 * (4 + 1) / 0.81), rel=1e-6)
    assert np.unravel_index(label.argmax(), label.shape) == (8, 9)


def test_label_between_two_cells():
    box = np.array([[128.0, 128.0, 48.0, 32.0]])  # center 152, 144: cells 9.5 and 9
    label = gaussian_labels(box, 0.9, 18, 4, 288)[0]
    assert label[9, 9] == label[9, 10] == pytest.approx(math.exp(-0.125 / 0.81), rel=1e-6)


def test_odd_kernel_has_a_map_of_the_features_size():
    label = gaussian_labels(np.array([[128.0, 128.0, 32.0, 32.0]]), 1.0, 18, 5, 288)[0]
    assert label.shape == (18, 18)
    assert label[8, 8] == label[9, 9] == pytest.approx(math.exp(-0.25), rel=1e-6)  # center at cell 8.5
