"""RLS-DiMP as the authors' code runs it: float16 P, reset every 100 updates, one proposal, no update undone."""

from pytracking.parameter.dimp._base import LONG_TERM_STEP, dimp50, rls
from pytracking.tracker.dimp.params import DiMPParams


def parameters() -> DiMPParams:
    return rls(
        dimp50().replace(iounet_k=1, num_init_random_boxes=0),
        LONG_TERM_STEP,
        rls_estimator="dense",
        rls_dtype="float16",
        rls_virtual_input_stride=2,
        rls_reset_interval=100,
        guard_updates=False,
    )
