"""The decode loop: progress, limits, leaving, failing, and reuse that changes nothing."""

from __future__ import annotations

import ctypes
import itertools

import pytest
from penstock.backend import CancelFlag
from penstock.errors import ContextOverflow, EngineError, ModelClosed, UsageError
from penstock.events import Finish, Prefill, Token
from penstock_llamacpp.context import CHUNK

LONG = "the a th " * 60  # several chunks
GREEDY = {"temperature": 0, "ignore_eos": True}


def held(engine) -> int:
    """How many tokens the engine's memory holds: the position of the last one, plus one."""
    native = engine._weights.library.structs
    memory = native.llama_get_memory(native.llama_context_p(engine._context.pointer))
    return native.llama_memory_seq_pos_max(memory, 0) + 1


@pytest.fixture(name="held")
def _held():
    return held


def test_the_first_event_comes_before_any_work(fresh, request_for, monkeypatch) -> None:
    engine = fresh()
    called = []
    monkeypatch.setattr(engine._context._library, "decode", lambda *_: called.append(1) or 0)
    events = engine.generate(request_for(LONG, max_tokens=5), CancelFlag())
    total = len(engine.tokenize(LONG))
    assert next(events) == Prefill(0, total, 0)
    assert not called
    events.close()


def test_prompt_progress_reaches_the_total_in_small_steps(engine, ask) -> None:
    answer = ask(engine, LONG, **GREEDY, max_tokens=1)
    done = [prefill.processed for prefill in answer.prefills]
    assert done == sorted(set(done))
    assert done[-1] == answer.prefills[-1].total == answer.finish.usage.prompt_tokens
    assert max(b - a for a, b in itertools.pairwise(done)) <= CHUNK


def test_usage_counts_what_was_delivered(engine, ask) -> None:
    answer = ask(engine, "a", **GREEDY, max_tokens=7)
    usage = answer.finish.usage
    assert (usage.completion_tokens, usage.source) == (7, "engine")
    assert len(answer.tokens) == 7


def test_tokens_carry_rising_times(engine, ask) -> None:
    times = [token.at for token in ask(engine, "a", **GREEDY, max_tokens=9).tokens]
    assert times == sorted(times)
    assert times[0] > 0


def test_max_tokens_costs_no_evaluation_after_the_last_token(fresh, ask, held) -> None:
    engine = fresh()
    ask(engine, "a", **GREEDY, max_tokens=5)
    assert held(engine) == len(engine.tokenize("a")) + 4


def test_leaving_stops_within_one_token(fresh, request_for, held) -> None:
    engine = fresh()
    events = engine.generate(request_for("a", **GREEDY, max_tokens=100), CancelFlag())
    tokens = [event for event in itertools.islice(events, 6) if isinstance(event, Token)]
    events.close()
    assert held(engine) == len(engine.tokenize("a")) + len(tokens) - 1


def test_cancelling_leaves_the_prompt_after_the_chunk_at_hand(fresh, request_for, held) -> None:
    engine, cancel = fresh(), CancelFlag()
    events = engine.generate(request_for(LONG * 3, max_tokens=5), cancel)
    next(events)
    next(events)
    cancel.set()
    assert list(events) == []
    assert held(engine) == CHUNK


def test_cancelled_before_it_begins_a_request_does_nothing(fresh, request_for, held) -> None:
    engine, cancel = fresh(), CancelFlag()
    cancel.set()
    events = list(engine.generate(request_for("a", max_tokens=5), cancel))
    assert [type(event) for event in events] == [Prefill]
    assert held(engine) == 0


def test_the_context_can_be_filled_to_the_end(fresh, ask) -> None:
    engine = fresh(n_ctx=256)
    answer = ask(engine, "a", **GREEDY)
    assert answer.finish.reason == "length"
    assert len(answer.tokens) == engine.info.context_length - len(engine.tokenize("a"))


@pytest.mark.parametrize("spare", [0, -1, -500])
def test_a_prompt_that_leaves_no_room_is_refused_before_any_work(
    fresh, request_for, held, spare: int
) -> None:
    engine = fresh(n_ctx=256)
    prompt = "\x01" * (256 - spare - len(engine.tokenize("\x01")) + 1)
    assert len(engine.tokenize(prompt)) == 256 - spare
    with pytest.raises(ContextOverflow) as caught:
        next(engine.generate(request_for(prompt, max_tokens=5), CancelFlag()))
    assert (caught.value.prompt_tokens, caught.value.context_length) == (256 - spare, 256)
    assert held(engine) == 0


def test_a_prompt_that_leaves_room_for_one_token_gives_one(fresh, ask) -> None:
    engine = fresh(n_ctx=256)
    prompt = "\x01" * (255 - len(engine.tokenize("\x01")) + 1)
    answer = ask(engine, prompt, **GREEDY)
    assert (len(answer.tokens), answer.finish.reason) == (1, "length")


def test_an_empty_prompt_begins_a_text(engine, ask) -> None:
    assert len(ask(engine, "", **GREEDY, max_tokens=3).tokens) == 3


def test_an_empty_prompt_without_bos_is_an_error(fresh, request_for) -> None:
    engine = fresh()
    engine._vocabulary._adds_bos = False
    with pytest.raises(UsageError, match="empty"):
        next(engine.generate(request_for(""), CancelFlag()))


