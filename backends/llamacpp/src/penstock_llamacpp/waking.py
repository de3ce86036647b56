"""Waking: when readers hear of what was delivered to them."""

from __future__ import annotations

from penstock.backend import Ticket

__all__ = ["Waking"]

_BEAT = 0.02
"""Seconds between two wakings, at least. To wake an event loop, and to let it run, takes a tenth of
a millisecond from the step after it: a fifth of a token of a small model. Nobody sees more than 50
pictures in a second."""


class Waking:
    """Wakes the readers of all streams together: after a step, but no more often than the beat.

    All calls belong to one thread.
    """

    def __init__(self, beat: float = _BEAT) -> None:
        self._beat = beat
        self._last = 0.0
        self._sleepers: dict[Ticket, None] = {}

    def note(self, ticket: Ticket) -> None:
        """Note that something was delivered quietly."""
        self._sleepers[ticket] = None

    def step(self, at: float, *, urgent: bool) -> None:
        """Wake them if it is time, or urgent; `at` is now (`time.perf_counter`)."""
        if urgent or at - self._last >= self._beat:
            self._last = at
            self.now()

    def now(self) -> None:
        """Wake them."""
        sleepers, self._sleepers = self._sleepers, {}
        for ticket in sleepers:
            ticket.wake()
