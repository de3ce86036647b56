"""Whether a token costs more the longer the text is, attention taken out.

Penstock and the bare loop generate the same 4,200 tokens. What Penstock takes longer, per token,
between tokens 100 and 300 and between 4,000 and 4,200, is its overhead there; attention is in both.
One thread each, so that nothing depends on how threads meet.
The fastest round of each side counts: noise only ever adds, and the difference is small.
Goal: the overhead grows by less than 5 % of a token's time at token 100. Below 0 is noise.
"""

from __future__ import annotations

import penstock
import pytest

from benchmarks import models
from benchmarks.peer import Peer
from benchmarks.prompts import prompt
from benchmarks.reading import Reading, greedy, read
from benchmarks.scale import rounds
from benchmarks.settings import Settings

EARLY, LATE, WIDTH = 100, 4000, 200
TOKENS = LATE + WIDTH + 1


@pytest.mark.benchmark(group="position")
def bench_overhead_at_token_4000(loop, opened, benchmark) -> None:
    model = opened("25m", n_ctx=8192, n_threads=1)
    limits: list[Reading] = []
    readings: list[Reading] = []

    def once(other: Peer) -> None:
        text = prompt()
        limits.extend(other.run([text], TOKENS))
        readings.append(loop.call(ours, model, text))

    with Peer("bare", Settings.of(model.info, str(models.path("25m")))) as other:
        benchmark.pedantic(lambda: once(other), rounds=rounds(4), warmup_rounds=0)
    bare, mine = ([fastest(side, at) for at in (EARLY, LATE)] for side in (limits, readings))
    early, late = (one - limit for one, limit in zip(mine, bare, strict=True))
    info = benchmark.extra_info
    info["us bare at 100"], info["us bare at 4,000"] = (round(at * 1e6) for at in bare)
    info["us overhead at 100"] = round(early * 1e6, 1)
    info["us overhead at 4,000"] = round(late * 1e6, 1)
    info["% of a token that the overhead grew"] = round(100 * (late - early) / mine[0], 1)


async def ours(model: penstock.Model, text: str) -> Reading:
    return await read(greedy(model, text, TOKENS))


def fastest(readings: list[Reading], start: int) -> float:
    """Return the seconds for a token from `start` on, over `WIDTH` tokens, in the best round."""
    return min(each.moments[start + WIDTH] - each.moments[start] for each in readings) / WIDTH
