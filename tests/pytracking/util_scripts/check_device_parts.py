"""Parts of a check for tests, found by name in other processes."""

import os
import time

from pytracking.util_scripts.check_device.processes import Found, Part, Setting
from pytracking.util_scripts.check_device.results import Measurement


def sound(setting: Setting) -> Found:
    return Found([Measurement("difference", 1e-6, 1e-3, "rounding", "px"), Measurement("fps", 30.0)], {"cores": 2})


def wrong(setting: Setting) -> Found:
    return Found([Measurement("difference", 2.0, 1e-3), Measurement("another", float("nan"), 1.0)], {})


def crashing(setting: Setting) -> Found:
    print("before the crash", flush=True)
    os.abort()


def raising(setting: Setting) -> Found:
    raise KeyError(f"{setting.device} has no such thing")


def late(setting: Setting) -> Found:
    time.sleep(600)
    return sound(setting)


PARTS = {check.__name__: Part(check.__name__, check) for check in (sound, wrong, crashing, raising, late)}
