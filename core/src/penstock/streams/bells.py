"""Bells: how one side of a channel sleeps until the other rings, from whatever thread."""

from __future__ import annotations

import sys
import threading
import weakref
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Protocol, cast

import anyio

if TYPE_CHECKING:
    from anyio.lowlevel import RunVar

__all__ = ["Bell", "Bells", "CallBell", "LoopBell", "LoopDoor", "ThreadBell", "rouse"]


class _Asyncio(Protocol):
    def call_soon_threadsafe(self, call: Callable[[], object], /) -> object: ...


class _Trio(Protocol):
    def run_sync_soon(self, call: Callable[[], object], /) -> None: ...


class LoopDoor:
    """A way into the event loop this was made in, from any thread, without waiting for it.

    All doors of a loop share one threshold: however many calls come before the loop turns to them,
    it is woken once.
    """

    __slots__ = ("_thread", "_threshold")

    def __init__(self) -> None:
        self._threshold = _threshold()
        self._thread = threading.get_ident()

    @property
    def inside(self) -> bool:
        """Whether the caller runs on the loop's own thread."""
        return threading.get_ident() == self._thread

    def call(self, call: Callable[[], object]) -> None:
        """Run `call` on the loop's thread: at once from there, else soon.

        Does nothing once the loop is closed: nobody is left to be told. `call` must not raise.
        """
        if self.inside:
            call()
        else:
            self._threshold.leave(call)


class _Threshold:
    """What other threads left for a loop to call."""

    __slots__ = ("_calls", "_knocked", "_loop")

    def __init__(self) -> None:
        from anyio.lowlevel import current_token  # there, since a loop runs

        # Weak: this is a variable of the loop, and would otherwise keep it for ever.
        self._loop = weakref.ref(cast("_Asyncio | _Trio", current_token().native_token))
        self._calls: deque[Callable[[], object]] = deque()
        self._knocked = False

    def leave(self, call: Callable[[], object]) -> None:
        self._calls.append(call)
        if self._knocked:  # set back before the calls are taken: this one will be seen
            return
        self._knocked = True
        if not self._knock():
            self._knocked = False
            self._calls.clear()

    def _knock(self) -> bool:
        """Ask the loop to take the calls; False if it is closed."""
        loop = self._loop()
        if loop is None:
            return False
        try:
            if hasattr(loop, "call_soon_threadsafe"):
                loop.call_soon_threadsafe(self._take)
            else:
                loop.run_sync_soon(self._take)
        except RuntimeError:  # closed; trio's RunFinishedError is one too
            return False
        return True

    def _take(self) -> None:
        self._knocked = False
        calls = self._calls
        while calls:
            calls.popleft()()


@cache
def _thresholds() -> RunVar[_Threshold]:
    from anyio.lowlevel import RunVar  # as anyio does: a third of importing it, at its first use

    return RunVar("penstock threshold")


def _threshold() -> _Threshold:
    variable = _thresholds()
    try:
        return variable.get()
    except LookupError:
        found = _Threshold()
        variable.set(found)
        return found


def rouse() -> None:
    """Wake the event loop of this thread, if it has one.

    A signal handler runs on the loop's own thread, though the loop may be asleep. That of asyncio
    does not wake for a signal, and what was rung stays unheard; uvloop and trio do.
    """
    asyncio = sys.modules.get("asyncio")  # where such a loop runs, it was imported
    if asyncio is not None:
        with suppress(RuntimeError):  # no loop here, or none of its kind
            asyncio.get_running_loop().call_soon_threadsafe(_wake)


def _wake() -> None:
    """Do nothing: the loop looks around."""


class Bell(ABC):
    """Rings at most once."""

    @abstractmethod
    def ring(self) -> None:
        """Wake the sleeper. Safe from any thread."""


class LoopBell(Bell):
    """Wakes a task."""

    __slots__ = ("_door", "_event")

    def __init__(self) -> None:
        self._door = LoopDoor()
        self._event = anyio.Event()

    def ring(self) -> None:
        self._door.call(self._event.set)

    async def wait(self, seconds: float | None = None) -> None:
        """Sleep until the bell rings, at most `seconds`."""
        if seconds is None:
            await self._event.wait()
            return
        with anyio.move_on_after(max(0.0, seconds)):
            await self._event.wait()


class ThreadBell(Bell):
    """Wakes a thread."""

    __slots__ = ("_event",)

    def __init__(self) -> None:
        self._event = threading.Event()

    def ring(self) -> None:
        self._event.set()

    def wait(self, seconds: float | None = None) -> None:
        """Sleep until the bell rings, at most `seconds`."""
        self._event.wait(None if seconds is None else min(seconds, threading.TIMEOUT_MAX))


class CallBell(Bell):
    """Calls a function that does not block, on the thread of whoever rings."""

    __slots__ = ("_call",)

    def __init__(self, call: Callable[[], object]) -> None:
        self._call = call

    def ring(self) -> None:
        self._call()


class Bells:
    """The sleepers of one place. Who sleeps hangs up a bell first, then looks once more.

    Ringing takes every bell down, so a sleeper is woken once however often it is rung; with
    nobody asleep, ringing costs next to nothing.
    """

    __slots__ = ("_hung",)

    def __init__(self) -> None:
        self._hung: deque[Bell] = deque()

    def hang(self, bell: Bell) -> None:
        """Add a sleeper."""
        self._hung.append(bell)

    def drop(self, bell: Bell) -> None:
        """Remove a sleeper that woke by itself."""
        try:
            self._hung.remove(bell)
        except ValueError:  # it was rung meanwhile
            return

    def ring(self) -> None:
        """Wake all who sleep now. Safe from any thread.

        Who wakes may hang up a new bell at once: that one is for the next time. Rung as well, it
        would wake its sleeper for nothing, who would hang up another, and so on.
        """
        for _ in range(len(self._hung)):
            try:
                bell = self._hung.popleft()
            except IndexError:  # another thread took the last one
                return
            bell.ring()
