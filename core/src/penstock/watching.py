"""Watching: a load runs in a task of its own, and whoever watches iterates over its progress."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

import anyio

from penstock.backend import AnyEngine, Engine, LoadProgress
from penstock.streams.bells import LoopDoor
from penstock.streams.pump import steers

if TYPE_CHECKING:
    from anyio import CancelScope

__all__ = ["BesideLoad", "Watch", "free"]


class BesideLoad:
    """A load in a task of its own, which no block owns: it ends when its watcher leaves.

    `tell` takes progress from any thread. `engine` and `error` are how it ended; both are None
    where it was `left` before.
    """

    def __init__(self, make: Callable[[], Awaitable[AnyEngine]]) -> None:
        self.engine: AnyEngine | None = None
        self.error: BaseException | None = None
        self.events: deque[LoadProgress] = deque()
        self.joined = False
        self.left = False
        self._door = LoopDoor()
        self._scope: CancelScope = anyio.CancelScope()
        self._ended = anyio.Event()
        self._news = anyio.Event()
        self._task: object = _spawned(lambda: self._run(make))

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self._ended.is_set()

    def tell(self, progress: LoadProgress) -> None:
        """Have the watcher see this; of what it has not seen yet, the last of a phase stays."""
        self._door.call(lambda: self._seen(progress))

    def leave(self) -> None:
        """End the load soon, from any thread, unless somebody waits for its engine."""
        self._door.call(self._left)

    def discard(self) -> None:
        """Free the engine that nobody took, soon, from any thread."""
        engine, self.engine = self.engine, None
        if engine is not None:
            self._door.call(lambda: self._spawn_freeing(engine))

    async def news(self) -> None:
        """Wait until there is an event, or the end. When cancelled, the load ends too."""
        if not self.events and not self.over:
            self._news = anyio.Event()
            await self._until(self._news)

    async def join(self) -> None:
        """Wait for the end, which no watcher can bring about from now on. When cancelled, it ends.

        Raises nothing else: look at `engine` and `error`.
        """
        self.joined = True
        await self._until(self._ended)

    async def _until(self, event: anyio.Event) -> None:
        try:
            await event.wait()
        except BaseException:
            self._scope.cancel()
            with anyio.CancelScope(shield=True):
                await self._ended.wait()
            raise

    async def _run(self, make: Callable[[], Awaitable[AnyEngine]]) -> None:
        try:
            with self._scope:
                self.engine = await make()
        except BaseException as error:
            if steers(error):
                raise
            self.error = error  # raised where somebody watches or waits
        finally:
            self._task = None
            self._ended.set()
            self._news.set()

    def _seen(self, progress: LoadProgress) -> None:
        if self.events and self.events[-1].phase == progress.phase:
            self.events.pop()
        self.events.append(progress)
        self._news.set()

    def _left(self) -> None:
        if not self.joined:
            self.left = True
            self._scope.cancel()

    def _spawn_freeing(self, engine: AnyEngine) -> None:
        self._task = _spawned(lambda: free(engine))


class Watch:
    """Iterates over the progress of a load: `async for progress in loading.progress()`.

    The load runs from the first step on. It raises what the load raises; leaving early ends the
    load, with what was downloaded kept.
    """

    def __init__(self, start: Callable[[], BesideLoad]) -> None:
        self._start = start
        self._load: BesideLoad | None = None
        self._ended = False

    def __aiter__(self) -> Watch:
        return self

    async def __anext__(self) -> LoadProgress:
        if self._load is None:
            self._load = self._start()
        load = self._load
        await load.news()
        if load.events:
            return load.events.popleft()
        self._ended = True
        if load.error is not None:
            raise load.error
        raise StopAsyncIteration

    def __del__(self) -> None:
        load = getattr(self, "_load", None)
        if load is not None and not self._ended:
            load.leave()


async def free(engine: AnyEngine) -> None:
    """Close an engine that no model has; how that fails is logged: raised, it would hide why."""
    try:
        if isinstance(engine, Engine):
            await engine.aclose()
        else:
            await anyio.to_thread.run_sync(engine.close)
    except BaseException as error:
        if steers(error):
            raise
        import logging  # which few need

        logging.getLogger(__name__).warning("an engine could not be closed: %r", error)


def _spawned(run: Callable[[], Coroutine[Any, Any, None]]) -> object:
    """Start a task that no task group owns; both kinds of loop end it when they end themselves."""
    from anyio.lowlevel import current_token  # there, since a loop runs

    loop: Any = current_token().native_token
    if hasattr(loop, "create_task"):
        return loop.create_task(run())
    from trio.lowlevel import spawn_system_task  # there, since its loop runs

    return spawn_system_task(run, context=copy_context())
