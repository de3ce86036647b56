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
ATTEMPTS = 3
FILES = Path("/proc/self/fd")
OF_THE_LOOP = ("AnyIO worker", "Trio thread", "asyncio_", "uvloop_")
"""Threads that belong to the event loop; they stay until it ends."""


async def check_loop(subject: Subject) -> None:
    """The loop turns while the engine works; closing the model gives back threads and files."""
    await _use(subject)  # what is made once per process is there now
    before = _threads(), _files()
    gaps = []
    for _ in range(ATTEMPTS):
        gaps.append(await _longest_gap(subject))
        if gaps[-1] < BLOCKED:
            break
    require(min(gaps) < BLOCKED, f"the event loop stood still for {min(gaps):.2f} s")
    with anyio.move_on_after(subject.patience):
        while _threads() - before[0] or _files() > before[1]:
            await anyio.sleep(0.01)
    left = _threads() - before[0]
    require(not left, f"threads were left behind: {sorted(t.name for t in left)}")
    require(_files() <= before[1], f"{_files() - before[1]} open files were left behind")


async def _use(subject: Subject) -> None:
    async with subject.load() as model:
        await subject.greedy(model)


async def _longest_gap(subject: Subject) -> float:
    """Return the longest time the loop took for a turn while a model was used."""
    longest = 0.0

    async def watch() -> None:
        nonlocal longest
        last = perf_counter()
        while True:
            await anyio.sleep(0.002)
            longest = max(longest, perf_counter() - last)
            last = perf_counter()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch)
        async with subject.load() as model, anyio.create_task_group() as generations:
            for _ in range(2):
                generations.start_soon(_read, subject, model)
        tasks.cancel_scope.cancel()
    return longest


async def _read(subject: Subject, model: Model) -> None:
    await subject.greedy(model)


def _threads() -> set[threading.Thread]:
    return {t for t in threading.enumerate() if not t.name.startswith(OF_THE_LOOP)}


def _files() -> int:
    return len(list(FILES.iterdir())) if FILES.exists() else 0
