import io
import math
import sys

import pytest

from ltr.trainers import reporting
from ltr.trainers.reporting import Clock, Progress, duration, stats_text


def test_clock():
    clock = Clock()
    assert (clock.data_share, clock.rate) == (0, 0)
    assert math.isnan(clock.left(3))
    clock.add(data=1.0, total=2.0, samples=10)
    clock.add(data=0.0, total=2.0, samples=10)
    assert (clock.data_share, clock.rate, clock.left(5)) == (0.25, 5.0, 10.0)


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00:00"), (59.6, "0:01:00"), (90061, "25:01:01"), (math.nan, "?")])
def test_duration(seconds, text):
    assert duration(seconds) == text


def test_statistics():
    assert stats_text({"a": 1.23456, "b": 2}) == "a 1.235, b 2"
    assert stats_text({"a": 1, "b": 2}, limit=1) == "a 1"
    assert stats_text({}) == "no statistics"


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_progress(monkeypatch, stream):
    written = stream()
    monkeypatch.setattr(sys, "stderr", written)
    monkeypatch.setattr(reporting, "LINE_INTERVAL", 0)
    monkeypatch.setattr(reporting, "DRAW_INTERVAL", 0)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERM", "xterm")
    clock = Clock(data=1.0, total=4.0, iterations=2, samples=8)
    with Progress() as progress:
        progress.show("epoch 1/2", 2, 5, {"loss": 0.5}, clock, left=70)
        progress.say("epoch 1/2: [done]")
    text = written.getvalue()
    for part in ("epoch 1/2", "loss 0.5", "2.0 samples/s, data 25%", "0:01:10 left", "epoch 1/2: [done]"):
        assert part in text


def test_quiet_progress(monkeypatch):
    written = Terminal()
    monkeypatch.setattr(sys, "stderr", written)
    monkeypatch.setattr(reporting, "DRAW_INTERVAL", 0)
    with Progress(quiet=True) as progress:
        progress.show("epoch", 1, 2, {}, Clock(), 0)
        progress.say("line")
    assert not written.getvalue()
