"""Whether a token costs more the longer the text is, attention taken out.

Attention is taken out by making the model forget: keys and values older than `KEPT` tokens are
removed from the context after each step, so that llama.cpp works as hard at token 4,000 as at 100,
while all that is ours (tokens, text, sequences, deltas) has 4,000 of them.
The clock stands in the context, around `llama_decode`: what lies between two evaluations is our
overhead. It is the median of 200 tokens, all in one run.
The evaluations beside it cost the same at both places but for the machine, which moves by a tenth
within a minute: their ratio is its drift.
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
KEPT = 64
TOKENS = LATE + WIDTH + 1


class ForgetfulContext(Context):
    """Notes how long it was left alone before each evaluation, and how long that took, in seconds.

    Of a text it remembers the last `KEPT` tokens only.
    """

    rests: ClassVar[list[float]] = []
    works: ClassVar[list[float]] = []
    _ended = 0.0

    def decode(self) -> int:
        began = perf_counter()
        code = super().decode()
        ended = perf_counter()
        self.rests.append(began - self._ended)
        self.works.append(ended - began)
        if self.batch.count == 1:
            past = self.batch.native.pos[0] - KEPT
            self._library.memory_remove(self._memory, 0, 0, max(0, past))
        self._ended = perf_counter()
        return code


@pytest.mark.benchmark(group="position")
def bench_overhead_at_token_4000(loop, benchmark) -> None:
    rests: list[list[float]] = []
    works: list[list[float]] = []

    def once() -> None:
        ForgetfulContext.rests.clear()
        ForgetfulContext.works.clear()
        loop.call(generate)
        rests.append(ForgetfulContext.rests[-TOKENS:])
        works.append(ForgetfulContext.works[-TOKENS:])

    benchmark.pedantic(once, rounds=rounds(3), warmup_rounds=0)
    info = benchmark.extra_info
    early, late = middle(rests, EARLY), middle(rests, LATE)
    info["us evaluation at 100"] = round(middle(works, EARLY) * 1e6)
    info["us evaluation at 4,000"] = round(middle(works, LATE) * 1e6)
    info["us overhead at 100"] = round(early * 1e6, 1)
    info["us overhead at 4,000"] = round(late * 1e6, 1)
    info["times as much at 4,000"] = round(late / early, 3)
    drift = middle(works, LATE) / middle(works, EARLY)
    info["times as much, the machine's drift taken out"] = round(late / early / drift, 3)


def middle(series: list[list[float]], start: int) -> float:
    """Return the median over rounds of the median of `WIDTH` tokens from `start` on."""
    return median(median(one[start : start + WIDTH]) for one in series)


async def generate() -> None:
    """Generate `TOKENS` tokens with one thread, so that nothing depends on how threads meet."""
    spec = ModelSpec(source="25m", path=models.path("25m"), options={"n_ctx": 8192, "n_threads": 1})
    engine = await LlamaCpp(ForgetfulContext).load(spec, lambda _: None)
    async with hosted(engine) as model:
        await read(greedy(model, prompt(), TOKENS))
