"""Streams side by side: their share of a bare batched loop, and against llama-server and xllamacpp.

Goals for 8 streams: 0.95 of the bare loop with 125 million parameters, 0.90 with 25 million; 1.2
times either peer. Speeds are tokens per second of all streams while all of them run. 16 streams
hold: all end, with all their tokens.
"""

from __future__ import annotations

from contextlib import AbstractContextManager

import anyio
import penstock
import pytest

from benchmarks import models, xllama
from benchmarks.peer import Peer
from benchmarks.prompts import prompt
from benchmarks.reading import Reading, Rounds, greedy, read, together
from benchmarks.scale import only_in_full, only_where_it_runs, rounds
from benchmarks.server import Server
from benchmarks.settings import Settings

TOKENS = {"125m": 100, "25m": 300, "8b": 200}
STREAMS = 8
EACH = pytest.mark.parametrize("name", TOKENS)
PEERS = {
    "bare": lambda settings: Peer("bare", settings),
    "llama-server": Server,
    "xllamacpp": lambda settings: Peer("xllama", settings, xllama.python()),
}


@pytest.mark.benchmark(group="8 streams")
@EACH
@pytest.mark.parametrize("peer", PEERS)
def bench_8_streams(loop, opened, benchmark, name: str, peer: str) -> None:
    only_where_it_runs(name)
    if peer != "bare":
        only_in_full()
    model, tokens = opened(name, parallel=STREAMS, n_ctx=8192), TOKENS[name]
    settings = Settings.of(model.info, str(models.path(name)), STREAMS)
    side: AbstractContextManager[Peer | Server] = PEERS[peer](settings)
    with side as other:
        pairs = Rounds(
            lambda: together(loop.call(streams, model, STREAMS, tokens)),
            lambda: together(other.run([prompt() for _ in range(STREAMS)], tokens)),
        )
        benchmark.pedantic(pairs, rounds=rounds(5, 9), warmup_rounds=1)
    ours, theirs = pairs.medians
    benchmark.extra_info[f"tokens/s {peer}"] = round(theirs)
    benchmark.extra_info["tokens/s Penstock"] = round(ours)
    benchmark.extra_info[f"times {peer}"] = pairs.ratio


@pytest.mark.benchmark(group="16 streams")
@EACH
def bench_16_streams_hold(loop, opened, benchmark, name: str) -> None:
    only_where_it_runs(name)
    model, tokens = opened(name, parallel=16, n_ctx=8192), TOKENS[name]
    speeds: list[float] = []
    benchmark.pedantic(
        lambda: speeds.append(together(loop.call(streams, model, 16, tokens))),
        rounds=rounds(3),
        warmup_rounds=1,
    )
    benchmark.extra_info["tokens/s Penstock"] = round(sorted(speeds)[len(speeds) // 2])


async def streams(model: penstock.Model, count: int, tokens: int) -> list[Reading]:
    """Read so many generations at once, to their ends."""
    readings: list[Reading] = []

    async def one() -> None:
        readings.append(await read(greedy(model, prompt(), tokens)))

    async with anyio.create_task_group() as tasks:
        for _ in range(count):
            tasks.start_soon(one)
    assert [len(reading.moments) for reading in readings] == [tokens] * count
    return readings
