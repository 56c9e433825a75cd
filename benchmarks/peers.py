"""CSRT and KCF of OpenCV on the same frames: a yardstick that anyone can run.

    pip install --target peers --no-deps opencv-contrib-python-headless
    PYTHONPATH=peers python benchmarks/peers.py                    beside the lite trackers
    PYTHONPATH=peers python benchmarks/peers.py --with             alone

The package is installed aside because it brings its own cv2, which must not replace the one of opencv-python.
Sequences, options and results of our trackers are those of lite_family.py; a peer has no random numbers and runs once.
"""

import argparse
from time import perf_counter
from typing import Any

import cv2
import numpy as np
from lite_family import Scores, add_options, report, run_and_score, score, sequences

from ltr.common.errors import InputError
from ltr.common.image import read_image
from pytracking.evaluation.data import Sequence, SequenceList
from pytracking.evaluation.tracker import Tracker

PEERS = ("CSRT", "KCF")


def make_peer(name: str) -> Any:
    """A tracker of OpenCV. Raises InputError where this cv2 has none of that name."""
    maker = getattr(cv2, f"Tracker{name}_create", None)
    if maker is None:
        raise InputError(
            f"expected a cv2 with Tracker{name}, found version {cv2.__version__} without; type\n"
            "  pip install --target peers --no-deps opencv-contrib-python-headless\n"
            "and run this with PYTHONPATH=peers"
        )
    return maker()


def track(name: str, sequence: Sequence) -> tuple[np.ndarray, float]:
    """Boxes (N, 4) of a peer, the last one again where it finds nothing, and its seconds."""
    peer = make_peer(name)
    box = sequence.init_info()["init_bbox"]
    boxes, seconds = [box], 0.0
    for index, path in enumerate(sequence.frames):
        image = read_image(path)[..., ::-1].copy()  # OpenCV's order of colors
        start = perf_counter()
        if index == 0:
            peer.init(image, [round(value) for value in box])  # takes whole pixels alone
        else:
            found, new = peer.update(image)
            boxes.append([float(value) for value in new] if found else boxes[-1])
        seconds += perf_counter() - start
    return np.array(boxes), seconds


def peer_scores(name: str, dataset: SequenceList) -> Scores:
    scores, frames, total = [], 0, 0.0
    for sequence in dataset:
        boxes, seconds = track(name, sequence)
        scores.append(score(boxes, sequence))
        frames, total = frames + len(boxes), total + seconds
    print(f"{name}: {frames / total:.0f} frames/s, cv2 {cv2.__version__}")
    return Scores.of([scores])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--with", dest="others", nargs="*", default=["dimp_lite", "rls_dimp_lite"], metavar="NAME",
                        help="parameter files of DiMP beside them (default: dimp_lite rls_dimp_lite)")  # fmt: skip
    add_options(parser, runs=3)
    args = parser.parse_args()
    dataset = sequences(args.dataset_name, args.sequences)
    try:
        scores = {name: peer_scores(name, dataset) for name in PEERS}
    except InputError as error:
        raise SystemExit(f"peers.py: {error}") from error
    if args.others:
        groups = {
            n: [Tracker("dimp", n, run, results_path=args.results) for run in range(args.runs)] for n in args.others
        }
        scores |= run_and_score(groups, dataset, args.threads)
    report(f"peers_{args.dataset_name}", scores, dataset, args.results)


if __name__ == "__main__":
    main()
