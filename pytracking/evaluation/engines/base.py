"""What an engine is."""

from __future__ import annotations

from abc import ABC, abstractmethod

from pytracking.evaluation.engines.dispatcher import Dispatcher


class Engine(ABC):
    """Runs jobs somewhere."""

    def describe(self) -> str:
        """Where, for people; empty where it does not matter."""
        return ""

    def check_device(self, device: str | None) -> None:
        """Raise InputError for a device of a tracker's parameters that does not go with the workers."""

    @abstractmethod
    def run(self, dispatcher: Dispatcher) -> None:
        """Run all jobs of the dispatcher, in any order.

        Where the dispatcher stops, and where this is interrupted (by KeyboardInterrupt, say), running jobs are
        stopped, and what they finished is handed in. No process is left behind.
        """
