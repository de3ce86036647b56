"""Producers: they run an engine's generations where its kind wants them run."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import anyio
from anyio.abc import TaskGroup

from penstock.backend import AnyEngine, BlockingEngine, Engine
from penstock.errors import ModelClosed
from penstock.events import EngineEvent
from penstock.streams.bells import Bells, LoopBell, LoopDoor
from penstock.streams.job import Job

__all__ = ["CLOSE_GRACE", "Pump", "TaskPump", "ThreadPump", "pump_for"]

CLOSE_GRACE = 5.0
"""Seconds an async engine gets to close a generation that was left."""


_STEERING = (BaseExceptionGroup, GeneratorExit, KeyboardInterrupt, SystemExit)
"""What passes through a task untouched, cancellation apart."""


class Pump(ABC):
    """Runs the generations of one engine, and closes it."""

    @abstractmethod
    def start(self, job: Job) -> None:
        """Take a job; from any thread, without waiting."""

    @abstractmethod
    async def aclose(self) -> None:
        """End all jobs with `ModelClosed`, free the engine, and wait until that is done."""

    @property
    @abstractmethod
    def running(self) -> int:
        """How many generations the engine is at work on."""


def pump_for(engine: AnyEngine, tasks: TaskGroup) -> Pump:
    """Return the pump for this kind of engine; `tasks` hosts what must run as a task."""
    if isinstance(engine, BlockingEngine):
        return ThreadPump(engine)
    return TaskPump(engine, tasks)


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
            self._jobs.popleft().end(self._closed_error())
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
            error = self._closed_error()
        job.end(error)

    def _generate(self, job: Job) -> None:
        request = job.admit()
        if request is None:
            return
        events = self._engine.generate(request, job.cancel)
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

    def _closed_error(self) -> ModelClosed:
        return ModelClosed(f"{self._engine.info.name!r} was closed during the generation")


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
                self._inbox.popleft().end(self._closed_error())

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
                error = self._closed_error()
        except BaseException:  # the model's own scope is being cancelled: say so, and let it
            error = self._closed_error()
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
        request = await anyio.to_thread.run_sync(job.admit) if job.renders else job.admit()
        if request is None:
            return
        self._running += 1
        events = self._engine.generate(request)
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

    def _closed_error(self) -> ModelClosed:
        return ModelClosed(f"{self._engine.info.name!r} was closed during the generation")


async def _close(events: AsyncIterator[EngineEvent]) -> None:
    """Close an async generator, even in a cancelled scope; other iterators end by themselves."""
    aclose: Callable[[], Awaitable[Any]] | None = getattr(events, "aclose", None)
    if aclose is not None:
        with anyio.CancelScope(shield=True), anyio.move_on_after(CLOSE_GRACE):
            await aclose()


def _error_of(call: Callable[[], object]) -> BaseException | None:
    try:
        call()
    except BaseException as error:  # noqa: BLE001  # it travels to the consumer; the thread lives on
        return error
    return None


async def _error_in(call: Callable[[], Awaitable[object]]) -> BaseException | None:
    try:
        await call()
    except BaseException as error:
        # A panic of an engine travels to the consumer too; what steers the program goes its way.
        if isinstance(error, (*_STEERING, anyio.get_cancelled_exc_class())):
            raise
        return error
    return None
