"""Streams: pulled without waiting by `poll`, and read with `async for` or `for`.

A stream never waits by itself. Its shells do: `Cursor` in a task, `ThreadCursor` in a thread. So
every stage is written once, costs no task and no coroutine per item, and works in both worlds.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator
from enum import Enum
from time import perf_counter
from types import TracebackType
from typing import TYPE_CHECKING, Final, Generic, Literal, TypeAlias, TypeVar

from penstock.errors import StreamClosed

if TYPE_CHECKING:
    from penstock.streams.generation import Generation

__all__ = ["END", "PENDING", "Cursor", "Gap", "Piped", "Stage", "Stream", "ThreadCursor"]

T = TypeVar("T")
I = TypeVar("I")  # noqa: E741  # in
O = TypeVar("O")  # noqa: E741  # out


class Gap(Enum):
    """What `poll` returns instead of an item."""

    PENDING = "nothing yet"
    END = "nothing more"


PENDING: Final = Gap.PENDING
END: Final = Gap.END
Leaving: TypeAlias = Literal["stopped", "cancelled", "deadline"]


class Stream(ABC, Generic[T]):
    """Items of one generation, in order. Read once, by one loop.

    Leaving the loop in any way (`break`, an exception, a cancelled scope, dropping the iterator)
    stops the generation. To pause instead, keep an iterator and call `anext` (or `next`) on it.
    """

    _claimed = False

    @property
    @abstractmethod
    def generation(self) -> Generation:
        """The generation these items come from."""

    @abstractmethod
    def poll(self) -> T | Gap:
        """Return the next item, `PENDING` or `END`, without waiting. Raises what went wrong."""

    @abstractmethod
    def due(self) -> float | None:
        """Return when to poll again even though nothing arrives (`time.perf_counter`), or None."""

    @abstractmethod
    def ready(self) -> bool:
        """Return whether polling again makes sense; asked by who is about to wait."""

    @abstractmethod
    def leave(self, reason: Leaving = "stopped") -> None:
        """Give up reading: stop the generation. From any thread; harmless after the end."""

    def __aiter__(self) -> AsyncIterator[T]:
        self.claim()
        return Cursor(self)

    def __iter__(self) -> Iterator[T]:
        self.generation.refuse_loop_thread()
        self.claim()
        return ThreadCursor(self)

    async def __aenter__(self) -> Stream[T]:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    def __enter__(self) -> Stream[T]:
        self.generation.refuse_loop_thread()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.leave()
        self.generation.wait_idle()

    async def aclose(self) -> None:
        """Leave, and wait until the engine is free."""
        self.leave()
        await self.generation.idle()

    def claim(self) -> None:
        """Take the only right to read. Raises `StreamClosed` if it is taken."""
        if self._claimed:
            raise StreamClosed(
                "this stream is read already, or was left",
                hint="Start a new generation; to pause, keep one iterator and call anext()",
            )
        self._claimed = True


class Cursor(AsyncIterator[T]):
    """Reads a stream in a task. Dropping it leaves the stream."""

    __slots__ = ("_stream",)

    def __init__(self, stream: Stream[T]) -> None:
        self._stream = stream

    async def __anext__(self) -> T:
        stream = self._stream
        try:
            while (item := stream.poll()) is PENDING:
                await stream.generation.arrival(stream.due(), stream.ready)
        except BaseException as error:
            stream.leave(reason_of(error))
            raise
        if item is END:
            raise StopAsyncIteration
        return item

    async def aclose(self) -> None:
        """Leave the stream."""
        self._stream.leave()

    def __del__(self) -> None:
        self._stream.leave()


class ThreadCursor(Iterator[T]):
    """Reads a stream in a thread. Dropping it leaves the stream."""

    __slots__ = ("_stream",)

    def __init__(self, stream: Stream[T]) -> None:
        self._stream = stream

    def __next__(self) -> T:
        stream = self._stream
        try:
            while (item := stream.poll()) is PENDING:
                stream.generation.wait_arrival(stream.due(), stream.ready)
        except BaseException as error:
            stream.leave(reason_of(error))
            raise
        if item is END:
            raise StopIteration
        return item

    def __del__(self) -> None:
        self._stream.leave()


def reason_of(error: BaseException | None) -> Leaving:
    """Return why a stream is left that is left with `error`: cancellation is no `Exception`."""
    return "stopped" if error is None or isinstance(error, Exception) else "cancelled"


class Stage(ABC, Generic[I, O]):
    """A step that turns items into others, without waiting: what `Stream.through` takes.

    Setting `done` ends the stream after the items just returned, and stops the generation.
    """

    done: bool = False

    @abstractmethod
    def feed(self, item: I) -> Iterable[O]:
        """Take an item; return what can be passed on."""

    def flush(self) -> Iterable[O]:
        """Return what was held back; called once, when the source ended, failed or was left."""
        return ()

    def due(self) -> float | None:
        """Return when `tick` wants to be called (`time.perf_counter`), or None."""
        return None

    def tick(self) -> Iterable[O]:
        """Return what is to be passed on because time has passed."""
        return ()

    def absorb(self, error: Exception) -> Iterable[O] | None:  # noqa: ARG002  # for overrides
        """Return items that stand for `error`, or None to have it raised."""
        return None


class Piped(Stream[O], Generic[I, O]):
    """A stream with a stage behind it."""

    def __init__(self, source: Stream[I], stage: Stage[I, O]) -> None:
        source.claim()
        self._source = source
        self._stage = stage
        self._ready: deque[O] = deque()
        self._over = False
        self._error: Exception | None = None
        if stage.done:
            self.leave()
            self._close()

    @property
    def generation(self) -> Generation:
        return self._source.generation

    def poll(self) -> O | Gap:
        ready = self._ready
        while not ready:
            if self._over:
                return self._last()
            if not self._step():
                return PENDING
        return ready.popleft()

    def due(self) -> float | None:
        moments = (self._stage.due(), self._source.due())
        return min((moment for moment in moments if moment is not None), default=None)

    def ready(self) -> bool:
        return self._source.ready()

    def leave(self, reason: Leaving = "stopped") -> None:
        self._source.leave(reason)

    def _step(self) -> bool:
        """Move one item through the stage; return False if there is none now."""
        try:
            item = self._source.poll()
        except Exception as error:  # noqa: BLE001  # raised again behind what the stage holds
            self._fail(error)
            return True
        if item is END:
            self._close()
        elif item is PENDING:
            return self._tick()
        else:
            self._ready.extend(self._stage.feed(item))
            if self._stage.done:
                self._source.leave()
                self._close()
        return True

    def _tick(self) -> bool:
        due = self._stage.due()
        if due is None or perf_counter() < due:
            return False
        self._ready.extend(self._stage.tick())
        return bool(self._ready)

    def _close(self) -> None:
        self._over = True
        self._ready.extend(self._stage.flush())

    def _fail(self, error: Exception) -> None:
        self._close()
        instead = self._stage.absorb(error)
        if instead is None:
            self._error = error
        else:
            self._ready.extend(instead)

    def _last(self) -> Gap:
        if self._error is not None:
            error, self._error = self._error, None
            raise error
        return END
