"""The bounded way from the producer of a generation to its consumer."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from penstock.events import Delta
from penstock.streams.bells import Bells, CallBell, LoopBell, ThreadBell

__all__ = ["Channel", "Outcome"]

HIGH_WATER = 256
"""Deltas ahead of the consumer at which a producer pauses; it goes on at half of that."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the producer ended: in order, or with an error."""

    error: BaseException | None = None


class Channel:
    """One producer, one consumer, each in any thread or task.

    The producer calls `put` and `finish`, the consumer `pop` and `leave`; none of them waits.
    Nothing that was put is lost: `outcome` counts only once `pop` gives nothing.
    """

    __slots__ = (
        "_items",
        "_on_leave",
        "_readers",
        "_writers",
        "high_water",
        "idle",
        "left",
        "outcome",
    )

    def __init__(self, high_water: int = HIGH_WATER) -> None:
        self.high_water = high_water
        self.outcome: Outcome | None = None
        self.left = False
        self.idle = False
        self._items: deque[Delta] = deque()
        self._readers = Bells()
        self._writers = Bells()
        self._on_leave: Callable[[], object] | None = None

    # the producer's side

    def put(self, delta: Delta, *, quietly: bool = False) -> None:
        """Hand a delta over; `quietly` leaves a reader asleep until the next one, or `nudge`."""
        self._items.append(delta)
        if not quietly:
            self._readers.ring()

    @property
    def full(self) -> bool:
        """Whether the producer should pause."""
        return len(self._items) >= self.high_water

    def finish(self, outcome: Outcome) -> None:
        """Say that nothing follows."""
        self.outcome = outcome
        self._readers.ring()

    def rest(self) -> None:
        """Say that the engine is free again."""
        self.idle = True
        self._on_leave = None  # nobody is left to be stopped; the loop may soon be gone
        self._readers.ring()

    def on_leave(self, call: Callable[[], object]) -> None:
        """Have `call` made, from any thread, when the consumer leaves; at once if it has."""
        self._on_leave = call
        if self.left:
            call()

    async def room(self, urged: Callable[[], bool]) -> None:
        """Wait until the consumer has caught up or left, or the producer is `urged` on."""
        while self._is_crowded() and not urged():
            bell = LoopBell()
            self._writers.hang(bell)
            try:
                if self._is_crowded() and not urged():
                    await bell.wait()
            finally:
                self._writers.drop(bell)

    def wait_room(self, urged: Callable[[], bool]) -> None:
        """Do the same in a thread."""
        while self._is_crowded() and not urged():
            bell = ThreadBell()
            self._writers.hang(bell)
            if self._is_crowded() and not urged():
                bell.wait()
            self._writers.drop(bell)

    def when_room(self, call: Callable[[], object]) -> None:
        """Have `call` made once, from any thread, when the consumer has caught up or left."""
        self._writers.hang(CallBell(call))
        if not self._is_crowded():
            self._writers.ring()

    def urge(self) -> None:
        """Have a waiting producer look again."""
        self._writers.ring()

    # the consumer's side

    def pop(self) -> Delta | None:
        """Take the next delta, if there is one."""
        try:
            delta = self._items.popleft()
        except IndexError:
            return None
        if len(self._items) == self.high_water // 2:
            self._writers.ring()
        return delta

    def leave(self) -> None:
        """Stop the producer."""
        if self.left:
            return
        self.left = True
        on_leave = self._on_leave
        if on_leave is not None:
            on_leave()
        self._writers.ring()
        self._readers.ring()

    def nudge(self) -> None:
        """Have waiting consumers look again."""
        self._readers.ring()

    async def arrival(self, ready: Callable[[], bool], seconds: float | None = None) -> None:
        """Wait for something new, at most `seconds`; not at all if `ready()` already."""
        bell = LoopBell()
        self._readers.hang(bell)
        try:
            if not ready():
                await bell.wait(seconds)
        finally:
            self._readers.drop(bell)

    def wait_arrival(self, ready: Callable[[], bool], seconds: float | None = None) -> None:
        """Do the same in a thread."""
        bell = ThreadBell()
        self._readers.hang(bell)
        try:
            if not ready():
                bell.wait(seconds)
        finally:
            self._readers.drop(bell)

    @property
    def holds(self) -> bool:
        """Whether `pop` would give something."""
        return bool(self._items)

    @property
    def news(self) -> bool:
        """Whether the consumer has something to look at."""
        return bool(self._items) or self.outcome is not None

    def _is_crowded(self) -> bool:
        return not self.left and len(self._items) > self.high_water // 2
