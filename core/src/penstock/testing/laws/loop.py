"""Law 13: any event loop, never blocked, and nothing left behind."""

from __future__ import annotations

import threading
from pathlib import Path
from time import perf_counter

import anyio

from penstock.model import Model
from penstock.testing.laws.law import require
from penstock.testing.subject import Subject

__all__ = ["check_loop"]

BLOCKED = 0.15
"""Seconds between two turns of the loop that nobody takes for load of the machine, three times."""
HELD = 0.02
"""Seconds that a turn takes where somebody holds the loop; without, it is a tenth of that."""
SHARE = 0.5
"""The share of a generation's time in such turns that is no load of the machine, three times."""
ATTEMPTS = 3
FILES = Path("/proc/self/fd")
OF_THE_LOOP = ("AnyIO worker", "Trio thread", "asyncio_", "uvloop_")
"""Threads that belong to the event loop; they stay until it ends."""


async def check_loop(subject: Subject) -> None:
    """The loop turns while the engine works; closing the model gives back threads and files."""
    await _use(subject)  # what is made once per process is there now
    before = _threads(), _files()
    longest, shares = [], []
    for _ in range(ATTEMPTS):
        loading, working = await _gaps(subject)
        longest.append(max(loading + working))
        shares.append(sum(gap for gap in working if gap > HELD) / sum(working))
        if longest[-1] < BLOCKED and shares[-1] < SHARE:
            break
    require(min(longest) < BLOCKED, f"the event loop stood still for {min(longest):.2f} s")
    require(min(shares) < SHARE, f"the event loop stood still for {min(shares):.0%} of the time")
    with anyio.move_on_after(subject.patience):
        while _threads() - before[0] or _files() > before[1]:
            await anyio.sleep(0.01)
    left = _threads() - before[0]
    require(not left, f"threads were left behind: {sorted(t.name for t in left)}")
    require(_files() <= before[1], f"{_files() - before[1]} open files were left behind")


async def _use(subject: Subject) -> None:
    async with subject.load() as model:
        await subject.greedy(model)


async def _gaps(subject: Subject) -> tuple[list[float], list[float]]:
    """Return how long each turn of the loop took while a model was loaded, and while it worked."""
    gaps: list[float] = []

    async def watch() -> None:
        last = perf_counter()
        while True:
            await anyio.sleep(0.002)
            now = perf_counter()
            gaps.append(now - last)
            last = now

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch)
        async with subject.load() as model, anyio.create_task_group() as generations:
            loaded = len(gaps)
            for _ in range(2):
                generations.start_soon(_read, subject, model)
        await anyio.sleep(HELD)  # for the turn that is under way
        tasks.cancel_scope.cancel()
    return gaps[:loaded], gaps[loaded:]


async def _read(subject: Subject, model: Model) -> None:
    await subject.greedy(model)


def _threads() -> set[threading.Thread]:
    return {t for t in threading.enumerate() if not t.name.startswith(OF_THE_LOOP)}


def _files() -> int:
    return len(list(FILES.iterdir())) if FILES.exists() else 0
