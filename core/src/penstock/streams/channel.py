"""The bounded way from the producer of a generation to its consumer."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from math import inf
from time import perf_counter

from penstock.events import Delta
from penstock.streams.bells import Bells, CallBell, LoopBell, ThreadBell
from penstock.values import dataclass

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

    Where deltas come faster than one in `beat` seconds, a consumer is not woken for each: it dozes,
    and looks by itself once the beat is over. With 0, the default, every delta wakes it.
    """

    __slots__ = (
        "_dozers",
        "_gap",
        "_items",
        "_on_leave",
        "_put_at",
        "_readers",
        "_rose_at",
        "_writers",
        "beat",
        "high_water",
        "idle",
        "left",
        "outcome",
    )

    def __init__(self, high_water: int = HIGH_WATER) -> None:
        self.high_water = high_water
        self.beat = 0.0
        self.outcome: Outcome | None = None
        self.left = False
        self.idle = False
        self._items: deque[Delta] = deque()
        self._gap = inf
        self._put_at = self._rose_at = 0.0
        self._readers = Bells()
        self._dozers = Bells()
        self._writers = Bells()
        self._on_leave: Callable[[], object] | None = None

    # the producer's side

    def put(self, delta: Delta, *, quietly: bool = False) -> None:
        """Hand a delta over; `quietly` leaves a reader asleep until the next one, or `nudge`."""
        if self.beat:
            now = perf_counter()
            self._gap, self._put_at = now - self._put_at, now
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
        self.nudge()

    def rest(self) -> None:
        """Say that the engine is free again."""
        self.idle = True
        self._on_leave = None  # nobody is left to be stopped; the loop may soon be gone
        self.nudge()

    def on_leave(self, call: Callable[[], object]) -> None:
        """Have `call` made, from any thread, when the consumer leaves; at once if it has."""
        self._on_leave = call
        if self.left:
            call()

    async def room(self, urged: Callable[[], bool]) -> None:
        """Wait until the consumer has caught up or left, or the producer is `urged` on."""
        self.nudge()  # who dozes would catch up only after the beat
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
        self.nudge()
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
        self.nudge()

    def nudge(self) -> None:
        """Have waiting consumers look again."""
        self._readers.ring()
        self._dozers.ring()

    async def arrival(self, ready: Callable[[], bool], seconds: float | None = None) -> None:
        """Wait for something new, at most `seconds`; not at all if `ready()` already."""
        bell = LoopBell()
        bells, seconds = self._bed(seconds)
        bells.hang(bell)
        try:
            if not ready():
                await bell.wait(seconds)
        finally:
            bells.drop(bell)
            self._rose_at = perf_counter()

    def wait_arrival(self, ready: Callable[[], bool], seconds: float | None = None) -> None:
        """Do the same in a thread."""
        bell = ThreadBell()
        bells, seconds = self._bed(seconds)
        bells.hang(bell)
        try:
            if not ready():
                bell.wait(seconds)
        finally:
            bells.drop(bell)
            self._rose_at = perf_counter()

    @property
    def holds(self) -> bool:
        """Whether `pop` would give something."""
        return bool(self._items)

    @property
    def news(self) -> bool:
        """Whether the consumer has something to look at."""
        return bool(self._items) or self.outcome is not None

    def _bed(self, seconds: float | None) -> tuple[Bells, float | None]:
        """Return where to sleep, and how long at the most; who dozes is not woken by deltas."""
        if self._gap >= self.beat:
            return self._readers, seconds
        nap = self._rose_at + self.beat - perf_counter()
        stalled = self._put_at <= self._rose_at - self.beat  # then the next delta is to be heard
        if nap <= 0 or stalled:
            return self._readers, seconds
        return self._dozers, nap if seconds is None else min(nap, seconds)

    def _is_crowded(self) -> bool:
        return not self.left and len(self._items) > self.high_water // 2
