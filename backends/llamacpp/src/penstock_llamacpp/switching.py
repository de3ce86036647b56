"""How soon Python hands its lock over: sooner while a model generates.

After every step the engine's thread needs Python's lock (the GIL). Where another thread computes in
Python, it gets it after the switch interval, by default 5 ms: more than a step of a small model
takes. While generations run, the interval is made shorter; it matters only where threads compete.
"""

from __future__ import annotations

import sys
import threading

__all__ = ["EAGER", "Eagerness"]

_SECONDS = 0.00005


class Eagerness:
    """Shortens the switch interval of the process while at least one holder asks for it."""

    def __init__(self, seconds: float = _SECONDS) -> None:
        self._seconds = seconds
        self._usual = sys.getswitchinterval()
        self._holders: set[int] = set()
        self._lock = threading.Lock()

    def enter(self, holder: object) -> None:
        """Ask for it; asking again changes nothing."""
        if id(holder) in self._holders:
            return
        with self._lock:
            if not self._holders:
                self._usual = sys.getswitchinterval()
                sys.setswitchinterval(min(self._seconds, self._usual))
            self._holders.add(id(holder))

    def leave(self, holder: object) -> None:
        """Give it up; the last holder restores what was set before."""
        if id(holder) not in self._holders:
            return
        with self._lock:
            self._holders.discard(id(holder))
            if not self._holders:
                sys.setswitchinterval(self._usual)


EAGER = Eagerness()
"""That of this process."""
