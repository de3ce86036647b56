"""Eight clients, prompts and answers of all lengths: what long prompts cost when they go aside.

No goal; the same load with `prompt_aside` and without.
"""

from __future__ import annotations

import random
from statistics import median
from time import perf_counter

import anyio
import penstock
import pytest

from benchmarks.prompts import prompt
from benchmarks.reading import greedy, percentile, read
from benchmarks.scale import rounds

CLIENTS, REQUESTS = 8, 60
WORDS, TOKENS = (10, 20, 50, 200, 400, 550), (5, 40, 150)


@pytest.mark.benchmark(group="mixed load")
@pytest.mark.parametrize("aside", [True, False], ids=["aside", "among the others"])
def bench_mixed_load(loop, opened, benchmark, aside: bool) -> None:
    model = opened("25m", parallel=CLIENTS, n_ctx=2048, n_cells=16384, prompt_aside=aside)
    found: list[tuple[float, list[float]]] = []
    benchmark.pedantic(
        lambda: found.append(loop.call(load, model)), rounds=rounds(3), warmup_rounds=1
    )
    info = benchmark.extra_info
    info["s for all requests"] = round(median(seconds for seconds, _ in found), 1)
    info["s to the first token (9 of 10)"] = round(
        median(percentile(firsts, 0.9) for _, firsts in found), 2
    )


async def load(model: penstock.Model) -> tuple[float, list[float]]:
    """Return the seconds that all requests take together, and each to its first token."""
    draw = random.Random(5)
    jobs = [(prompt(draw.choice(WORDS)), draw.choice(TOKENS)) for _ in range(REQUESTS)]
    firsts: list[float] = []

    async def client() -> None:
        while jobs:
            firsts.append((await read(greedy(model, *jobs.pop()))).ttft)

    began = perf_counter()
    async with anyio.create_task_group() as tasks:
        for _ in range(CLIENTS):
            tasks.start_soon(client)
    return perf_counter() - began, firsts
