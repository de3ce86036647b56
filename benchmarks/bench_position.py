"""Whether a token costs more the longer the text is, attention taken out.

The engine's thread evaluates, then does what is ours (sampling, text, delivery), then evaluates
again. The clock stands in the context, around `llama_decode`: what lies between two evaluations is
our overhead, and attention is not in it. The medians of 200 tokens from 100 and from 4,000 on are
compared in one run.
Goal: the overhead at token 4,000 is within 5 % of that at token 100.
"""

from __future__ import annotations

from statistics import median
from time import perf_counter
from typing import ClassVar

import pytest
from penstock import ModelSpec
from penstock.testing import hosted
from penstock_llamacpp.backend import LlamaCpp
from penstock_llamacpp.context import Context

from benchmarks import models
from benchmarks.prompts import prompt
from benchmarks.reading import greedy, read
from benchmarks.scale import rounds

EARLY, LATE, WIDTH = 100, 4000, 200
TOKENS = LATE + WIDTH + 1


class ClockedContext(Context):
    """A context that notes how long it was left alone before each evaluation, in seconds."""

    rests: ClassVar[list[float]] = []
    _ended = 0.0

    def decode(self) -> int:
        self.rests.append(perf_counter() - self._ended)
        try:
            return super().decode()
        finally:
            self._ended = perf_counter()


@pytest.mark.benchmark(group="position")
def bench_overhead_at_token_4000(loop, benchmark) -> None:
    early: list[float] = []
    late: list[float] = []

    def once() -> None:
        ClockedContext.rests.clear()
        loop.call(generate)
        rests = ClockedContext.rests[-TOKENS:]
        early.append(median(rests[EARLY : EARLY + WIDTH]))
        late.append(median(rests[LATE : LATE + WIDTH]))

    benchmark.pedantic(once, rounds=rounds(3), warmup_rounds=0)
    first, last = median(early), median(late)
    info = benchmark.extra_info
    info["us overhead at 100"] = round(first * 1e6, 1)
    info["us overhead at 4,000"] = round(last * 1e6, 1)
    info["times as much at 4,000"] = round(last / first, 3)


async def generate() -> None:
    """Generate `TOKENS` tokens with one thread, so that nothing depends on how threads meet."""
    spec = ModelSpec(source="25m", path=models.path("25m"), options={"n_ctx": 8192, "n_threads": 1})
    engine = await LlamaCpp(ClockedContext).load(spec, lambda _: None)
    async with hosted(engine) as model:
        await read(greedy(model, prompt(), TOKENS))
