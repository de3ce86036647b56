"""Gate: a worker computes in turns that another thread gives it, and stands still in between."""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import perf_counter

__all__ = ["Gate"]


class Gate:
    """Takes turns between two threads: one gives a turn and waits for its end, the other works.

    The worker calls `passes` wherever it can stand still, and goes on from there in its next turn.
    So the two never compute at once, and a turn is longer than it was given by what lies between
    two of these calls.
    """

    def __init__(self) -> None:
        # Reentrant: a garbage collection may make a reader leave, which stops the worker, anywhere.
        self._turns = threading.Condition(threading.RLock())
        self._until = 0.0
        self._here = False
        self._stands = False
        self._stopped = False

    @property
    def stands(self) -> bool:
        """Whether the worker stands at the gate, so that it can be given a turn."""
        return self._stands

    @property
    def here(self) -> bool:
        """Whether the worker has come and not gone away: it stands, works, or is about to go."""
        return self._here

    def open(self) -> None:
        """Take `stop` back, for the next piece of work."""
        self._stopped = False

    def give(self, seconds: float) -> None:
        """Give the worker a turn, and wait until it stands still again or has gone away."""
        with self._turns:
            self._until = perf_counter() + seconds
            self._stands = False
            self._turns.notify_all()
            while self._here and not self._stands:
                self._turns.wait()

    def stop(self) -> None:
        """Make `passes` return False from now on, in a turn or not. From any thread."""
        with self._turns:
            self._stopped = True
            self._turns.notify_all()

    def gone(self) -> None:
        """Wait until the worker has gone away, which is soon once it was stopped."""
        with self._turns:
            while self._here:
                self._turns.wait()

    # the worker

    def come(self, arrived: Callable[[], object] = bool) -> bool:
        """Come for a piece of work: wait for the first turn, and return as `passes` does.

        `arrived` is called when it can be given.
        """
        with self._turns:
            self._here = self._stands = True
            self._until = 0.0
        arrived()
        return self.passes()

    def passes(self) -> bool:
        """Return whether to go on: at once in a turn, else when the next one comes."""
        if perf_counter() < self._until:
            return not self._stopped
        with self._turns:
            self._stands = True
            self._turns.notify_all()
            while self._stands and not self._stopped:
                self._turns.wait()
            self._stands = False
            return not self._stopped

    def go(self) -> None:
        """Go away, with the work done or given up."""
        with self._turns:
            self._here = self._stands = False
            self._turns.notify_all()
