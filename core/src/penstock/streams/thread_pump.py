"""The pump of blocking engines: one thread, one generation at a time."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from functools import partial

import anyio

from penstock.backend import BlockingEngine
from penstock.errors import ModelClosed
from penstock.events import EngineEvent
from penstock.streams.bells import LoopBell
from penstock.streams.job import Job
from penstock.streams.pump import Pump, begun, closed_error, no_stream

__all__ = ["ThreadPump"]

BEAT = 0.02
"""Seconds between two wakings of a reader, at least, where deltas come faster. To wake one takes a
tenth of a millisecond from an engine that computes on all cores, and milliseconds from one that
makes its threads anew for every token. Nobody sees more than 50 pictures in a second."""


class ThreadPump(Pump):
    """One thread for one blocking engine: jobs in order of arrival, one at a time."""

    def __init__(self, engine: BlockingEngine) -> None:
        self._engine = engine
        self._jobs: deque[Job] = deque()
        self._current: Job | None = None
        self._closing = False
        self._wake = threading.Condition()
        self._closed: list[BaseException | None] = []
        self._on_closed: LoopBell | None = None
        self._thread = threading.Thread(
            target=self._run, name=f"penstock {engine.info.name}", daemon=True
        )
        self._thread.start()

    def start(self, job: Job) -> None:
        job.channel.beat = BEAT
        job.channel.on_leave(partial(self._leave, job))
        with self._wake:
            if self._closing:
                raise ModelClosed(f"{self._engine.info.name!r} is closed")
            self._jobs.append(job)
            self._wake.notify()
            current = self._current
        if current is not None:
            current.channel.urge()

    async def aclose(self) -> None:
        bell = LoopBell()
        with self._wake:
            if self._closing:
                return
            self._closing = True
            self._on_closed = bell
            current = self._current
            self._wake.notify()
        if current is not None:
            current.cancel.set()
            current.channel.urge()
        with anyio.CancelScope(shield=True):
            await bell.wait()
            await anyio.to_thread.run_sync(self._thread.join)
        if self._closed[0] is not None:
            raise self._closed[0]

    @property
    def running(self) -> int:
        return int(self._current is not None)

    def _leave(self, job: Job) -> None:
        job.cancel.set()
        with self._wake:  # reentrant: a garbage collection may bring this about anywhere
            waiting = job in self._jobs
            if waiting:
                self._jobs.remove(job)
        if waiting:
            job.end()

    def _run(self) -> None:
        while (job := self._next()) is not None:
            self._serve(job)
            job = None  # an idle thread must not keep the last request alive
        while self._jobs:
            self._jobs.popleft().end(closed_error(self._engine.info.name))
        self._closed.append(_error_of(self._engine.close))
        if self._on_closed is not None:
            self._on_closed.ring()

    def _next(self) -> Job | None:
        with self._wake:
            self._current = None
            self._wake.wait_for(lambda: self._jobs or self._closing)
            if self._closing:
                return None
            self._current = self._jobs.popleft()
            return self._current

    def _serve(self, job: Job) -> None:
        error = _error_of(partial(self._generate, job))
        if self._closing and not job.channel.left and job.assembly.finish is None:
            error = closed_error(self._engine.info.name)
        self._current = None  # who hears of the end may ask at once what runs
        job.end(error)

    def _generate(self, job: Job) -> None:
        if not job.admit():
            return
        events = begun(self._engine.generate, job.request(), job.cancel)
        if not isinstance(events, Iterable):
            raise no_stream(events, "It must yield events, as a generator does")
        try:
            self._pull(job, events)
        finally:
            if isinstance(events, Generator):
                events.close()

    def _pull(self, job: Job, events: Iterator[EngineEvent]) -> None:
        for event in events:
            if not job.deliver(event) or self._closing:
                return
            if job.channel.full:
                job.channel.wait_room(self._urged)

    def _urged(self) -> bool:
        """Whether others wait for the engine: a stream nobody reads must not hold them up.

        It then runs ahead of its reader, as far as `max_tokens` and the context let it.
        """
        return bool(self._jobs) or self._closing


def _error_of(call: Callable[[], object]) -> BaseException | None:
    try:
        call()
    except BaseException as error:  # noqa: BLE001  # it travels to the consumer; the thread lives on
        return error
    return None
