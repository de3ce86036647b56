"""One stream for several readers."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

from penstock.errors import UsageError
from penstock.streams.stream import END, PENDING, Gap, Leaving, Stream

if TYPE_CHECKING:
    from penstock.streams.generation import Generation

__all__ = ["LEAD", "tee_of"]

T = TypeVar("T")
LEAD = 256
"""Items by which the fastest reader may be ahead of the slowest."""


def tee_of(source: Stream[T], count: int) -> tuple[Stream[T], ...]:
    """Return `count` streams with the items of `source`."""
    if count < 1:
        raise UsageError(f"cannot make {count!r} streams of one", hint="Give 1 or more")
    source.claim()
    shared = _Shared(source)
    return tuple(shared.branch() for _ in range(count))


class _Shared(Generic[T]):
    """The source, and the branches that still read it."""

    def __init__(self, source: Stream[T]) -> None:
        self.source = source
        self.behind: dict[int, deque[T]] = {}
        self.ending: Exception | Gap | None = None
        # Branches may be read in different threads; a garbage collection may drop one anywhere.
        self._turn = threading.RLock()

    def branch(self) -> _Branch[T]:
        mine: deque[T] = deque()
        self.behind[id(mine)] = mine
        return _Branch(self, mine)

    def advance(self) -> bool:
        """Give every branch the next item; return False if there is none now."""
        with self._turn:
            if self.ending is not None:
                return True
            if self.held_up:
                return False
            try:
                item = self.source.poll()
            except Exception as error:  # noqa: BLE001  # every branch raises it
                self.ending = error
            else:
                if item is PENDING:
                    return False
                self._share(item)
        self.source.generation.nudge()
        return True

    @property
    def held_up(self) -> bool:
        """Whether a branch is so far behind that the others must wait for it."""
        return any(len(items) >= LEAD for items in tuple(self.behind.values()))

    def drop(self, items: deque[T], reason: Leaving) -> None:
        with self._turn:
            self.behind.pop(id(items), None)
            last = not self.behind
        if last:
            self.source.leave(reason)
        else:
            self.source.generation.nudge()

    def _share(self, item: T | Gap) -> None:
        if item is END:
            self.ending = END
            return
        for items in tuple(self.behind.values()):
            items.append(item)  # type: ignore[arg-type]  # no gap


def _end(ending: Exception | Gap) -> Gap:
    if isinstance(ending, Exception):
        raise ending
    return ending


class _Branch(Stream[T], Generic[T]):
    def __init__(self, shared: _Shared[T], items: deque[T]) -> None:
        self._shared = shared
        self._items = items

    @property
    def generation(self) -> Generation:
        return self._shared.source.generation

    def poll(self) -> T | Gap:
        while not self._items:
            ending = self._shared.ending
            if ending is None:
                if not self._shared.advance():
                    return PENDING
            elif not self._items:  # looked at again: the last item may have come in between
                return _end(ending)
        item = self._items.popleft()
        if len(self._items) == LEAD - 1:
            self.generation.nudge()
        return item

    def due(self) -> float | None:
        shared = self._shared  # held up, the source is not asked, so what is due there must wait
        return None if shared.held_up else shared.source.due()

    def ready(self) -> bool:
        shared = self._shared
        if self._items or shared.ending is not None:
            return True
        return not shared.held_up and shared.source.ready()

    def leave(self, reason: Leaving = "stopped") -> None:
        self._shared.drop(self._items, reason)

    def __del__(self) -> None:
        self.leave()
