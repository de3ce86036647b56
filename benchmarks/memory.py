"""Resident memory after some short requests, and after many more.

    python -m benchmarks.memory 500 5000

Eight at a time, each with a prompt of its own, on 25 million parameters. Linux only.
"""

from __future__ import annotations

import gc
import json
import sys
from pathlib import Path

import anyio
import penstock

from benchmarks import models
from benchmarks.prompts import prompt

STREAMS, TOKENS = 8, 8


async def measure(counts: list[int]) -> dict[int, float]:
    """Return the MiB that are resident after so many requests, in all."""
    found: dict[int, float] = {}
    target = f"llamacpp:{models.path('25m')}"
    async with penstock.load(target, options={"parallel": STREAMS, "n_ctx": 4096}) as model:
        done = 0
        for count in counts:
            await requests(model, count - done)
            done = count
            found[count] = resident()
    return found


async def requests(model: penstock.Model, count: int) -> None:
    """Answer so many requests."""
    left = iter(range(count))

    async def answer() -> None:
        for _ in left:
            await model.complete(prompt(), max_tokens=TOKENS, temperature=0)

    async with anyio.create_task_group() as tasks:
        for _ in range(STREAMS):
            tasks.start_soon(answer)


def resident() -> float:
    """Return the resident memory of this process, in MiB."""
    gc.collect()
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise OSError("/proc/self/status has no VmRSS")


if __name__ == "__main__":
    print(json.dumps(anyio.run(measure, [int(text) for text in sys.argv[1:]])))
