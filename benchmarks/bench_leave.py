"""From leaving to an idle engine, on 125 million parameters.

Goals: within the step at hand in decode; within 25 ms (median) in the middle of a prompt of 2,000
tokens. `bench_cancel.py` has the same on the pocket model.
"""

from __future__ import annotations

from statistics import median
from time import perf_counter

import anyio
import pytest

from benchmarks.prompts import prompt
from benchmarks.reading import greedy, read
from benchmarks.scale import rounds

WORDS = 2000


@pytest.mark.benchmark(group="leave")
def bench_leave_in_decode(loop, opened, benchmark) -> None:
    model = opened("125m", n_ctx=4096)
    seconds: list[float] = []
    steps: list[float] = []

    async def leave() -> None:
        generation = greedy(model, prompt(), 400)
        count = 0
        async for delta in generation:
            count += delta.tokens
            if count >= 40:
                break
        left = perf_counter()
        await generation.idle()
        seconds.append(perf_counter() - left)
        steps.append(generation.completion.timings.itl or 0.0)

    benchmark.pedantic(lambda: loop.call(leave), rounds=rounds(20), warmup_rounds=2)
    benchmark.extra_info["ms cancel to idle (median)"] = round(median(seconds) * 1e3, 2)
    benchmark.extra_info["ms cancel to idle (most)"] = round(max(seconds) * 1e3, 2)
    benchmark.extra_info["ms of a step (median)"] = round(median(steps) * 1e3, 2)


@pytest.mark.benchmark(group="leave")
def bench_leave_in_prefill(loop, opened, benchmark) -> None:
    model = opened("125m", n_ctx=4096)
    seconds: list[float] = []

    async def whole() -> float:
        return (await read(greedy(model, prompt(WORDS), 1))).ttft

    async def leave(after: float) -> None:
        generation = greedy(model, prompt(WORDS), 1)
        with anyio.move_on_after(after) as scope:
            await generation
        left = perf_counter()
        await generation.idle()
        assert scope.cancelled_caught, "the prompt was evaluated before it was left"
        seconds.append(perf_counter() - left)

    ttft = min(loop.call(whole) for _ in range(3))
    # At ever other places of the prompt, from its first fifth to its last but one.
    places = [ttft * (0.2 + 0.6 * at / 16) for at in range(17)]
    moments = iter(places * 10)
    benchmark.pedantic(lambda: loop.call(leave, next(moments)), rounds=rounds(17), warmup_rounds=1)
    benchmark.extra_info["ms cancel to idle (median)"] = round(median(seconds) * 1e3, 1)
    benchmark.extra_info["ms cancel to idle (most)"] = round(max(seconds) * 1e3, 1)
    benchmark.extra_info["ms of the whole prompt"] = round(ttft * 1e3)
