"""Seven streams run; a prompt of 2,000 tokens arrives.

Goals: the 99th percentile of the seven streams' gaps between tokens, while the prompt is
evaluated, is at most 3 times the undisturbed one; the prompt's first token comes in at most twice
the time it takes alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from statistics import median

import anyio
import penstock
import pytest

from benchmarks.prompts import prompt
from benchmarks.reading import Reading, greedy, percentile, read
from benchmarks.scale import LARGEST, only_where_it_runs, rounds

STREAMS, WORDS = 7, 2000
CALM = 60
"""Tokens that each stream gives before the prompt comes: the undisturbed gaps."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """One round, in seconds."""

    calm: float
    disturbed: float
    alone: float
    ttft: float


@pytest.mark.benchmark(group="long prompt")
@pytest.mark.parametrize("name", ["125m", LARGEST])
def bench_long_prompt_among_7_streams(loop, opened, benchmark, name: str) -> None:
    only_where_it_runs(name)
    model = opened(name, parallel=STREAMS + 1, n_ctx=16384)
    found: list[Arrival] = []
    benchmark.pedantic(
        lambda: found.append(loop.call(arrival, model)), rounds=rounds(3), warmup_rounds=1
    )
    info = benchmark.extra_info
    info["ms gap undisturbed (p99)"] = round(median(one.calm for one in found) * 1e3, 1)
    info["ms gap while it is evaluated (p99)"] = round(
        median(one.disturbed for one in found) * 1e3, 1
    )
    info["times the undisturbed gap"] = round(median(one.disturbed / one.calm for one in found), 2)
    info["ms ttft alone"] = round(median(one.alone for one in found) * 1e3)
    info["ms ttft among 7 streams"] = round(median(one.ttft for one in found) * 1e3)
    info["times the ttft alone"] = round(median(one.ttft / one.alone for one in found), 2)


async def arrival(model: penstock.Model) -> Arrival:
    """Let the prompt come, once alone and once among the others."""
    alone = await read(greedy(model, prompt(WORDS), 2))
    readings = [Reading() for _ in range(STREAMS)]
    calm = [anyio.Event() for _ in readings]
    async with anyio.create_task_group() as tasks:
        for reading, event in zip(readings, calm, strict=True):
            tasks.start_soon(run_on, model, reading, event)
        for event in calm:
            await event.wait()
        late = await read(greedy(model, prompt(WORDS), 2))
        tasks.cancel_scope.cancel()
    began = max(reading.moments[0] for reading in readings)
    return Arrival(
        calm=percentile(gaps(readings, began, late.asked), 0.99),
        disturbed=percentile(gaps(readings, late.asked, late.moments[0]), 0.99),
        alone=alone.ttft,
        ttft=late.ttft,
    )


async def run_on(model: penstock.Model, reading: Reading, calm: anyio.Event) -> None:
    """Note the tokens of a stream until it is cancelled; tell when it has given `CALM`."""
    async for delta in model.complete(prompt(), temperature=0, ignore_eos=True):
        reading.note(delta.tokens)
        if len(reading.moments) >= CALM:
            calm.set()


def gaps(readings: list[Reading], began: float, ended: float) -> list[float]:
    """Return the gaps that overlap a time; one that has not ended counts as far as it goes."""
    return [
        after - before
        for reading in readings
        for before, after in pairwise([*reading.moments, ended])
        if after > began and before < ended
    ]
