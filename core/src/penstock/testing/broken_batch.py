"""Batching engines that are wrong as only a batching engine can be.

A fault of `BROKEN_BATCHING` breaks its law. One of `MENDED` breaks none, since core sees to it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from penstock.backend import Ticket
from penstock.errors import ModelClosed
from penstock.events import EngineEvent
from penstock.request import Request
from penstock.testing.broken import Broken
from penstock.testing.echo import Script
from penstock.testing.echo_batch import EchoBatchEngine, Stream

__all__ = ["BROKEN_BATCHING", "MENDED", "NEVER_ENDS"]


class _Misread:
    """A ticket as a faulty engine reads it: each fault is one method."""

    def __init__(self, ticket: Ticket) -> None:
        self._ticket = ticket

    @property
    def left(self) -> bool:
        return self._ticket.left

    @property
    def full(self) -> bool:
        return self._ticket.full

    def request(self) -> Request:
        return self._ticket.request()

    def admit(self) -> bool:
        return self._ticket.admit()

    def deliver(self, event: EngineEvent, *, quietly: bool = False) -> bool:
        return self._ticket.deliver(event, quietly=quietly)

    def wake(self) -> None:
        self._ticket.wake()

    def end(self, error: BaseException | None = None) -> None:
        self._ticket.end(error)

    def on_leave(self, call: Callable[[], object]) -> None:
        self._ticket.on_leave(call)

    def when_room(self, call: Callable[[], object]) -> None:
        self._ticket.when_room(call)


class _Endless(_Misread):
    """Never told that it ended."""

    def end(self, error: BaseException | None = None) -> None:
        """Say nothing."""


class _Late(_Misread):
    """Delivered to after its end."""

    def end(self, error: BaseException | None = None) -> None:
        self._ticket.end(error)
        self._ticket.deliver("and another thing")


class _Asleep(_Misread):
    """Never woken for what is delivered."""

    def deliver(self, event: EngineEvent, *, quietly: bool = True) -> bool:
        return self._ticket.deliver(event, quietly=quietly)


class _Deaf(_Misread):
    """Worked for although nobody wants it."""

    def deliver(self, event: EngineEvent, *, quietly: bool = False) -> bool:
        if not self._ticket.left:
            return self._ticket.deliver(event, quietly=quietly)
        time.sleep(0.001)  # the work
        return True

    def on_leave(self, call: Callable[[], object]) -> None:
        """Do not listen."""


class _Heedless(_Misread):
    """Never left out, however far its reader is behind."""

    @property
    def full(self) -> bool:
        return False


class _Waiting(_Misread):
    """Waited for by the engine's thread until its reader has caught up."""

    @property
    def full(self) -> bool:
        if self._ticket.full:
            caught_up = threading.Event()
            self._ticket.when_room(caught_up.set)
            caught_up.wait()
        return False


class _Twice(_Misread):
    """Ended twice."""

    def end(self, error: BaseException | None = None) -> None:
        self._ticket.end(error)
        self._ticket.end()


class _Forgotten(_Misread):
    """Not told that the model was closed."""

    def end(self, error: BaseException | None = None) -> None:
        if not isinstance(error, ModelClosed):
            self._ticket.end(error)


class _Misreading(EchoBatchEngine):
    """Reads its tickets wrongly."""

    def __init__(self, script: Script, ticket: Callable[[Ticket], Ticket]) -> None:
        super().__init__(script)
        self._misread = ticket

    def submit(self, ticket: Ticket) -> None:
        super().submit(self._misread(ticket))


class BlockingSubmit(EchoBatchEngine):
    """Has whoever submits wait while it works for another."""

    def submit(self, ticket: Ticket) -> None:
        """Hold up the thread that asks, which is the event loop's."""
        if self._streams:
            time.sleep(0.3)
        super().submit(ticket)


class Mortal(EchoBatchEngine):
    """Works no more after a failure, and goes on taking generations."""

    def __init__(self, script: Script) -> None:
        super().__init__(script)
        self._dead = False

    def submit(self, ticket: Ticket) -> None:
        """Take it, though nobody is there to run it."""
        if not self._dead:
            super().submit(ticket)

    def _end(self, stream: Stream, error: Exception | None = None) -> None:
        self._dead = self._dead or isinstance(error, RuntimeError)
        super()._end(stream, error)


def _with(ticket: Callable[[Ticket], Ticket]) -> Callable[[Script], _Misreading]:
    return lambda script: _Misreading(script, ticket)


NEVER_ENDS = Broken(3, "never told an end", _with(_Endless))
"""Breaks its law, and leaves no other to be looked at."""

BROKEN_BATCHING: tuple[Broken, ...] = (
    Broken(2, "readers left asleep", _with(_Asleep)),
    Broken(3, "events after the end", _with(_Late)),
    Broken(6, "leaving not heard", _with(_Deaf)),
    Broken(7, "works no more after an error", Mortal),
    Broken(8, "full reader ignored", _with(_Heedless)),
    Broken(8, "thread waits for a reader", _with(_Waiting)),
    Broken(13, "submit blocks", BlockingSubmit),
)

MENDED: tuple[Broken, ...] = (
    Broken(3, "ended twice", _with(_Twice)),
    Broken(7, "forgotten at the close", _with(_Forgotten)),
)
