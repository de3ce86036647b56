"""From leaving to an idle engine, on the pocket model.

The limit is the step the engine is in: one token in decode, one chunk in prefill.
"""

from __future__ import annotations

from statistics import median
from time import perf_counter

import anyio
import penstock
import pytest

ROUNDS = 30


@pytest.mark.benchmark(group="cancel")
def bench_cancel_to_idle_in_decode(portal, benchmark) -> None:
    seconds: list[float] = []
    itl: list[float] = []

    async def leave() -> None:
        generation = model.complete("Once upon a time", ignore_eos=True, temperature=0)
        count = 0
        async for _ in generation:
            count += 1
            if count == 20:
                break
        left = perf_counter()
        await generation.idle()
        seconds.append(perf_counter() - left)
        itl.append(generation.completion.timings.itl or 0.0)

    with portal.wrap_async_context_manager(penstock.load("pocket:")) as model:
        benchmark.pedantic(lambda: portal.call(leave), rounds=ROUNDS, warmup_rounds=2)
    benchmark.extra_info["ms cancel to idle (median)"] = round(median(seconds) * 1e3, 3)
    benchmark.extra_info["ms per token (median)"] = round(median(itl) * 1e3, 3)


@pytest.mark.benchmark(group="cancel")
def bench_cancel_to_idle_in_prefill(portal, benchmark) -> None:
    seconds: list[float] = []
    prompts = iter(range(10**6))

    async def leave() -> None:
        text = f"{next(prompts)} " + "Once upon a time there was a fox. " * 75
        generation = model.complete(text)
        with anyio.move_on_after(0.01):
            await generation
        left = perf_counter()
        await generation.idle()
        seconds.append(perf_counter() - left)

    with portal.wrap_async_context_manager(penstock.load("pocket:")) as model:
        benchmark.pedantic(lambda: portal.call(leave), rounds=ROUNDS, warmup_rounds=2)
    benchmark.extra_info["ms cancel to idle (median)"] = round(median(seconds) * 1e3, 3)
