"""When a consumer's patience with an engine ends."""

from __future__ import annotations

from dataclasses import dataclass

from penstock.errors import DeadlineExceeded
from penstock.request import Deadlines
from penstock.streams.timing import Trace

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

    __slots__ = ("_deadlines", "_trace", "watches")

    def __init__(self, deadlines: Deadlines, trace: Trace) -> None:
        self._deadlines = deadlines
        self._trace = trace
        self.watches = any(
            limit is not None
            for limit in (
                deadlines.queue,
                deadlines.first_token,
                deadlines.idle,
                deadlines.total,
            )
        )

    def due(self) -> float | None:
        """Return when the next deadline passes, on the clock of the trace."""
        due = self._next()
        return None if due is None else due.at

    def check(self, now: float, *, total_only: bool = False) -> None:
        """Raise `DeadlineExceeded` if one has passed."""
        due = self._limit("total", self._trace.submitted) if total_only else self._next()
        if due is not None and now >= due.at:
            raise DeadlineExceeded(due.name, due.seconds, hint=_HINTS[due.name])

    def _next(self) -> _Due | None:
        candidates = (self._phase(), self._limit("total", self._trace.submitted))
        return min(filter(None, candidates), key=lambda due: due.at, default=None)

    def _phase(self) -> _Due | None:
        trace = self._trace
        if trace.admitted is None:
            return self._limit("queue", trace.submitted)
        return self._limit("first_token" if trace.first_token is None else "idle", trace.life)

    def _limit(self, name: str, since: float) -> _Due | None:
        seconds = getattr(self._deadlines, name)
        return None if seconds is None else _Due(since + seconds, name, seconds)
