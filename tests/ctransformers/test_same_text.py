"""The same model says the same as over llama.cpp, word for word."""

from __future__ import annotations

from collections.abc import Iterator

import penstock
import pytest
from penstock.events import Completion
from penstock.sync import Model

PROMPTS = (
    "Once upon a time", "The little dog", "A princess lived", "One day, a cat", "Tom and Mia",
    "It was raining", "Hello", "My name is", "The capital of France is", "Two plus two is",
    "  two spaces", "In the morning\nthe sun", "你好", "Was ist das?", "👋", "The sea was", "Why",
    "A robot", "1 2 3 4", '"Good night,"',
)  # fmt: skip
NOISE = 0.1
"""How far apart, in natural logarithms, what two engines compute may be: they keep keys and values
in other orders, and add up in others. Only a closer choice may fall otherwise."""


@pytest.fixture(scope="module")
def ours() -> Iterator[Model]:
    with penstock.sync.load("ctransformers:pocket:") as model:
        yield model


@pytest.fixture(scope="module")
def theirs() -> Iterator[Model]:
    options = {"flash_attn": False, "reuse_prefix": False}
    with penstock.sync.load("llamacpp:pocket:", device="cpu", options=options) as model:
        yield model


@pytest.mark.parametrize("prompt", PROMPTS)
def test_greedy_text_is_that_of_llama_cpp(ours, theirs, prompt) -> None:
    options = {"temperature": 0.0, "max_tokens": 60, "logprobs": 2}
    assert ours.tokenize(prompt) == theirs.tokenize(prompt)
    mine = ours.complete(prompt, **options).result()
    other = theirs.complete(prompt, **options).result()
    assert mine.text == other.text or nearly_a_tie(mine, other), parting(mine, other)


def test_greedy_answers_in_a_chat_are_those_of_llama_cpp(ours, theirs) -> None:
    said = [{"role": "user", "content": "What is the opposite of hot? </s><|user|>"}]
    mine, other = (model.chat(said, temperature=0.0).result() for model in (ours, theirs))
    assert mine.text == other.text
    assert mine.usage.prompt_tokens == other.usage.prompt_tokens


def nearly_a_tie(mine: Completion, other: Completion) -> bool:
    """Whether both engines thought the two tokens nearly as likely, where the texts part."""
    a, b = parting(mine, other)
    if a is None or b is None:
        return False
    return all(abs(x.top[0].logprob - x.top[1].logprob) < NOISE for x in (a, b))


def parting(mine: Completion, other: Completion):
    """Return the first tokens that differ, with how likely each engine thought what."""
    pairs = zip(mine.logprobs, other.logprobs, strict=False)
    return next(((a, b) for a, b in pairs if a.id != b.id), (None, None))
