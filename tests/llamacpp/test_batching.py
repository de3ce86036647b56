"""Many generations at once give the texts that each gives alone."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest
from penstock.errors import ContextOverflow, ModelClosed, QueueFull
from penstock.testing import Record

PROMPTS = (
    "Mia and a tiny dragon sat by the fire.",
    "It was raining. Tom stayed at home and",
    "Zoe and a tiny dragon sat by the fire.",
    "Every morning Otto fed the birds.",
    "Ruth and a tiny dragon sat by the fire.",
    "Rosa had a red ball. Rosa lost the ball in the forest.",
    "One day, Mia went to the lake with a friend.",
    "One day, Lea went to the lake with a friend.",
    "Emma had a red ball. Emma lost the ball in the forest.",
    "Leo wanted to bake a cake. Leo took flour, eggs and milk.",
    "Once upon a time there was a Finn named",
    "It was raining. Rosa stayed at home and",
)
"""Stories of which the model is sure for a while."""

TOKENS, MOST = 60, 250


GREEDY = {"temperature": 0, "ignore_eos": True, "max_tokens": TOKENS}


@pytest.fixture
def start(submit):
    """`start(engine, prompt, tokens)` starts a greedy generation of that length."""

    def start(engine, prompt: str, tokens: int = TOKENS, behind_after: int | None = None) -> Record:
        options = GREEDY | {"max_tokens": tokens}
        return submit(engine, prompt, behind_after=behind_after, **options)

    return start


def wait_for(record: Record, tokens: int) -> None:
    ends = time.monotonic() + 30
    while len(record.tokens) < tokens and not record.ended:
        assert time.monotonic() < ends, record.events
        time.sleep(0.0005)


MARGIN = 0.15
"""Without flash attention, logits move by some hundredths in other company, each its own way."""


@pytest.fixture(scope="module")
def alone(pocket: Path, load_engine, submit, certain) -> dict[str, list[int]]:
    """What each prompt gives on an engine that runs nothing else and reuses nothing.

    Up to the first choice that is nearly a tie: what follows depends on the last bits.
    """
    engine = load_engine(pocket, flash_attn=False, parallel=1, reuse_prefix=False)
    options = GREEDY | {"max_tokens": MOST, "logprobs": 4}
    try:
        records = {prompt: submit(engine, prompt, **options) for prompt in PROMPTS}
        for record in records.values():
            record.wait()
    finally:
        engine.close()
    found = {prompt: certain(record, MARGIN) for prompt, record in records.items()}
    assert sum(map(len, found.values())) > 400
    return found


def assert_as_alone(record: Record, wanted: list[int]) -> None:
    ids = record.ids
    assert ids[: len(wanted)] == wanted[: len(ids)]


@pytest.mark.parametrize("parallel", [2, 5, 12])
def test_together_as_alone(
    pocket: Path, fresh, start, alone: dict[str, list[int]], parallel: int
) -> None:
    engine = fresh(pocket, flash_attn=False, parallel=parallel)
    records = [start(engine, prompt) for prompt in PROMPTS]
    for record in records:
        record.wait()
        assert record.finish is not None
        assert record.finish.reason == "length"
        assert len(record.ids) == TOKENS
    for prompt, record in zip(PROMPTS, records, strict=True):
        assert_as_alone(record, alone[prompt])


def test_streams_really_run_together(pocket: Path, fresh, start) -> None:
    engine = fresh(pocket, flash_attn=False, parallel=4)
    records = [start(engine, prompt, 200) for prompt in PROMPTS[:4]]
    for record in records:
        wait_for(record, 5)
    assert engine.activity().running == 4
    moments = [{token.at for token in record.tokens} for record in records]
    assert moments[0] & moments[1] & moments[2] & moments[3], "they share no step"
    for record in records:
        record.leave()
        record.wait()


def test_neighbours_that_leave_change_nothing(
    pocket: Path, fresh, start, alone: dict[str, list[int]]
) -> None:
    engine, draw = fresh(pocket, flash_attn=False, parallel=6), random.Random(5)
    records = {prompt: start(engine, prompt) for prompt in PROMPTS}
    for record in records.values():
        if draw.random() < 0.5:
            wait_for(record, draw.randrange(TOKENS // 2))
            record.leave()
    stayed = {prompt: record for prompt, record in records.items() if not record.left}
    assert 2 < len(stayed) < len(records)
    for prompt, record in stayed.items():
        record.wait()
        assert len(record.ids) == TOKENS
        assert_as_alone(record, alone[prompt])
    for prompt, record in records.items():
        record.wait()
        assert_as_alone(record, alone[prompt])
    assert engine.occupancy().live == 0


def test_a_stream_nobody_reads_is_left_out_and_loses_nothing(
    pocket: Path, fresh, start, alone: dict[str, list[int]]
) -> None:
    engine = fresh(pocket, flash_attn=False, parallel=4)
    slow = start(engine, PROMPTS[0], behind_after=10)
    others = [start(engine, prompt) for prompt in PROMPTS[1:4]]
    for record in others:
        record.wait()
    stood = len(slow.ids)
    time.sleep(0.05)
    assert len(slow.ids) == stood < TOKENS
    assert engine.activity().running == 1
    slow.go_on()
    slow.wait()
    assert len(slow.ids) == TOKENS
    assert_as_alone(slow, alone[PROMPTS[0]])


def test_a_stream_nobody_reads_makes_way_and_comes_back(
    pocket: Path, fresh, start, alone: dict[str, list[int]]
) -> None:
    engine = fresh(pocket, flash_attn=False, parallel=1)
    slow = start(engine, PROMPTS[0], behind_after=10)
    others = [start(engine, prompt) for prompt in PROMPTS[1:4]]
    for prompt, record in zip(PROMPTS[1:4], others, strict=True):
        record.wait()
        assert len(record.ids) == TOKENS
        assert_as_alone(record, alone[prompt])
    assert not slow.ended
    slow.go_on()
    slow.wait()
    assert len(slow.ids) == TOKENS
    assert_as_alone(slow, alone[PROMPTS[0]])
    assert slow.admissions == 1


@pytest.mark.parametrize("cache_bytes", [0, 512 * 2**20])
def test_without_room_the_youngest_waits_and_loses_nothing(
    pocket: Path, fresh, start, alone: dict[str, list[int]], cache_bytes: int
) -> None:
    engine = fresh(
        pocket, flash_attn=False, parallel=4, n_ctx=512, n_cells=512, cache_bytes=cache_bytes
    )
    records = [start(engine, prompt, MOST) for prompt in PROMPTS[:4]]
    for prompt, record in zip(PROMPTS[:4], records, strict=True):
        record.wait()
        assert len(record.ids) == MOST
        assert_as_alone(record, alone[prompt])


def test_requests_run_in_order_of_arrival(pocket: Path, fresh, start) -> None:
    engine = fresh(pocket, flash_attn=False, parallel=2)
    records = [start(engine, prompt, 20) for prompt in PROMPTS]
    for record in records:
        record.wait()
    firsts = [record.tokens[0].at for record in records]
    assert firsts == sorted(firsts)


def test_the_queue_is_bounded(pocket: Path, fresh, start) -> None:
    engine = fresh(pocket, flash_attn=False, parallel=1, queue_limit=2)
    records = [start(engine, prompt, 400) for prompt in PROMPTS[:3]]
    with pytest.raises(QueueFull, match="queue_limit") as caught:
        start(engine, PROMPTS[3])
    assert caught.value.retryable
    for record in records:
        record.leave()
        record.wait()
    start(engine, PROMPTS[3]).wait()


def test_leaving_the_queue_frees_its_place(pocket: Path, fresh, start) -> None:
    engine = fresh(pocket, flash_attn=False, parallel=1)
    running, waiting, last = (start(engine, prompt, 300) for prompt in PROMPTS[:3])
    wait_for(running, 3)
    waiting.leave()
    waiting.wait(5)
    assert not waiting.tokens
    assert not running.ended
    running.leave()
    last.wait()
    assert len(last.ids) == 300


def test_a_prompt_too_long_fails_alone(
    pocket: Path, fresh, start, alone: dict[str, list[int]]
) -> None:
    engine = fresh(pocket, flash_attn=False, parallel=4, n_ctx=256)
    good = start(engine, PROMPTS[0])
    with pytest.raises(ContextOverflow):
        start(engine, "and so on " * 200).wait()
    good.wait()
    assert_as_alone(good, alone[PROMPTS[0]])


def test_closing_ends_every_stream(pocket: Path, fresh, start) -> None:
    engine = fresh(pocket, flash_attn=False, parallel=2)
    records = [start(engine, prompt, 900) for prompt in PROMPTS[:5]]
    wait_for(records[0], 3)
    records[1].hold()
    engine.close()
    for record in records:
        assert record.ended
        with pytest.raises(ModelClosed):
            record.wait()
        assert record.endings == 1
