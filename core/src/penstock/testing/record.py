"""Record: a ticket that keeps what an engine delivers, and reads as slowly as it is told to."""

from __future__ import annotations

import threading
from collections.abc import Callable

from penstock.events import EngineEvent, Finish, Prefill, Token
from penstock.request import Request
from penstock.streams.bells import Bells, CallBell

__all__ = ["Record"]


class Record:
    """What a test hands to `BatchingEngine.submit`.

    `events` are what was delivered, in order. `hold()` makes its reader fall behind, `go_on()`
    catch up, `leave()` go away. `most` events are wanted at most; after `behind_after`
    of them the reader falls behind by itself. `late` is what came after the
    end, where nothing may come.
    """

    def __init__(
        self, request: Request, *, most: int | None = None, behind_after: int | None = None
    ) -> None:
        self._request = request
        self._most = most
        self._behind_after = behind_after
        self._ended = threading.Event()
        self._on_leave: Callable[[], object] | None = None
        self._room = Bells()
        self.events: list[EngineEvent] = []
        self.late: list[EngineEvent] = []
        self.error: BaseException | None = None
        self.admissions = 0
        self.endings = 0
        self.left = False
        self.full = False

    # what a reader does

    def wait(self, seconds: float = 60.0) -> None:
        """Wait for the end. Raises the error, if it ended with one, or `TimeoutError`."""
        if not self._ended.wait(seconds):
            raise TimeoutError(f"the generation has not ended after {seconds:g} s: {self.events!r}")
        if self.error is not None:
            raise self.error

    def hold(self) -> None:
        """Fall behind."""
        self.full = True

    def go_on(self) -> None:
        """Catch up."""
        self.full = False
        self._room.ring()

    def leave(self) -> None:
        """Go away."""
        self.left = True
        if self._on_leave is not None:
            self._on_leave()
        self.go_on()

    @property
    def ended(self) -> bool:
        """Whether the engine said that it works for this no more."""
        return self._ended.is_set()

    @property
    def tokens(self) -> list[Token]:
        """The tokens delivered."""
        return [event for event in self.events if isinstance(event, Token)]

    @property
    def ids(self) -> list[int]:
        """Their ids."""
        return [token.id for token in self.tokens]

    @property
    def data(self) -> bytes:
        """Their bytes."""
        return b"".join(token.data for token in self.tokens)

    @property
    def prefills(self) -> list[Prefill]:
        """The reports on the prompt."""
        return [event for event in self.events if isinstance(event, Prefill)]

    @property
    def finish(self) -> Finish | None:
        """The end, if it has come in order."""
        found = [event for event in self.events if isinstance(event, Finish)]
        return found[-1] if found else None

    # what an engine does: see `penstock.backend.Ticket`

    def request(self) -> Request:
        return self._request

    def admit(self) -> bool:
        self.admissions += 1
        return not self.left

    def deliver(
        self,
        event: EngineEvent,
        *,
        quietly: bool = False,  # noqa: ARG002  # nobody sleeps here
    ) -> bool:
        if self.ended:
            self.late.append(event)
            return False
        self.events.append(event)
        if len(self.events) == self._behind_after:
            self.hold()
        return not self.left and (self._most is None or len(self.events) < self._most)

    def wake(self) -> None:
        """Nobody sleeps."""

    def end(self, error: BaseException | None = None) -> None:
        self.endings += 1
        if not self._ended.is_set():
            self.error = error
            self._ended.set()

    def on_leave(self, call: Callable[[], object]) -> None:
        self._on_leave = call
        if self.left:
            call()

    def when_room(self, call: Callable[[], object]) -> None:
        self._room.hang(CallBell(call))
        if self.left or not self.full:
            self._room.ring()
