"""Which pump an engine needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.backend import AnyEngine, BatchingEngine, BlockingEngine
from penstock.streams.batch_pump import BatchPump
from penstock.streams.pump import Pump
from penstock.streams.task_pump import TaskPump
from penstock.streams.thread_pump import ThreadPump

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

__all__ = ["pump_for"]


def pump_for(engine: AnyEngine, tasks: TaskGroup) -> Pump:
    """Return the pump for this kind of engine; `tasks` hosts what must run as a task."""
    if isinstance(engine, BatchingEngine):
        return BatchPump(engine)
    if isinstance(engine, BlockingEngine):
        return ThreadPump(engine)
    return TaskPump(engine, tasks)
