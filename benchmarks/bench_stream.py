"""What the stream layer costs per token, over echo engines that hand over bursts.

The limit is the engine's own iteration with nothing behind it (`bare`). Goals: at most 5 µs per
token in a task, at most 10 µs through the blocking façade.
"""

from __future__ import annotations

import anyio
import pytest
from penstock.backend import CancelFlag
from penstock.events import Prefill, Token
from penstock.request import Request
from penstock.sync import Loading as SyncLoading
from penstock.testing import EchoEngine, EchoThreadEngine, hosted

TOKENS = 10_000
BURST = [Token(at % 100, b" word", 1.0) for at in range(TOKENS)]
ENGINES = pytest.mark.parametrize("engine", [EchoEngine, EchoThreadEngine])


def script(_request):
    yield Prefill(1, 1)
    yield from BURST


async def read(model, make) -> None:
    count = 0
    async for _ in make(model.complete("x")):
        count += 1
    assert count


SHAPES = {
    "plain": lambda gen: gen,
    "until": lambda gen: gen.until("THE END"),
    "words": lambda gen: gen.words(),
    "until+buffered": lambda gen: gen.until("THE END").buffered(tokens=5),
}


@pytest.mark.benchmark(group="limit")
def bench_bare_async_engine(portal, per_token) -> None:
    async def bare() -> None:
        async for _ in EchoEngine(script).generate(Request()):
            pass

    per_token(lambda: portal.call(bare), TOKENS)


@pytest.mark.benchmark(group="limit")
def bench_bare_blocking_engine(per_token) -> None:
    def bare() -> None:
        for _ in EchoThreadEngine(script).generate(Request(), CancelFlag()):
            pass

    per_token(bare, TOKENS)


@pytest.mark.benchmark(group="async")
@pytest.mark.parametrize("shape", SHAPES)
@ENGINES
def bench_async(portal, per_token, engine, shape) -> None:
    with portal.wrap_async_context_manager(hosted(engine(script))) as model:
        per_token(lambda: portal.call(read, model, SHAPES[shape]), TOKENS)


@pytest.mark.benchmark(group="async")
@ENGINES
def bench_async_with_stop_strings(portal, per_token, engine) -> None:
    async def read_stopped() -> None:
        await model.complete("x", stop=["THE END", "wor ld"])

    with portal.wrap_async_context_manager(hosted(engine(script))) as model:
        per_token(lambda: portal.call(read_stopped), TOKENS)


@pytest.mark.benchmark(group="sync")
@ENGINES
def bench_sync(per_token, engine) -> None:
    def read_blocking() -> None:
        for _ in model.complete("x"):
            pass

    with SyncLoading(hosted(engine(script))) as model:
        per_token(read_blocking, TOKENS)


@pytest.mark.benchmark(group="paced")
@ENGINES
def bench_token_by_token(portal, per_token, engine) -> None:
    """An engine that gives the loop a turn after every token: the cost of a wake each."""

    def slow(_request):
        from penstock.testing import Pause

        for token in BURST[:500]:
            yield token
            yield Pause(0)

    async def read_paced() -> None:
        async for _ in model.complete("x"):
            pass

    with portal.wrap_async_context_manager(hosted(engine(slow))) as model:
        per_token(lambda: portal.call(read_paced), 500)


@pytest.mark.benchmark(group="start")
def bench_shortest_generation(portal, benchmark) -> None:
    async def one() -> None:
        await model.complete("x", max_tokens=1)
        await anyio.sleep(0)

    with portal.wrap_async_context_manager(hosted(EchoThreadEngine())) as model:
        benchmark.pedantic(lambda: portal.call(one), rounds=200, warmup_rounds=5)
