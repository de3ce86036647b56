"""Stages: what a stream of deltas can be turned into, without waiting."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from time import perf_counter
from typing import Generic, TypeVar

from penstock.errors import UsageError
from penstock.events import Aside, Delta, Logprob
from penstock.streams.stopping import StopMatcher
from penstock.streams.stream import Stage
from penstock.values import dataclass

__all__ = [
    "Buffered",
    "Pass",
    "Progress",
    "Progressing",
    "Take",
    "Tap",
    "Until",
]

T = TypeVar("T")


class Pass(Stage[T, T], Generic[T]):
    """Every item, as it is."""

    def feed(self, item: T) -> Iterable[T]:
        return (item,)


class Take(Stage[T, T], Generic[T]):
    """The first `count` items."""

    def __init__(self, count: int) -> None:
        if count < 0:
            raise UsageError(f"cannot take {count!r} items", hint="Give 0 or more")
        self._left = count
        self.done = count == 0

    def feed(self, item: T) -> Iterable[T]:
        if self._left == 0:
            return ()
        self._left -= 1
        self.done = self._left == 0
        return (item,)


class Tap(Stage[T, T], Generic[T]):
    """Every item, shown to a callback first; False from it stops behind that item."""

    def __init__(self, callback: Callable[[T], object]) -> None:
        self._callback = callback

    def feed(self, item: T) -> Iterable[T]:
        self.done = self._callback(item) is False
        return (item,)


class Until(Stage[Delta, Delta]):
    """The deltas before the first of some strings, however tokens cut it."""

    def __init__(self, stops: Sequence[str], *, include: bool) -> None:
        if not stops or not all(stops):
            raise UsageError(f"cannot read until {stops!r}", hint="Give strings that are not empty")
        self._matcher = StopMatcher(stops, include=include)
        self._held = Delta("", 0)

    def feed(self, item: Delta) -> Iterable[Delta]:
        text = self._matcher.feed(item.text)
        self.done = self._matcher.matched is not None
        if text is item.text and not self._held.tokens and (text or item.aside is not None):
            return (item,)
        self._held = joined(self._held, item, text)
        return self._release() if text or item.aside is not None else ()

    def flush(self) -> Iterable[Delta]:
        self._held.text += self._matcher.flush()
        return self._release() if self._held.text else ()

    def _release(self) -> Iterable[Delta]:
        released, self._held = self._held, Delta("", 0)
        return (released,)


class Buffered(Stage[Delta, Delta]):
    """Deltas gathered until there are so many tokens or characters, or so much time has passed."""

    def __init__(
        self, *, tokens: int | None = None, chars: int | None = None, seconds: float | None = None
    ) -> None:
        limits = [limit for limit in (tokens, chars, seconds) if limit is not None]
        if not limits or min(limits) <= 0:
            raise UsageError(
                f"cannot buffer tokens={tokens!r}, chars={chars!r}, seconds={seconds!r}",
                hint="Give at least one limit above 0",
            )
        self._tokens, self._chars, self._seconds = tokens, chars, seconds
        self._texts: list[str] = []
        self._ids: list[int] = []
        self._logprobs: list[Logprob] = []
        self._aside: Aside | None = None
        self._count = self._length = 0
        self._at = 0.0
        self._since: float | None = None

    def feed(self, item: Delta) -> Iterable[Delta]:
        if self._since is None:
            self._since = perf_counter()
        self._texts.append(item.text)
        self._ids.extend(item.ids)
        if item.logprobs:
            self._logprobs.extend(item.logprobs)
        if item.aside is not None:
            self._aside = item.aside if self._aside is None else self._aside + item.aside
        self._count += item.tokens
        self._length += len(item.text)
        self._at = item.at
        return self.flush() if self._is_full() else ()

    def flush(self) -> Iterable[Delta]:
        if self._since is None:
            return ()
        gathered = Delta(
            "".join(self._texts),
            self._count,
            tuple(self._ids),
            self._at,
            tuple(self._logprobs),
            self._aside,
        )
        self._texts, self._ids, self._logprobs, self._aside = [], [], [], None
        self._count = self._length = 0
        self._since = None
        return (gathered,)

    def due(self) -> float | None:
        if self._seconds is None or self._since is None:
            return None
        return self._since + self._seconds

    def tick(self) -> Iterable[Delta]:
        return self.flush()

    def _is_full(self) -> bool:
        due = self.due()
        return (
            (self._tokens is not None and self._count >= self._tokens)
            or (self._chars is not None and self._length >= self._chars)
            or (due is not None and perf_counter() >= due)
        )


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a generation has come: tokens, tokens per second since the first, seconds to it."""

    tokens: int
    tokens_per_second: float
    ttft: float


class Progressing(Stage[Delta, Delta]):
    """Every delta; a callback hears of the progress each so many tokens, and at the end."""

    def __init__(
        self, callback: Callable[[Progress], object], *, tokens: int, submitted: Callable[[], float]
    ) -> None:
        if tokens < 1:
            raise UsageError(f"cannot report every {tokens!r} tokens", hint="Give 1 or more")
        self._callback = callback
        self._every = tokens
        self._submitted = submitted
        self._count = self._told = 0
        self._first: float | None = None
        self._last = 0.0

    def feed(self, item: Delta) -> Iterable[Delta]:
        if self._first is None:
            self._first = item.at
        self._last = item.at
        self._count += item.tokens
        if self._count - self._told >= self._every:
            self._tell()
        return (item,)

    def flush(self) -> Iterable[Delta]:
        if self._count > self._told:
            self._tell()
        return ()

    def _tell(self) -> None:
        first = self._last if self._first is None else self._first
        seconds = self._last - first
        rate = (self._count - 1) / seconds if seconds > 0 else 0.0
        self._told = self._count
        self._callback(Progress(self._count, rate, first - self._submitted()))


def joined(first: Delta, second: Delta, text: str) -> Delta:
    """Return a delta with the tokens of both, the text of the first, and `text`."""
    return Delta(
        first.text + text,
        first.tokens + second.tokens,
        first.ids + second.ids,
        second.at,
        first.logprobs + second.logprobs,
        _both(first.aside, second.aside),
    )


def _both(first: Aside | None, second: Aside | None) -> Aside | None:
    return first + second if first and second else first or second
