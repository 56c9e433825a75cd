"""Whatever happens to a file of a data set, reading it says which file it is, or gives whole rows of numbers."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ltr.common.errors import InputError
from pytracking.evaluation.datasets import load_dataset
from tests.pytracking.evaluation.layouts import ROW, write_images, write_rows

BOX = (0.25, 0.5, 0.5, 0.75)
INFO = ("vid0005", "obj0001", 12, "knife", "false", "false")


def otb(root):
    return "otb", "Deer", write_rows(root / "Deer" / "groundtruth_rect.txt", [ROW] * 71)


def uav(root):
    return "uav", "uav1_2", write_rows(root / "anno/UAV123/uav1_2.txt", [ROW, ["NaN"] * 4] * 411 + [ROW])


def tlp(root):
    rows = [(number, *ROW, 0) for number in range(1, 30)]
    return "tlp", "Rope", write_rows(root / "Rope" / "groundtruth_rect.txt", rows)


def nfs(root):
    rows = [(0, 5, 6, 25, 16, number, 0, 0, 1, '"ball"') for number in range(69)]
    return "nfs", "Skiing_red", write_rows(root / "Skiing_red/30/Skiing_red.txt", rows, separator=" ")


def lasot(root):
    write_rows(root / "airplane-1" / "groundtruth.txt", [ROW] * 9)
    write_rows(root / "airplane-1" / "out_of_view.txt", [[0] * 9])
    return "lasot", "airplane-1", write_rows(root / "airplane-1" / "full_occlusion.txt", [[0] * 9])


def vot(root):
    rows = [(10, 4, 20, 8.5, 18, 14, 8, 9)] * 9
    return "vot2019", "polo", write_rows(root / "polo" / "groundtruth.txt", rows)


def got10k(root):
    folder = root / "GOT-10k_Val_000001"
    write_rows(folder / "groundtruth.txt", [ROW] * 9)
    write_rows(folder / "absence.label", [[0]] * 9)
    return "got10k_val", folder.name, write_rows(folder / "cover.label", [[8]] * 9)


def oxuva(root):
    write_images(root, "images/dev/vid0005/{:06d}.jpeg", range(30, 121))
    write_rows(root / "tasks" / "dev.csv", [(*INFO[:2], 30, 120, *BOX)])
    labels = [(*INFO, frame, "present", *BOX) for frame in (30, 60, 90, 120)]
    return "oxuva_dev", "vid0005_obj0001", write_rows(root / "annotations" / "dev.csv", labels)


def read(sequence):
    """Boxes and visibility, or the message of the error."""
    try:
        return (sequence.ground_truth_rect, sequence.target_visible), ""
    except InputError as error:
        return None, str(error)


@pytest.mark.parametrize("write", [otb, uav, tlp, nfs, lasot, vot, got10k, oxuva])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(
    damages=st.lists(
        st.tuples(st.floats(0, 1), st.integers(0, 9), st.sampled_from([b"", b"\n", b",", b"x", b"nan", b"-", b"\xff"])),
        min_size=1,
        max_size=3,
    )
)
def test_damaged_file(tmp_path, write, damages):
    name, sequence, path = write(tmp_path)
    data = path.read_bytes()
    for place, removed, added in damages:
        position = int(place * len(data))
        data = data[:position] + added + data[position + removed :]
    path.write_bytes(data)
    found, message = read(load_dataset(f"{name}:{tmp_path}").get_sequence_list()[sequence])
    if found is None:
        assert path.name in message or sequence in message
        return
    boxes, visible = found
    assert boxes.shape == (len(visible), 4)
    assert (np.isnan(boxes).all(axis=1) | np.isfinite(boxes).all(axis=1)).all()
    if name not in ("tlp", "vot2019"):  # the others say elsewhere how many frames there are
        assert len(boxes) in {"otb": (71,), "uav": (823,), "nfs": (68, 69), "oxuva_dev": (91,)}.get(name, (9,))
