"""How soon Python hands its lock over: sooner while a model generates.

After every step the engine's thread needs Python's lock (the GIL). Where another thread computes in
Python, it gets it after the switch interval, by default 5 ms: more than a step of a small model
takes. While generations run, the interval is made shorter; it matters only where threads compete.
"""

from __future__ import annotations

import ctypes
import sys
import threading

__all__ = ["EAGER", "Eagerness", "be_punctual"]

_SECONDS = 0.00005

_SET_TIMER_SLACK, _SLACK = 29, 1000
"""`PR_SET_TIMERSLACK` of Linux's prctl, and nanoseconds."""


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


def be_punctual() -> None:
    """Let this thread's waits end when they should: it waits for Python's lock so long and no more.

    Linux may prolong each by 0.05 ms, which is as much again. (25 M parameters beside a thread that
    computes: 16 to 18 % slower than alone, and then 8 to 12 %.)
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_TIMER_SLACK, ctypes.c_ulong(_SLACK))


EAGER = Eagerness()
"""That of this process."""
