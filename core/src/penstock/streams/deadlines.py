"""When a consumer's patience with an engine ends."""

from __future__ import annotations

from time import perf_counter

from penstock.errors import DeadlineExceeded
from penstock.request import Deadlines
from penstock.streams.timing import Trace
from penstock.values import dataclass

__all__ = ["Patience"]

_HINTS = {
    "queue": "The engine is busy with other requests",
    "first_token": "Allow more time for the prompt, or shorten it",
    "idle": "The engine stopped making progress",
    "total": "Raise the deadline, or lower max_tokens",
}


@dataclass(frozen=True, slots=True)
class _Due:
    at: float
    name: str
    seconds: float


class Patience:
    """Which deadline comes next, given what has happened so far."""

    __slots__ = ("_deadlines", "_taken", "_trace", "watches")

    def __init__(self, deadlines: Deadlines, trace: Trace) -> None:
        self._deadlines = deadlines
        self._trace = trace
        self._taken = 0.0
        self.watches = any(
            limit is not None
            for limit in (
                deadlines.queue,
                deadlines.first_token,
                deadlines.idle,
                deadlines.total,
            )
        )

    def due(self, now: float | None = None) -> float | None:
        """Return when to check again, on the clock of the trace.

        That is when the next deadline passes, or when one of a later phase could at the earliest:
        nobody rings when a request is taken up, or at a token without text.
        """
        due, later = self._next(), self._later()
        if later is None:
            return None if due is None else due.at
        later += perf_counter() if now is None else now
        return later if due is None else min(due.at, later)

    def check(self, now: float, *, total_only: bool = False) -> None:
        """Raise `DeadlineExceeded` if one has passed; `total_only` where a delta is taken out.

        An engine that waits for its consumer is not idle: silence counts from the last delta taken.
        """
        if total_only:
            self._taken = now
            due = self._limit("total", self._trace.submitted)
        else:
            due = self._next()
        if due is not None and now >= due.at:
            raise DeadlineExceeded(due.name, due.seconds, hint=_HINTS[due.name])

    def _next(self) -> _Due | None:
        candidates = (self._phase(), self._limit("total", self._trace.submitted))
        return min(filter(None, candidates), key=lambda due: due.at, default=None)

    def _later(self) -> float | None:
        """Return the shortest deadline of a phase that has not begun."""
        if self._trace.first_token is not None:
            return None
        idle, first = self._deadlines.idle, self._deadlines.first_token
        if self._trace.admitted is not None or first is None:
            return idle
        return first if idle is None else min(first, idle)

    def _phase(self) -> _Due | None:
        trace = self._trace
        if trace.admitted is None:
            return self._limit("queue", trace.submitted)
        if trace.first_token is None:
            return self._limit("first_token", trace.life)
        return self._limit("idle", max(trace.life, self._taken))

    def _limit(self, name: str, since: float) -> _Due | None:
        seconds = getattr(self._deadlines, name)
        return None if seconds is None else _Due(since + seconds, name, seconds)
