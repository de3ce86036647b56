"""The pump of async engines: a task for each generation."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio

from penstock.backend import Engine
from penstock.errors import ModelClosed
from penstock.events import EngineEvent
from penstock.streams.bells import Bells, LoopBell, LoopDoor
from penstock.streams.job import Job
from penstock.streams.pump import Pump, begun, closed_error, no_stream, steers

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

__all__ = ["CLOSE_GRACE", "TaskPump"]

CLOSE_GRACE = 5.0
"""Seconds an async engine gets to close a generation that was left."""


class TaskPump(Pump):
    """A task for each generation of an async engine, at most `parallel` at a time."""

    def __init__(self, engine: Engine, tasks: TaskGroup) -> None:
        self._engine = engine
        self._tasks = tasks
        self._door = LoopDoor()
        parallel = engine.info.capabilities.parallel
        self._slots = None if parallel is None else anyio.Semaphore(parallel)
        self._live: dict[Job, anyio.CancelScope] = {}
        self._running = 0
        self._closing = False
        self._all_done = anyio.Event()
        self._inbox: deque[Job] = deque()
        self._callers = Bells()
        self._reception = anyio.CancelScope()
        self._shut = False
        tasks.start_soon(self._receive)

    def start(self, job: Job) -> None:
        if self._closing:
            raise ModelClosed(f"{self._engine.info.name!r} is closed")
        if self._door.inside:
            self._begin(job)
        else:
            self._inbox.append(job)
            self._callers.ring()
            if self._shut:  # perhaps nobody looks into the inbox any more
                self._refuse_waiting()

    async def aclose(self) -> None:
        if self._closing:
            return
        self._closing = True
        self._reception.cancel()
        with anyio.CancelScope(shield=True):
            for scope in tuple(self._live.values()):
                scope.cancel()
            if self._live:
                await self._all_done.wait()
            await self._engine.aclose()

    @property
    def running(self) -> int:
        return self._running

    async def _receive(self) -> None:
        """Take jobs from other threads: only inside a task can another be started."""
        with self._reception:
            while True:
                bell = LoopBell()
                self._callers.hang(bell)
                while self._inbox:
                    self._begin(self._inbox.popleft())
                await bell.wait()
        self._shut = True
        self._refuse_waiting()

    def _refuse_waiting(self) -> None:
        while self._inbox:
            with suppress(IndexError):  # another thread took the last one
                self._inbox.popleft().end(closed_error(self._engine.info.name))

    def _begin(self, job: Job) -> None:
        scope = anyio.CancelScope()
        self._live[job] = scope
        job.channel.on_leave(partial(self._door.call, scope.cancel))
        for other in self._live:
            other.channel.urge()
        self._tasks.start_soon(self._run, job, scope)

    async def _run(self, job: Job, scope: anyio.CancelScope) -> None:
        error: BaseException | None = None
        try:
            with scope:
                error = await _error_in(partial(self._admitted, job))
            if scope.cancelled_caught and not job.channel.left and job.assembly.finish is None:
                error = closed_error(self._engine.info.name)
        except BaseException:  # the model's own scope is being cancelled: say so, and let it
            error = closed_error(self._engine.info.name)
            raise
        finally:
            self._live.pop(job)
            job.end(error)
            if self._closing and not self._live:
                self._all_done.set()

    async def _admitted(self, job: Job) -> None:
        if self._slots is None:
            await self._generate(job)
            return
        async with self._slots:
            await self._generate(job)

    async def _generate(self, job: Job) -> None:
        if not job.admit():
            return
        request = await anyio.to_thread.run_sync(job.request) if job.renders else job.request()
        events = begun(self._engine.generate, request)
        if not isinstance(events, AsyncIterable):
            raise no_stream(events, "It must yield events, as an async generator does")
        self._running += 1
        try:
            await self._pull(job, events)
        finally:
            self._running -= 1
            await _close(events)

    async def _pull(self, job: Job, events: AsyncIterator[EngineEvent]) -> None:
        async for event in events:
            if not job.deliver(event):
                return
            if job.channel.full:
                await job.channel.room(self._urged)

    def _urged(self) -> bool:
        """Whether others wait for a slot of the engine; see `ThreadPump._urged`."""
        return self._slots is not None and self._slots.statistics().tasks_waiting > 0


async def _close(events: AsyncIterator[EngineEvent]) -> None:
    """Close an async generator, even in a cancelled scope; other iterators end by themselves."""
    aclose: Callable[[], Awaitable[Any]] | None = getattr(events, "aclose", None)
    if aclose is not None:
        with anyio.CancelScope(shield=True), anyio.move_on_after(CLOSE_GRACE):
            await aclose()


async def _error_in(call: Callable[[], Awaitable[object]]) -> BaseException | None:
    try:
        await call()
    except BaseException as error:
        if steers(error) and not _is_stray(error):
            raise
        return error
    return None


def _is_stray(error: BaseException) -> bool:
    """Whether this is the cancellation of something else, that an engine let out."""
    cancelled = isinstance(error, anyio.get_cancelled_exc_class())
    return cancelled and anyio.current_effective_deadline() > -math.inf
