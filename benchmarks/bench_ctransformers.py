"""ctransformers: our loop over its functions, held against the stream of its own class.

Goals: no slower for a token; three times as fast to the first token behind a prompt of 500. Its own
class runs in a child, in turns with Penstock: as it comes (a thread for each core, up to
four, and prompts in batches of 8), or told Penstock's threads and batch. A ratio is the median of
the rounds' ratios.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from itertools import count
from pathlib import Path

import penstock
import penstock_pocket
import pytest
from penstock.request import CallOptions

from benchmarks import models
from benchmarks.peer import Peer
from benchmarks.prompts import prompt
from benchmarks.reading import Rounds, read
from benchmarks.scale import rounds
from benchmarks.settings import Settings

EACH = pytest.mark.parametrize("name", ["pocket", "25m"])
PEERS = pytest.mark.parametrize("told", [False, True], ids=["as it comes", "told the same"])
TOKENS = {"pocket": 80, "25m": 100}
LENGTH = 500

_turns = count()


def file_of(name: str) -> Path:
    return penstock_pocket.path() if name == "pocket" else models.path("25m-untied")


@pytest.fixture
def legacy(loop) -> Iterator[Callable[[str], penstock.Model]]:
    """Load a model with ctransformers into `loop`."""
    with ExitStack() as stack:

        def load(name: str) -> penstock.Model:
            options = {"n_ctx": 1024}
            loading = penstock.load(f"ctransformers:{file_of(name)}", options=options)
            return stack.enter_context(loop.wrap_async_context_manager(loading))

        yield load


def settings(model: penstock.Model, name: str, told: bool) -> Settings:
    same = Settings.of(model.info, str(file_of(name)))
    return same if told else replace(same, n_threads=-1, n_batch=0)


def record(benchmark, pairs: Rounds, unit: str, scale: Callable[[float], float]) -> None:
    benchmark.pedantic(pairs, rounds=rounds(7), warmup_rounds=1)
    theirs, ours = pairs.medians
    benchmark.extra_info[f"{unit} its own class"] = round(scale(theirs), 1)
    benchmark.extra_info[f"{unit} Penstock"] = round(scale(ours), 1)
    benchmark.extra_info["times its own class"] = pairs.ratio


@pytest.mark.benchmark(group="ctransformers, a token")
@pytest.mark.parametrize("drawn", [False, True], ids=["greedy", "defaults"])
@PEERS
@EACH
def bench_token(loop, legacy, benchmark, name: str, told: bool, drawn: bool) -> None:
    model, tokens = legacy(name), TOKENS[name]
    text = "Once upon a time"  # the pocket model tells a story, and does not end it soon
    chosen: CallOptions = {"seed": 7} if drawn else {"temperature": 0}

    async def streamed() -> float:
        return (await read(model.complete(text, max_tokens=tokens, **chosen))).itl

    with Peer("own_stream", settings(model, name, told)) as other:
        pairs = Rounds(
            lambda: other.run([text], tokens, drawn=drawn)[0].itl, lambda: loop.call(streamed)
        )
        record(benchmark, pairs, "tokens/s", lambda itl: 1 / itl)


@pytest.mark.benchmark(group="ctransformers, a long prompt")
@PEERS
@EACH
def bench_long_prompt(loop, legacy, benchmark, name: str, told: bool) -> None:
    model = legacy(name)

    async def fresh() -> str:
        # Begun anew each time, so that nobody gains from what was evaluated before.
        words = f"{next(_turns)} {prompt(LENGTH)}".split()
        while len(await model.tokenize(" ".join(words))) > LENGTH:
            words.pop()
        return " ".join(words)

    async def first(text: str) -> float:
        return (await read(model.complete(text, max_tokens=2, temperature=0))).ttft

    with Peer("own_stream", settings(model, name, told)) as other:
        pairs = Rounds(
            lambda: other.run([loop.call(fresh)], 2)[0].ttft,
            lambda: loop.call(first, loop.call(fresh)),
        )
        record(benchmark, pairs, "ms", lambda seconds: 1000 * seconds)
