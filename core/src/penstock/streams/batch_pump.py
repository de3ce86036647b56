"""The pump of batching engines: they run by themselves, and are told what to run."""

from __future__ import annotations

import anyio

from penstock.backend import BatchingEngine
from penstock.errors import ModelClosed, PenstockError
from penstock.streams.job import Job
from penstock.streams.pump import Pump, closed_error

__all__ = ["BatchPump"]


class BatchPump(Pump):
    """Hands jobs on; the engine's own thread delivers into them.

    No generation outlives its engine: one that the engine forgot is ended here.
    """

    def __init__(self, engine: BatchingEngine) -> None:
        self._engine = engine
        self._closing = False
        self._live: set[Job] = set()

    def start(self, job: Job) -> None:
        if self._closing:
            raise ModelClosed(f"{self._engine.info.name!r} is closed")
        self._live.add(job)
        job.on_end = self._live.discard
        try:
            self._engine.submit(job)
        except PenstockError:
            self._live.discard(job)
            raise
        except KeyboardInterrupt:
            self._live.discard(job)
            raise
        except BaseException as error:  # noqa: BLE001  # it travels to the consumer, as any does
            job.end(error)

    async def aclose(self) -> None:
        if self._closing:
            return
        self._closing = True
        with anyio.CancelScope(shield=True):
            try:
                await anyio.to_thread.run_sync(self._engine.close)
            finally:
                for job in tuple(self._live):
                    job.end(closed_error(self._engine.info.name))

    @property
    def running(self) -> int:
        return self._engine.activity().running
