"""Progress of loading: its phases, and how it is passed on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

from penstock.backend import LoadProgress

__all__ = ["PHASES", "Forward"]

PHASES = ("resolving", "downloading", "verifying", "loading", "warming", "ready")
"""The phases of loading, in their order. A backend may have others of its own between them."""


class Forward:
    """Passes progress on to those who listen, so that it never goes back. Safe from any thread.

    What belongs to an earlier phase is dropped; within a phase, the share and the bytes never fall.
    `failure` is what a listener raised, whatever those make of it who report the progress.
    """

    def __init__(self, *sinks: Callable[[LoadProgress], object]) -> None:
        self._sinks = list(sinks)
        self._lock = threading.RLock()
        self._last: LoadProgress | None = None
        self.failure: BaseException | None = None

    def listen(self, sink: Callable[[LoadProgress], object]) -> None:
        """Tell `sink` too, from now on."""
        self._sinks.append(sink)

    def ignore(self, sink: Callable[[LoadProgress], object]) -> None:
        """Tell `sink` no more."""
        self._sinks.remove(sink)

    def restart(self) -> None:
        """Begin again: another attempt is made."""
        with self._lock:
            self._last = self.failure = None

    def __call__(self, progress: LoadProgress, /) -> None:
        with self._lock:
            last = self._last
            if last is not None and _rank(progress, last) < _rank(last, last):
                return
            if last is not None and last.phase == progress.phase:
                progress = _no_less(progress, last)
            self._last = progress
            try:
                for sink in self._sinks:
                    sink(progress)
            except BaseException as error:
                self.failure = error
                raise


def _rank(progress: LoadProgress, last: LoadProgress) -> int:
    """Return the place of a phase; one that is not ours stands where loading stands now."""
    for phase in (progress.phase, last.phase):
        if phase in PHASES:
            return PHASES.index(phase)
    return 0


def _no_less(progress: LoadProgress, last: LoadProgress) -> LoadProgress:
    least = None if progress.bytes is None else max(progress.bytes, last.bytes or 0)
    return replace(progress, fraction=max(progress.fraction, last.fraction), bytes=least)
