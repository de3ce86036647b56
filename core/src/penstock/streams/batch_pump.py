"""The pump of batching engines: they run by themselves, and are told what to run."""

from __future__ import annotations

from functools import partial

import anyio

from penstock.backend import BatchingEngine
from penstock.errors import ModelClosed
from penstock.streams.job import Job
from penstock.streams.pump import Pump

__all__ = ["BatchPump"]


class BatchPump(Pump):
    """Hands jobs on; the engine's own thread delivers into them."""

    def __init__(self, engine: BatchingEngine) -> None:
        self._engine = engine
        self._closing = False

    def start(self, job: Job) -> None:
        if self._closing:
            raise ModelClosed(f"{self._engine.info.name!r} is closed")
        self._engine.submit(job)

    async def aclose(self) -> None:
        if self._closing:
            return
        self._closing = True
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(partial(self._engine.close))

    @property
    def running(self) -> int:
        return self._engine.activity().running
