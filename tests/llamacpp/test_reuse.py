"""What was evaluated once is found again: conversations, shared beginnings, abandoned prompts."""

from __future__ import annotations

import time
from pathlib import Path

import penstock
import pytest
from penstock.testing import Record

RULES = "You are the keeper of the lighthouse. You are kind, and you are brief. " * 8
LONG = "One day a king lost his crown. He asked the dog, and the dog asked the cat. " * 40
GREEDY = {"temperature": 0, "ignore_eos": True, "max_tokens": 20}


@pytest.fixture
def fresh(on_cpu):
    """A GPU evaluates short beginnings again, and keeps all of them where they are."""
    return on_cpu


def wait_for(record: Record, what: str, count: int) -> None:
    ends = time.monotonic() + 30
    while len(getattr(record, what)) < count and not record.ended:
        assert time.monotonic() < ends
        time.sleep(0.0002)


@pytest.mark.anyio
async def test_turn_two_evaluates_only_what_is_new(pocket: Path) -> None:
    async with penstock.load(f"llamacpp:{pocket}", device="cpu") as model:
        chat = model.session(system="You are kind.")
        first = await chat.send("My name is Ada.", temperature=0)
        assert first.usage.cached_tokens == 0
        second = await chat.send("What is my name?", temperature=0)
        held = first.usage.prompt_tokens + first.usage.completion_tokens - 1
        assert second.usage.cached_tokens >= held
        assert "Ada" in second.text


def test_a_shared_beginning_is_evaluated_once(pocket: Path, fresh, submit, ask) -> None:
    engine = fresh(pocket, parallel=4)
    shared = len(engine.tokenize(RULES))
    first = submit(engine, f"{RULES}Say hello.", **GREEDY | {"max_tokens": 300})
    wait_for(first, "tokens", 1)
    others = [submit(engine, f"{RULES}Count to {n}.", **GREEDY) for n in (3, 4, 5)]
    for record in others:
        record.wait()
        assert record.prefills[0].cached >= shared - 2
    held = engine.occupancy()
    assert held.live == 1
    first.leave()
    first.wait()


def test_two_conversations_take_turns(pocket: Path, fresh, ask) -> None:
    engine = fresh(pocket, parallel=1, n_ctx=1024, n_cells=1024)
    one, two = f"One. {RULES}", f"Two. {RULES}{RULES}"
    ask(engine, one, **GREEDY)
    ask(engine, two, **GREEDY)
    for prompt in (one, two, one, two):
        record = ask(engine, prompt, **GREEDY)
        assert record.prefills[0].cached == record.prefills[0].total - 1
    assert engine.occupancy().shelf_bytes > 0


def test_without_memory_for_it_nothing_is_put_aside(pocket: Path, fresh, ask) -> None:
    engine = fresh(pocket, parallel=1, n_ctx=512, n_cells=512, cache_bytes=0)
    one, two = f"One. {RULES}", f"Two. {RULES}{RULES}"
    for prompt in (one, two, one):
        record = ask(engine, prompt, **GREEDY)
    assert record.prefills[0].cached == 0
    assert engine.occupancy().shelf_bytes == 0


def test_the_evaluated_part_of_an_abandoned_prompt_is_kept(tiny: Path, fresh, submit, ask) -> None:
    engine = fresh(tiny, n_ctx=4096)
    record = submit(engine, LONG, **GREEDY)
    wait_for(record, "prefills", 3)
    record.leave()
    record.wait()
    assert not record.tokens
    done = record.prefills[-1].processed
    assert 0 < done < record.prefills[-1].total
    again = ask(engine, LONG, **GREEDY)
    assert again.prefills[0].cached >= done


def test_reuse_can_be_switched_off(pocket: Path, fresh, ask) -> None:
    engine = fresh(pocket, reuse_prefix=False)
    for _ in range(2):
        assert ask(engine, RULES, **GREEDY).prefills[0].cached == 0
    held = engine.occupancy()
    assert (held.live, held.idle, held.shelf_bytes) == (0, 0, 0)


def test_at_rest_what_is_kept_is_copied_so_that_it_can_make_way(pocket: Path, fresh, ask) -> None:
    engine = fresh(pocket, parallel=2)
    ask(engine, LONG, **GREEDY)
    assert engine.occupancy().shelf_bytes == 0, "who goes on at once would wait for it"
    ends = time.monotonic() + 10
    while engine.occupancy().shelf_bytes == 0:
        assert time.monotonic() < ends
        time.sleep(0.7)  # to ask is not to let it rest
    copied = engine.occupancy()
    assert (copied.idle, copied.live) == (1, 0)
    ask(engine, "It was raining.", **GREEDY)
    assert engine.occupancy().shelf_bytes == copied.shelf_bytes
    assert ask(engine, LONG, **GREEDY).prefills[0].cached > 900


def test_what_the_shelf_has_no_room_for_is_tried_once(pocket: Path, fresh, ask) -> None:
    engine = fresh(pocket, cache_bytes=1000)
    ask(engine, LONG, **GREEDY)
    time.sleep(0.7)
    assert not engine._sequences.uncopied
    assert engine.occupancy().shelf_bytes == 0
    assert engine.occupancy().idle == 1
