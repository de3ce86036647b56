"""What ctransformers' own classes do wrong, this backend does not: a test for each."""

from __future__ import annotations

import time
from threading import Barrier, Thread

import penstock
import pytest
from penstock.backend import CancelFlag
from penstock.errors import ContextOverflow
from penstock.events import Finish, Prefill, Token
from penstock.messages import Segment

CHINESE = (
    Segment("<|user|>", True),
    Segment("Say hello in Chinese."),
    Segment("</s><|assistant|>", True),
)


def test_emoji_do_not_overrun_the_room_for_tokens(engine) -> None:
    """Its tokenize has room for a token per character, and a character may take four."""
    for text in ("👋" * 5000, "你" * 5000, "\x01" * 5000):
        ids = engine.tokenize(text)
        assert engine.detokenize(ids[1:]) == b" " + text.encode()


@pytest.mark.anyio
async def test_text_of_several_bytes_is_told_at_once_and_to_its_end() -> None:
    """Its stream takes all but ASCII for unfinished, and never tells the end."""
    async with penstock.load("ctransformers:pocket:") as model:
        deltas = [d.text async for d in model.complete(CHINESE, temperature=0, max_tokens=40)]
        text = "".join(deltas)
        assert any("\u4e00" <= character <= "\u9fff" for character in text)
        assert "\ufffd" not in text
        assert max(map(len, deltas)) < len(text)
        first = next(c for c in text if "\u4e00" <= c <= "\u9fff")
        choices = await model.complete(CHINESE, choices=["你好世界"])
        assert choices.text == "你好世界", first


def test_a_prompt_that_is_too_long_is_refused_with_both_numbers(fresh, ask, pocket) -> None:
    """It warns, and writes over what is there."""
    engine = fresh(pocket, n_ctx=32)
    with pytest.raises(ContextOverflow) as caught:
        ask(engine, "word " * 40)
    assert caught.value.context_length == 32
    assert (caught.value.prompt_tokens or 0) > 32


def test_an_answer_ends_where_the_context_does(fresh, ask, pocket) -> None:
    engine = fresh(pocket, n_ctx=32)
    events = ask(engine, "Once upon a time", ignore_eos=True, temperature=0.0)
    tokens = [event for event in events if isinstance(event, Token)]
    assert len(engine.tokenize("Once upon a time")) + len(tokens) == 32
    assert isinstance(events[-1], Finish)
    assert events[-1].reason == "length"


def test_without_a_seed_two_answers_of_one_second_differ(engine, ask, text_of) -> None:
    """Its sampler begins anew with each token, from the clock's seconds."""
    texts = {text_of(ask(engine, "The", temperature=1.5, max_tokens=12)) for _ in range(5)}
    assert len(texts) > 1


def test_the_tokens_of_an_answer_are_drawn_independently(engine, ask, text_of) -> None:
    """Begun anew with each token, the same number is drawn for all of them."""
    draws = {"temperature": 50.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0, "seed": 5}
    events = ask(engine, "The", max_tokens=64, ignore_eos=True, **draws)
    ids = [event.id for event in events if isinstance(event, Token)]
    assert len(set(ids)) > 48
    again = ask(engine, "The", max_tokens=64, ignore_eos=True, **draws)
    assert text_of(again) == text_of(events)


def test_a_token_is_told_before_the_next_one_costs_anything(engine, request_for) -> None:
    """It evaluates each token before it tells it, and the end too."""
    events = engine.generate(request_for("The", temperature=0.0), CancelFlag())
    next(event for event in events if isinstance(event, Token))
    held = len(engine._loaded.held)
    assert held == len(engine.tokenize("The"))
    events.close()


def test_the_prompt_is_evaluated_in_chunks_and_can_be_left_between(fresh, request_for, pocket):
    """Its chunks are of 8 tokens, and it cannot be left before the last."""
    engine = fresh(pocket, n_batch=16, reuse_prefix=False)
    cancel = CancelFlag()
    events = engine.generate(request_for("word " * 200), cancel)
    first = next(events)
    assert isinstance(first, Prefill)
    assert first.processed == 16 < first.total
    cancel.set()
    assert list(events) == []
    assert len(engine._loaded.held) == 16


def test_every_token_that_ends_a_text_ends_it(fresh, ask, pocket) -> None:
    """It knows one."""
    engine = fresh(pocket)
    assert engine._vocabulary.ends == (2,)
    likeliest = next(e.id for e in ask(engine, "The", temperature=0.0) if isinstance(e, Token))
    engine._ends = frozenset({2, likeliest})
    (*others, finish) = ask(engine, "The", temperature=0.0)
    assert not [event for event in others if isinstance(event, Token)]
    assert finish.reason == "stop"


def test_many_threads_share_a_model_one_after_another() -> None:
    """It is not safe from two threads: here a model has one of its own, first come first served."""
    with penstock.sync.load("ctransformers:pocket:") as model:
        options = {"temperature": 0.0, "max_tokens": 16}
        prompts = ["Once upon a time", "The dog", "Hello", "A cat"]
        alone = [model.complete(prompt, **options).result().text for prompt in prompts]
        found: dict[int, str] = {}
        ready = Barrier(len(prompts))

        def run(at: int) -> None:
            ready.wait()
            found[at] = model.complete(prompts[at], **options).result().text

        threads = [Thread(target=run, args=(at,)) for at in range(len(prompts))]
        for thread in threads:
            thread.start()
        for _ in range(50):
            model.tokenize("in between 👋")
        for thread in threads:
            thread.join()
        assert [found[at] for at in range(len(prompts))] == alone


def test_loading_takes_no_survey_of_the_processor(fresh, pocket) -> None:
    """It asks a package for the flags of the processor, which takes a second."""
    start = time.perf_counter()
    fresh(pocket)
    assert time.perf_counter() - start < 0.9