def test_a_prefix_is_reused_in_whole_chunks(fresh, ask) -> None:
    engine = fresh()
    ask(engine, LONG, **GREEDY, max_tokens=20)
    again = ask(engine, LONG + " and on", **GREEDY, max_tokens=20)
    cached = again.finish.usage.cached_tokens
    assert cached > len(engine.tokenize(LONG)) - CHUNK
    assert cached % CHUNK == 0
    assert {prefill.cached for prefill in again.prefills} == {cached}
    assert again.prefills[0].processed == 0
    assert again.prefills[1].processed > cached


def test_another_prompt_reuses_nothing(fresh, ask) -> None:
    engine = fresh()
    ask(engine, LONG, **GREEDY, max_tokens=3)
    assert ask(engine, "b" + LONG, **GREEDY, max_tokens=3).finish.usage.cached_tokens == 0


def test_reuse_never_changes_the_text_nor_a_bit_of_the_logits(fresh, ask) -> None:
    """Whatever ran before, a request comes out as it does alone."""
    prompts = [LONG * 2, LONG, LONG + "b" * 50, LONG * 2 + "c", "a", LONG * 2, LONG[:700]]
    options = {"temperature": 1.5, "seed": 7, "ignore_eos": True, "max_tokens": 12}
    shared = fresh()
    for prompt in prompts:
        alone = fresh()
        expected = ask(alone, prompt, **options)
        got = ask(shared, prompt, **options)
        assert got.ids == expected.ids
        assert logits(shared) == logits(alone)


def logits(engine) -> bytes:
    native = engine._weights.library.structs
    row = native.llama_get_logits_ith(native.llama_context_p(engine._context.pointer), -1)
    return ctypes.string_at(row, 4 * engine.info.vocabulary_size)


def test_without_rewinding_nothing_is_reused(fresh, ask) -> None:
    engine = fresh()
    engine._decoder._rewinds = False
    first = ask(engine, LONG, **GREEDY, max_tokens=10)
    again = ask(engine, LONG, **GREEDY, max_tokens=10)
    assert again.finish.usage.cached_tokens == 0
    assert again.ids == first.ids


def test_after_leaving_anywhere_the_next_answer_is_right(fresh, ask, request_for) -> None:
    engine = fresh()
    expected = ask(engine, LONG, **GREEDY, max_tokens=10).ids
    for count in range(1, 12):
        events = engine.generate(request_for(LONG[count:] * 2, **GREEDY), CancelFlag())
        list(itertools.islice(events, count))
        events.close()
        assert ask(engine, LONG, **GREEDY, max_tokens=10).ids == expected


@pytest.mark.parametrize("code", [1, 2, -1, -2, -3, 99])
@pytest.mark.parametrize("at", [0, 1, 6])
def test_a_failing_decode_is_an_error_and_the_engine_stays_usable(
    fresh, ask, request_for, monkeypatch, code: int, at: int
) -> None:
    engine = fresh()
    library = engine._context._library
    expected = ask(engine, LONG, **GREEDY, max_tokens=5).ids
    real, calls = library.decode, itertools.count()

    def failing(*given: object) -> int:
        return code if next(calls) == at else real(*given)

    monkeypatch.setattr(library, "decode", failing)
    with pytest.raises(EngineError, match=f"llama_decode returned {code}"):
        list(engine.generate(request_for("b" + LONG, **GREEDY, max_tokens=9), CancelFlag()))
    assert ask(engine, LONG, **GREEDY, max_tokens=5).ids == expected


def test_a_generation_that_was_replaced_says_so(fresh, ask, request_for) -> None:
    engine = fresh()
    first = engine.generate(request_for("a", **GREEDY, max_tokens=50), CancelFlag())
    list(itertools.islice(first, 4))
    expected = ask(engine, "b", **GREEDY, max_tokens=5)
    with pytest.raises(EngineError, match="another generation"):
        next(first)
    assert ask(engine, "b", **GREEDY, max_tokens=5).ids == expected.ids


@pytest.mark.parametrize("taken", [0, 1, 2, 5])
def test_a_generation_on_a_closed_engine_is_an_error(fresh, request_for, taken: int) -> None:
    engine = fresh()
    events = engine.generate(request_for(LONG, **GREEDY, max_tokens=50), CancelFlag())
    list(itertools.islice(events, taken))
    engine.close()
    with pytest.raises(ModelClosed):
        list(events)


def test_the_space_a_vocabulary_adds_is_dropped_after_a_control_token(trained, ask, chat) -> None:
    assert not ask(trained, chat, temperature=0, max_tokens=5).data.startswith(b" ")


def test_a_raw_completion_keeps_its_space(engine, ask) -> None:
    answers = [ask(engine, prompt, **GREEDY, max_tokens=1) for prompt in ("a", "b", "c", "the")]
    for answer in answers:
        assert answer.data == engine._vocabulary.learn(answer.ids[0])


def test_the_last_event_is_the_finish(engine, request_for) -> None:
    events = list(engine.generate(request_for("a", **GREEDY, max_tokens=3), CancelFlag()))
    assert [type(event) for event in events[-4:]] == [Token, Token, Token, Finish]
