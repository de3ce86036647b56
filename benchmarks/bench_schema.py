"""Answers bound by a JSON schema: tokens per second against the same model unbound.

One schema leaves nearly every token open (a long string), one leaves hardly any (long names, and
values of an enumeration). The bound side counts the tokens that it gave, however many.
"""

from __future__ import annotations

from contextlib import suppress

import penstock
import pytest

from benchmarks.prompts import prompt
from benchmarks.reading import Reading, Rounds, greedy, read
from benchmarks.scale import Absent, rounds

TOKENS = 200
OPEN = {
    "type": "object",
    "properties": {"story": {"type": "string"}},
    "required": ["story"],
    "additionalProperties": False,
}
NAMES = [f"the_answer_to_question_number_{at}_of_the_questionnaire" for at in range(4)]
FORCED = {
    "type": "object",
    "properties": {name: {"enum": ["certainly so", "not at all"]} for name in NAMES},
    "required": NAMES,
    "additionalProperties": False,
}


@pytest.mark.benchmark(group="schema")
@pytest.mark.parametrize("schema", [OPEN, FORCED], ids=["open", "forced"])
@pytest.mark.parametrize("name", ["125m", "25m"])
def bench_schema(loop, opened, benchmark, name: str, schema: dict) -> None:
    model = opened(name, n_ctx=2048)
    counts: list[int] = []

    async def bound() -> float:
        reading = await _read(_bound(model, schema))
        counts.append(len(reading.moments))
        return _itl(reading)

    async def unbound() -> float:
        return _itl(await read(greedy(model, prompt(), TOKENS)))

    loop.call(bound)  # the grammar is made once
    pairs = Rounds(lambda: loop.call(unbound), lambda: loop.call(bound))
    benchmark.pedantic(pairs, rounds=rounds(5), warmup_rounds=1)
    free, tied = pairs.medians
    benchmark.extra_info["tokens/s unbound"] = round(1 / free)
    benchmark.extra_info["tokens/s bound"] = round(1 / tied)
    benchmark.extra_info["times unbound"] = pairs.ratio
    benchmark.extra_info["tokens of a bound answer"] = sorted(counts)[len(counts) // 2]


def _bound(model: penstock.Model, schema: dict) -> penstock.Generation:
    try:
        return model.complete(prompt(), schema=schema, temperature=0, max_tokens=TOKENS)
    except (penstock.UsageError, penstock.Unsupported) as error:
        raise Absent(str(error)) from error


async def _read(generation: penstock.Generation) -> Reading:
    reading = Reading()
    with suppress(penstock.IncompleteAnswer):  # a long string is cut, which is an error
        async for delta in generation:
            reading.note(delta.tokens)
    return reading


def _itl(reading: Reading) -> float:
    # From the question on: an answer that is forced may come in one piece.
    return (reading.moments[-1] - reading.asked) / len(reading.moments)
