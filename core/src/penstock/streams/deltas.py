"""Streams of deltas, and all that can be made of one in a line."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import anyio

from penstock.errors import UsageError
from penstock.events import Delta
from penstock.streams import stages
from penstock.streams.partials import Partials
from penstock.streams.stages import Progress
from penstock.streams.stream import Piped, Stage, Stream
from penstock.streams.tee import tee_of
from penstock.streams.wire import JsonLines, ServerSentEvents

if TYPE_CHECKING:
    import queue

    from anyio.abc import ObjectSendStream

__all__ = ["DeltaStream", "ItemStream", "PipedDeltas", "PipedItems"]

T = TypeVar("T")
O = TypeVar("O")  # noqa: E741  # out
QUEUE_PAUSE = 0.005
"""Seconds between looks at a full `queue.Queue`, which cannot wake a task."""
QUEUE_GRACE = 1.0
"""Seconds a full queue gets to take its end when the putting is cancelled."""


class ItemStream(Stream[T], Generic[T]):
    """What every stream can do, whatever its items are."""

    def through(self, stage: Stage[T, O]) -> PipedItems[T, O]:
        """Return this stream with a stage of your own behind it.

        Raises `UsageError` for what is no `Stage`.
        """
        if not isinstance(stage, Stage):
            raise UsageError(
                f"{stage!r} is no penstock.Stage",
                hint="Give an instance of one; to show items to a function, use tap()",
            )
        return PipedItems(self, stage)

    async def collect(self) -> list[T]:
        """Read to the end; return the items."""
        return [item async for item in self]

    async def send_to(self, target: ObjectSendStream[T]) -> None:
        """Send every item into an anyio stream, and close it at the end.

        A receiver that has gone leaves this stream; that is no error.
        """
        async with target:
            try:
                async for item in self:
                    await target.send(item)
            except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                return

    async def put_to(self, target: queue.Queue[T | None]) -> None:
        """Put every item into a thread's queue, then None, also after an error.

        A full queue slows the generation down, and does not block the event loop. When cancelled,
        it gives a full queue a second to make room for the None.
        """
        try:
            async for item in self:
                await _put(target, item)
        except anyio.get_cancelled_exc_class():
            with anyio.move_on_after(QUEUE_GRACE, shield=True):
                await _put(target, None)
            raise
        except Exception:
            await _put(target, None)
            raise
        await _put(target, None)


class PipedItems(Piped[T, O], ItemStream[O], Generic[T, O]):
    """Items that came through a stage."""

    def take(self, count: int) -> PipedItems[O, O]:
        """Return the first `count` items, then stop the generation."""
        return PipedItems(self, stages.Take[O](count))

    def tap(self, callback: Callable[[O], object]) -> PipedItems[O, O]:
        """Show every item to `callback`; False from it stops the generation behind the item."""
        return PipedItems(self, stages.Tap[O](callback))

    def tee(self, count: int = 2) -> tuple[ItemStream[O], ...]:
        """Return `count` streams with the same items; see `DeltaStream.tee`."""
        return tuple(PipedItems(branch, stages.Pass[O]()) for branch in tee_of(self, count))


class DeltaStream(ItemStream[Delta]):
    """A stream of deltas. Each method returns a new stream; chain them as you like."""

    def take(self, count: int) -> PipedDeltas:
        """Return the first `count` deltas, then stop the generation."""
        return PipedDeltas(self, stages.Take[Delta](count))

    def tap(self, callback: Callable[[Delta], object]) -> PipedDeltas:
        """Show every delta to `callback`; False from it stops the generation behind the delta."""
        return PipedDeltas(self, stages.Tap[Delta](callback))

    def until(self, *stops: str, include: bool = False) -> PipedDeltas:
        """Return the text before the first of `stops`, however tokens cut it, then stop.

        `include=True` keeps the string found. `completion.text` is what the engine delivered, so
        it may go a token further.
        """
        return PipedDeltas(self, stages.Until(stops, include=include))

    def buffered(
        self, *, tokens: int | None = None, seconds: float | None = None, chars: int | None = None
    ) -> PipedDeltas:
        """Gather deltas until any of these limits is reached; the rest comes at the end."""
        return PipedDeltas(self, stages.Buffered(tokens=tokens, seconds=seconds, chars=chars))

    def progress(self, callback: Callable[[Progress], object], *, tokens: int = 50) -> PipedDeltas:
        """Tell `callback` every so many tokens, and at the end, how the generation is doing."""
        trace = self.generation.trace
        return PipedDeltas(
            self,
            stages.Progressing(callback, tokens=tokens, submitted=lambda: trace.submitted),
        )

    def words(self) -> PipedItems[Delta, str]:
        """Return words, each with the white space behind it."""
        from penstock.streams.splitting import WORD, Split  # for those who split

        return PipedItems(self, Split(WORD))

    def sentences(self) -> PipedItems[Delta, str]:
        """Return sentences, each with its end mark and the white space behind it.

        A mark ends a sentence where white space follows, so "3.14" stays whole; Chinese and
        Japanese marks need none.
        """
        from penstock.streams.splitting import SENTENCE, Split  # as above

        return PipedItems(self, Split(SENTENCE))

    def paragraphs(self) -> PipedItems[Delta, str]:
        """Return paragraphs, each with the empty line behind it."""
        from penstock.streams.splitting import PARAGRAPH, Split  # as above

        return PipedItems(self, Split(PARAGRAPH))

    def partials(self, *, growing: bool = False) -> PipedItems[Delta, Any]:
        """Return what there is so far of an answer bound by `schema`, whenever there is more.

        Until the end it is plain JSON data, a value of its own each time, in which every member is
        whole: only more comes. With `growing=True` it has the beginnings of strings too. The last
        item is `completion.parsed`. Raises `UsageError` where the answer is bound by no schema.
        """
        return PipedItems(self, Partials(self.generation, growing=growing))

    def sse(self) -> PipedItems[Delta, str]:
        """Return Server-Sent Events: a `data:` for each delta, then `event: finish` or `error`."""
        return PipedItems(self, ServerSentEvents(self.generation))

    def ndjson(self) -> PipedItems[Delta, str]:
        """Return lines of JSON: an object for each delta, then one with `finish` or `error`."""
        return PipedItems(self, JsonLines(self.generation))

    def tee(self, count: int = 2) -> tuple[DeltaStream, ...]:
        """Return `count` streams with the same deltas, each read by a loop of its own.

        The slowest sets the pace, at most 256 deltas behind the fastest; one that is left holds
        nobody up, and the generation stops when all are.
        """
        return tuple(PipedDeltas(branch, stages.Pass[Delta]()) for branch in tee_of(self, count))

    async def read(self) -> str:
        """Read to the end; return the text."""
        return "".join([delta.text async for delta in self])


class PipedDeltas(Piped[Delta, Delta], DeltaStream):
    """Deltas that came through a stage."""


async def _put(target: queue.Queue[T | None], item: T | None) -> None:
    from queue import Full  # who has a queue has imported it

    while True:
        try:
            target.put_nowait(item)
        except Full:
            await anyio.sleep(QUEUE_PAUSE)
        else:
            return
