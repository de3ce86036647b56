"""A long prompt among running streams is evaluated beside them, and comes out as alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from penstock.errors import ModelClosed
from penstock.testing import Record
from penstock_llamacpp.testing import BrokenDesk

SHORT = (
    "Mia and a tiny dragon sat by the fire.",
    "It was raining. Tom stayed at home and",
    "Every morning Otto fed the birds.",
)
TALE = "Mia and a tiny dragon sat by the fire. It was raining. Tom stayed at home. "
LONG = TALE * 30 + "Rosa had a red ball. Rosa lost the ball in the forest."
OTHER_END = TALE * 30 + "One day, Mia went to the lake with a friend."
GREEDY = {"temperature": 0, "ignore_eos": True}
TOKENS = 60


@pytest.fixture(scope="module")
def alone(pocket: Path, load_engine, ask, certain) -> dict[str, list[int]]:
    options = GREEDY | {"max_tokens": TOKENS, "logprobs": 4}
    engine = load_engine(pocket, device="cpu", flash_attn=False, parallel=1, reuse_prefix=False)
    try:
        return {text: certain(ask(engine, text, **options), 0.1) for text in (LONG, OTHER_END)}
    finally:
        engine.close()


@pytest.fixture
def busy(submit) -> Callable:
    """`with busy(engine) as records` has streams running."""

    @contextmanager
    def run(engine, count: int = 3) -> Iterator[list[Record]]:
        records = [submit(engine, text, **GREEDY, max_tokens=1500) for text in SHORT[:count]]
        wait_until(lambda: all(record.tokens for record in records))
        try:
            yield records
        finally:
            for record in records:
                record.leave()
            for record in records:
                record.wait()

    return run


def wait_until(holds: Callable[[], object]) -> None:
    ends = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < ends
        time.sleep(0.0005)


def asides() -> list[threading.Thread]:
    return [one for one in threading.enumerate() if one.name == "penstock llama.cpp aside"]


def assert_as_alone(record: Record, wanted: list[int]) -> None:
    assert record.ids[: len(wanted)] == wanted[: len(record.ids)]
    assert len(record.ids) == TOKENS


def test_among_others_as_alone(
    pocket: Path, on_cpu, submit, busy, alone: dict[str, list[int]]
) -> None:
    engine = on_cpu(pocket, flash_attn=False)
    with busy(engine) as others:
        record = submit(engine, LONG, **GREEDY, max_tokens=TOKENS)
        record.wait()
    assert asides()
    assert_as_alone(record, alone[LONG])
    done = [prefill.processed for prefill in record.prefills]
    assert done == sorted(done)
    assert len(set(done)) > 3
    first, last = record.tokens[0].at, record.tokens[-1].at
    steps = {token.at for token in others[0].tokens}
    assert sum(at < first for at in steps) > 3, "the others stood still"
    assert sum(first <= at <= last for at in steps) > TOKENS // 2


def test_it_can_be_left_out(
    pocket: Path, on_cpu, submit, busy, alone: dict[str, list[int]]
) -> None:
    engine = on_cpu(pocket, flash_attn=False, prompt_aside=False)
    with busy(engine):
        record = submit(engine, LONG, **GREEDY, max_tokens=TOKENS)
        record.wait()
    assert_as_alone(record, alone[LONG])
    assert not asides()


def test_alone_it_is_not_used(pocket: Path, on_cpu, ask) -> None:
    engine = on_cpu(pocket)
    assert len(ask(engine, LONG, **GREEDY, max_tokens=TOKENS).ids) == TOKENS
    assert not asides()


def test_those_in_line_begin_with_what_is_evaluated(
    pocket: Path, on_cpu, submit, busy, alone: dict[str, list[int]]
) -> None:
    engine = on_cpu(pocket, flash_attn=False)
    with busy(engine, 2):
        records = {
            text: submit(engine, text, **GREEDY, max_tokens=TOKENS) for text in (LONG, OTHER_END)
        }
        for text, record in records.items():
            record.wait()
            assert_as_alone(record, alone[text])
    usage = records[OTHER_END].finish.usage
    assert usage.cached_tokens > 0.8 * usage.prompt_tokens


def test_a_long_text_goes_on_from_what_is_kept_of_it(
    pocket: Path, on_cpu, ask, submit, busy, alone: dict[str, list[int]]
) -> None:
    engine = on_cpu(pocket, flash_attn=False)
    ask(engine, TALE * 15, max_tokens=1)
    with busy(engine):
        record = submit(engine, LONG, **GREEDY, max_tokens=TOKENS)
        record.wait()
    assert asides()
    assert_as_alone(record, alone[LONG])
    assert record.finish.usage.cached_tokens > 0.4 * record.finish.usage.prompt_tokens


@pytest.mark.parametrize("aside", [True, False])
def test_a_short_rest_behind_a_long_text_goes_aside_as_a_tile(
    pocket: Path, on_cpu, submit, ask, busy, *, aside: bool
) -> None:
    engine = on_cpu(pocket, flash_attn=True, n_ctx=2048, n_cells=8192, prompt_aside=aside)
    ask(engine, TALE * 50, **GREEDY, max_tokens=1)
    with busy(engine):
        text = TALE * 50 + "Rosa had a red ball. Rosa lost the ball in the forest. " * 3
        record = submit(engine, text, **GREEDY, max_tokens=5)
        record.wait()
    usage = record.finish.usage
    evaluated = usage.prompt_tokens - usage.cached_tokens
    assert evaluated == 65 if aside else 32 < evaluated < 64
    assert bool(asides()) == aside


def test_leaving_ends_it_and_keeps_what_was_evaluated(
    pocket: Path, on_cpu, submit, busy, alone: dict[str, list[int]]
) -> None:
    engine = on_cpu(pocket, flash_attn=False)
    with busy(engine) as others:
        record = submit(engine, LONG, **GREEDY, max_tokens=TOKENS)
        wait_until(lambda: any(200 < one.processed < one.total for one in record.prefills))
        record.leave()
        record.wait()
        assert not record.tokens
        assert engine.activity().running == len(others)
        again = submit(engine, LONG, **GREEDY, max_tokens=TOKENS)
        again.wait()
    assert_as_alone(again, alone[LONG])
    assert again.finish.usage.cached_tokens >= 128
    assert engine.occupancy().live == 0


def test_leaving_the_line_ends_it_at_once(pocket: Path, on_cpu, submit, busy) -> None:
    engine = on_cpu(pocket, flash_attn=False)
    with busy(engine, 2):
        first = submit(engine, LONG, **GREEDY, max_tokens=5)
        second = submit(engine, OTHER_END, **GREEDY, max_tokens=5)
        second.leave()
        second.wait()
        first.wait()
    assert len(first.ids) == 5
    assert not second.tokens
    assert engine.occupancy().live == 0


@pytest.mark.parametrize("wait", [False, True])
def test_closing_ends_it(pocket: Path, on_cpu, submit, busy, *, wait: bool) -> None:
    engine = on_cpu(pocket, flash_attn=False)
    with busy(engine) as others:
        record = submit(engine, LONG, **GREEDY, max_tokens=5)
        if wait:
            wait_until(lambda: any(one.processed > 0 for one in record.prefills))
        engine.close()
        for one in (record, *others):
            with pytest.raises(ModelClosed):
                one.wait()
            assert one.endings == 1
        for one in others:
            one.error = None
    assert not asides()


@pytest.mark.parametrize("chunks", [None, 0, 2])
def test_where_it_fails_the_prompt_goes_among_the_others(
    pocket: Path, on_cpu, submit, busy, alone: dict[str, list[int]], chunks: int | None
) -> None:
    engine = on_cpu(pocket, flash_attn=False)
    aside = engine._scheduler._aside
    aside._desk = BrokenDesk(aside._desk, chunks)
    with busy(engine):
        for text in (LONG, OTHER_END):
            record = submit(engine, text, **GREEDY, max_tokens=TOKENS)
            record.wait()
            assert_as_alone(record, alone[text])
    assert engine.occupancy().live == 0
