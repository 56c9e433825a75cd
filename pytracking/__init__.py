"""Visual object tracking: trackers, parameter files, evaluation and command line tools."""

import os

# Threads of PyTorch wait for each other by spinning, by default so long that on a CPU they take the processor from
# OpenVINO's threads, and on a busy machine from those that they wait for (docs/performance.md, "Threads"). It has to be
# said before PyTorch is imported; what the user has set stays.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "5000")
