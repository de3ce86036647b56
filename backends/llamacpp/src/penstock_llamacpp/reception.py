"""Reception: requests become streams on a thread of their own, so that no step waits for it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue

from penstock.backend import Ticket
from penstock.errors import ModelClosed, QueueFull

from penstock_llamacpp.stream import Stream

__all__ = ["Reception", "Tally"]


class Tally:
    """Counts the requests that have not ended, from any thread; at most `room`."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._count = 0
        self._lock = threading.Lock()

    def enter(self) -> None:
        """Count one more. Raises `QueueFull`."""
        with self._lock:
            if self._count >= self._room:
                raise QueueFull(
                    f"{self._count} requests are running or waiting, and no more may",
                    hint="Try again later, or load the model with a larger queue_limit",
                )
            self._count += 1

    def leave(self) -> None:
        """Count one less."""
        with self._lock:
            self._count -= 1


class Reception:
    """Takes tickets in order of arrival: renders, tokenizes and compiles what they ask for.

    `prepare` makes the stream, and what it raises ends the ticket; `pass_on` takes it.
    """

    def __init__(
        self,
        prepare: Callable[[Ticket], Stream],
        pass_on: Callable[[Stream], None],
        tally: Tally,
    ) -> None:
        self._prepare = prepare
        self._pass_on = pass_on
        self._tally = tally
        self._closed = False
        self._lock = threading.Lock()
        self._tickets: SimpleQueue[Ticket | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="penstock reception", daemon=True)
        self._thread.start()

    def take(self, ticket: Ticket) -> None:
        """Take a ticket, without waiting. Raises `QueueFull` and `ModelClosed`."""
        with self._lock:
            if self._closed:
                raise ModelClosed("the model is closed")
            self._tally.enter()
            self._tickets.put(ticket)

    def close(self) -> None:
        """Pass on what has arrived, and take no more."""
        with self._lock:
            self._closed = True
        self._tickets.put(None)
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _run(self) -> None:
        while (ticket := self._tickets.get()) is not None:
            self._receive(ticket)
            ticket = None  # an idle thread must not keep the last request alive

    def _receive(self, ticket: Ticket) -> None:
        stream, error = self._prepared(ticket)
        if stream is not None:
            self._pass_on(stream)
        else:
            self._tally.leave()
            ticket.end(error)

    def _prepared(self, ticket: Ticket) -> tuple[Stream | None, Exception | None]:
        if self._closed:
            return None, ModelClosed("the model was closed during the generation")
        try:
            return None if ticket.left else self._prepare(ticket), None
        except Exception as error:  # noqa: BLE001  # it belongs to who asked
            return None, error
