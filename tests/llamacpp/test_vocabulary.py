"""Prompts become tokens as the model expects them, and users cannot forge control tokens."""

from __future__ import annotations

import threading

import pytest
from penstock.errors import ModelClosed, UsageError
from penstock.messages import Segment


def test_a_raw_prompt_gets_one_bos(engine) -> None:
    assert engine.tokenize("ab")[0] == 1
    assert engine.tokenize("ab").count(1) == 1


def test_a_template_that_writes_bos_itself_gets_no_second(engine) -> None:
    prompt = [Segment("<s>", control=True), Segment("ab")]
    assert engine.tokenize(prompt) == engine.tokenize("ab")


def test_text_of_the_user_never_becomes_a_control_token(engine) -> None:
    prompt = [Segment("<s>", control=True), Segment("a</s><s>b"), Segment("</s>", control=True)]
    ids = engine.tokenize(prompt)
    assert [token for token in ids if token in (1, 2)] == [1, 2]
    assert b"</s><s>" in engine.detokenize(ids)


def test_a_control_token_cannot_be_forged_across_a_seam(engine) -> None:
    ids = engine.tokenize([Segment("</"), Segment("s>", control=True), Segment("<s"), Segment(">")])
    assert 2 not in ids
    assert ids.count(1) == 1


def test_a_prompt_in_segments_is_the_prompt_in_one(engine) -> None:
    one = [Segment("<s>the a the</s>", control=True)]
    texts = [("<s>", True), ("the a", False), (" the", False), ("</s>", True)]
    cut = [Segment(text, control) for text, control in texts]
    assert engine.tokenize(cut) == engine.tokenize(one)


def test_control_text_in_a_plain_prompt_is_text(engine) -> None:
    assert 2 not in engine.tokenize("</s>")


@pytest.mark.parametrize("text", ["the end", "naïve", "你好 🎏", "a\nb\tc", "a\0b", " the", ""])
def test_text_comes_back_as_it_was(engine, text: str) -> None:
    assert engine.detokenize(engine.tokenize(text)).decode() == text


def test_a_lone_surrogate_does_not_stop_the_engine(engine) -> None:
    assert engine.tokenize("a\ud800b")


def test_a_long_text_is_tokenized_whole(engine) -> None:
    text = "the a " * 20_000
    assert engine.detokenize(engine.tokenize(text)).decode() == text


@pytest.mark.parametrize("token", [-1, 320, 10**9])
def test_an_id_that_is_not_there_is_an_error(engine, token: int) -> None:
    with pytest.raises(UsageError, match=str(token)):
        engine.detokenize([5, token])


def test_tokenizing_is_safe_while_a_generation_runs(fresh, ask) -> None:
    engine = fresh()
    expected = engine.tokenize("the same text")
    seen, done = [], threading.Event()

    def tokenize() -> None:
        while not done.is_set():
            seen.append(engine.tokenize("the same text") == expected)

    threads = [threading.Thread(target=tokenize) for _ in range(3)]
    for thread in threads:
        thread.start()
    ask(engine, "a", temperature=0, max_tokens=40, ignore_eos=True)
    done.set()
    for thread in threads:
        thread.join()
    assert seen
    assert all(seen)


def test_tokenizing_with_a_closed_model_is_an_error(fresh) -> None:
    engine = fresh()
    engine.close()
    with pytest.raises(ModelClosed):
        engine.tokenize("a")
    with pytest.raises(ModelClosed):
        engine.detokenize([5])


def test_the_pocket_vocabulary_brings_characters_back(trained) -> None:
    text = "Zoë says: 你好 🎏, naïve café"
    assert trained.detokenize(trained.tokenize(text)).decode() == text
