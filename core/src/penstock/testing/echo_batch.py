"""Echo as a batching engine: the smallest one that keeps the laws, and a model for others."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from queue import Empty, SimpleQueue
from time import perf_counter

from penstock.backend import Activity, Backend, BatchingEngine, ModelSpec, ProgressSink, Ticket
from penstock.errors import ModelClosed, QueueFull
from penstock.events import EngineEvent, Finish, Prefill
from penstock.streams.pump import closed_error
from penstock.testing.echo import (
    Echo,
    EchoOptions,
    Fail,
    Pause,
    Script,
    Stall,
    Step,
    described,
    loaded,
)
from penstock.values import dataclass

__all__ = ["EchoBatchBackend", "EchoBatchEngine", "Stream"]


@dataclass(slots=True, eq=False)
class Stream:
    """A generation as the engine sees it; `due` is when it goes on, by `time.perf_counter`."""

    ticket: Ticket
    steps: Iterator[Step]
    due: float = 0.0


class EchoBatchEngine(Echo, BatchingEngine):
    """The batching flavour: in each step, every running stream gets its next event.

    `parallel` streams run at once, `queue_limit` more may wait, in order of arrival. All state
    belongs to the engine's thread; what happens elsewhere comes through its inbox, as calls.
    """

    def __init__(
        self,
        script: Script | None = None,
        *,
        options: EchoOptions | None = None,
        parallel: int = 8,
        queue_limit: int = 64,
    ) -> None:
        options = options or EchoOptions()
        self.script = script or options.script
        self.info = described("echo-batching", options, parallel)
        self._parallel = parallel
        self._room = parallel + queue_limit
        self._waiting: deque[Stream] = deque()
        self._running: list[Stream] = []
        self._streams: set[Stream] = set()
        self._tokens = 0
        self._closing = False
        self._lock = threading.Lock()
        self._inbox: SimpleQueue[Callable[[], object]] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="penstock echo", daemon=True)
        self._thread.start()

    # from any thread

    def submit(self, ticket: Ticket) -> None:
        """Have the thread take it."""
        stream = Stream(ticket, self._steps(ticket))
        with self._lock:
            if self._closing:
                raise ModelClosed(f"{self.info.name!r} is closed")
            if len(self._streams) >= self._room:
                raise QueueFull(
                    f"{len(self._streams)} generations run or wait already",
                    hint="Try again later, or allow a longer queue_limit",
                )
            self._streams.add(stream)
            self._inbox.put(partial(self._waiting.append, stream))
        ticket.on_leave(partial(self._inbox.put, partial(self._end, stream)))

    def activity(self) -> Activity:
        """Return how many streams run, and the tokens of all so far."""
        return Activity(len(self._running), self._tokens)

    def close(self) -> None:
        """Tell the thread to end all, and wait for it."""
        with self._lock:
            self._closing = True
        self._inbox.put(_wake)
        self._thread.join()

    # the thread

    def _run(self) -> None:
        while not self._closing:
            self._listen()
            self._admit()
            self._step(perf_counter())
        for stream in tuple(self._streams):
            self._end(stream, closed_error(self.info.name))

    def _listen(self) -> None:
        """Do what the inbox says; with nothing else to do, wait for it."""
        try:
            self._inbox.get(timeout=self._idle_seconds())()
            while True:
                self._inbox.get_nowait()()
        except Empty:
            return

    def _idle_seconds(self) -> float | None:
        """Return how long there is nothing to do; None is until something comes."""
        if self._waiting and len(self._running) < self._parallel:
            return 0.0
        due = min((stream.due for stream in self._running), default=math.inf)
        return None if due == math.inf else max(0.0, due - perf_counter())

    def _admit(self) -> None:
        while self._waiting and len(self._running) < self._parallel:
            self._running.append(self._waiting.popleft())

    def _steps(self, ticket: Ticket) -> Iterator[Step]:
        # An engine whose steps are in a hurry asks for the request on another thread.
        request = ticket.request()
        if ticket.admit():
            yield from self.script(request)

    def _step(self, now: float) -> None:
        for stream in tuple(self._running):
            if stream.due <= now:
                try:
                    self._advance(stream, now)
                except Exception as error:  # noqa: BLE001  # one stream fails, never all
                    self._end(stream, error)

    def _advance(self, stream: Stream, now: float) -> None:
        match next(stream.steps, None):
            case None:
                self._end(stream)
            case Pause(seconds):
                stream.due = now + seconds
            case Stall():
                stream.due = math.inf
            case Fail(error):
                raise error
            case event:
                self._deliver(stream, event)

    def _deliver(self, stream: Stream, event: EngineEvent) -> None:
        self._tokens += not isinstance(event, (Prefill, Finish))
        if not stream.ticket.deliver(event):
            self._end(stream)
        elif stream.ticket.full:
            self._rest(stream)

    def _rest(self, stream: Stream) -> None:
        """Leave a stream out until its reader has caught up; others may have its place."""
        self._running.remove(stream)
        stream.ticket.when_room(partial(self._inbox.put, partial(self._take_back, stream)))

    def _take_back(self, stream: Stream) -> None:
        if stream in self._streams:  # it was not left meanwhile
            self._waiting.appendleft(stream)

    def _end(self, stream: Stream, error: Exception | None = None) -> None:
        """End a stream wherever it is: its reader may leave at any moment."""
        if stream not in self._streams:
            return
        self._streams.remove(stream)
        for place in (self._running, self._waiting):
            if stream in place:
                place.remove(stream)
        stream.ticket.end(error)


class EchoBatchBackend(Backend):
    """Loads an `EchoBatchEngine`; its options are `EchoOptions`."""

    async def load(self, spec: ModelSpec, progress: ProgressSink) -> EchoBatchEngine:
        """Load it, in four steps of progress."""
        return EchoBatchEngine(options=await loaded(spec, progress))


def _wake() -> None:
    """Do nothing: the thread looks around."""
