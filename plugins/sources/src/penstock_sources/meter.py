"""Meter: bytes that come, as progress."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from penstock.backend import LoadProgress
from penstock.sources import SourceContext

__all__ = ["Meter"]

_EVERY = 0.1
"""Seconds between two reports."""
_WINDOW = 50
"""Reports over which the rate is taken: the last five seconds."""


class Meter:
    """Counts the bytes of one phase, over all its files, and reports them ten times a second.

    `total` is how many bytes there will be, None where nobody knows; `file` the one at hand.
    """

    def __init__(
        self,
        context: SourceContext,
        phase: str,
        total: int | None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.total = total
        self.file: str | None = None
        self._context = context
        self._phase = phase
        self._clock = clock
        self._bytes = 0
        self._fresh = 0
        self._seen: deque[tuple[float, int]] = deque([(clock(), 0)], maxlen=_WINDOW)

    def skip(self, count: int) -> None:
        """Count bytes that were there before."""
        self._bytes += count

    def add(self, count: int) -> None:
        """Count bytes that came. Raises `LoadError` once nobody waits for them."""
        self._context.assert_wanted()
        self._bytes += count
        self._fresh += count
        if self._bytes == self.total or self._clock() >= self._seen[-1][0] + _EVERY:
            self.report()

    def take_back(self, count: int) -> None:
        """Count bytes no more that came in vain."""
        self._bytes -= count

    def report(self, *, sha256: str | None = None) -> None:
        """Say how many bytes there are, and the hash of the file at hand if it is known."""
        self._seen.append((self._clock(), self._fresh))
        share = min(1.0, self._bytes / self.total) if self.total else 0.0
        self._context.progress(
            LoadProgress(
                self._phase,
                share,
                self._bytes,
                self.total,
                rate=self._rate(),
                file=self.file,
                sha256=sha256,
            )
        )

    def _rate(self) -> float | None:
        (begun, before), (now, after) = self._seen[0], self._seen[-1]
        return (after - before) / (now - begun) if now > begun else None
