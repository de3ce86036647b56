"""The second turn of a chat whose history has 2,000 tokens: only what is new is evaluated.

Goal: the first token of turn 2 comes in a tenth of the time of turn 1.
"""

from __future__ import annotations

from statistics import median

import pytest

from benchmarks.prompts import prompt
from benchmarks.reading import read
from benchmarks.scale import rounds


@pytest.mark.benchmark(group="turns")
def bench_turn_2(loop, opened, benchmark) -> None:
    model = opened("125m", n_ctx=8192)
    turns: list[tuple[float, float]] = []
    cached: list[int] = []

    async def converse() -> None:
        chat = model.session()
        first = await read(chat.send(prompt(2000), temperature=0, max_tokens=16))
        second = chat.send(prompt(20), temperature=0, max_tokens=16)
        turns.append((first.ttft, (await read(second)).ttft))
        cached.append(second.completion.usage.cached_tokens)

    benchmark.pedantic(lambda: loop.call(converse), rounds=rounds(5), warmup_rounds=1)
    info = benchmark.extra_info
    info["ms ttft of turn 1"] = round(median(first for first, _ in turns) * 1e3)
    info["ms ttft of turn 2"] = round(median(second for _, second in turns) * 1e3)
    info["share of turn 1"] = round(median(second / first for first, second in turns), 3)
    info["tokens reused in turn 2 (least)"] = min(cached)
