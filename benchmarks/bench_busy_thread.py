"""What a stream loses when another Python thread computes without a pause.

One thread for the engine, so that there is a core for each. Goal: less than 15 %.
"""

from __future__ import annotations

import pytest

from benchmarks import models
from benchmarks.bench_one_stream import streamed
from benchmarks.busy import busy
from benchmarks.peer import Peer
from benchmarks.prompts import prompt
from benchmarks.reading import Rounds
from benchmarks.scale import rounds
from benchmarks.settings import Settings

TOKENS = 120
NAMES = pytest.mark.parametrize("name", ["125m", "25m"])


@pytest.mark.benchmark(group="busy thread")
@NAMES
def bench_penstock_beside_a_busy_thread(loop, opened, benchmark, name: str) -> None:
    model = opened(name, n_ctx=2048, n_threads=1)

    def calm() -> float:
        return streamed(loop, model, TOKENS, drawn=False)

    def troubled() -> float:
        with busy():
            return calm()

    measure(benchmark, Rounds(troubled, calm))


@pytest.mark.benchmark(group="busy thread")
@NAMES
def bench_llama_beside_a_busy_thread(opened, benchmark, name: str) -> None:
    model = opened(name, n_ctx=2048, n_threads=1)
    settings = Settings.of(model.info, str(models.path(name)))
    with Peer("llama", settings) as calm, Peer("busy", settings) as troubled:
        pairs = Rounds(
            lambda: troubled.run([prompt()], TOKENS)[0].itl,
            lambda: calm.run([prompt()], TOKENS)[0].itl,
        )
        measure(benchmark, pairs)


def measure(benchmark, pairs: Rounds) -> None:
    benchmark.pedantic(pairs, rounds=rounds(5), warmup_rounds=1)
    slow, fast = pairs.medians
    benchmark.extra_info["tokens/s alone"] = round(1 / fast)
    benchmark.extra_info["tokens/s beside a busy thread"] = round(1 / slow)
    benchmark.extra_info["% that it costs"] = round(100 * (pairs.ratio - 1), 1)
