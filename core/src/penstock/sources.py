"""What a source gets and gives: where to report progress, when to stop, and what is stored."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from penstock.backend import CancelFlag, LoadProgress, ProgressSink
from penstock.errors import LoadError

__all__ = ["PHASES", "Forward", "SourceContext", "StoredModel"]

PHASES = ("resolving", "downloading", "verifying", "loading", "warming", "ready")
"""The phases of loading, in their order. A backend may have others of its own between them."""


def _nobody(progress: LoadProgress, /) -> None:
    del progress


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceContext:
    """What a source may use while it resolves.

    progress   told how far it is, from any thread; by default, nobody listens
    cancel     set when nobody waits any more; a source looks at it at least once a chunk, and
               leaves what it has downloaded so that it can go on from there
    """

    progress: ProgressSink = _nobody
    cancel: CancelFlag = field(default_factory=CancelFlag)

    def assert_wanted(self) -> None:
        """Raise `LoadError` once nobody waits any more."""
        if self.cancel:
            raise LoadError("loading was cancelled", hint="What was downloaded is kept: load again")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredModel:
    """A model that a source has on this machine.

    source   the target that loads it, with its scheme
    path     the file to load, the first if it is split
    size     of all its files, in bytes
    files    all its files
    """

    source: str
    path: Path
    size: int
    files: tuple[Path, ...] = ()


class Forward:
    """Passes progress on to those who listen, so that it never goes back. Safe from any thread.

    What belongs to an earlier phase is dropped; within a phase, the share and the bytes never fall.
    """

    def __init__(self, *sinks: Callable[[LoadProgress], object]) -> None:
        self._sinks = list(sinks)
        self._lock = threading.RLock()
        self._last: LoadProgress | None = None

    def listen(self, sink: Callable[[LoadProgress], object]) -> None:
        """Tell `sink` too, from now on."""
        self._sinks.append(sink)

    def ignore(self, sink: Callable[[LoadProgress], object]) -> None:
        """Tell `sink` no more."""
        self._sinks.remove(sink)

    def restart(self) -> None:
        """Begin again: another attempt is made."""
        with self._lock:
            self._last = None

    def __call__(self, progress: LoadProgress, /) -> None:
        with self._lock:
            last = self._last
            if last is not None and _rank(progress, last) < _rank(last, last):
                return
            if last is not None and last.phase == progress.phase:
                progress = _no_less(progress, last)
            self._last = progress
            for sink in self._sinks:
                sink(progress)


def _rank(progress: LoadProgress, last: LoadProgress) -> int:
    """Return the place of a phase; one that is not ours stands where loading stands now."""
    for phase in (progress.phase, last.phase):
        if phase in PHASES:
            return PHASES.index(phase)
    return 0


def _no_less(progress: LoadProgress, last: LoadProgress) -> LoadProgress:
    least = None if progress.bytes is None else max(progress.bytes, last.bytes or 0)
    return replace(progress, fraction=max(progress.fraction, last.fraction), bytes=least)
