"""The parts of the check, in the order in which they run."""

from pytracking.util_scripts.check_device import whole_trackers
from pytracking.util_scripts.check_device.arithmetic import environment
from pytracking.util_scripts.check_device.inverse_correlation import inverse_correlation
from pytracking.util_scripts.check_device.processes import Part
from pytracking.util_scripts.check_device.stages import stages
from pytracking.util_scripts.check_device.training import training
from pytracking.util_scripts.check_device.workers import two_workers

PARTS = (
    Part("environment", environment),
    Part("P", inverse_correlation),
    Part("stages", stages),
    *whole_trackers.parts(),
    Part("workers", two_workers),
    Part("training", training),
)
