"""What demos count on, said by the file in the package through llama.cpp."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("llama_cpp")

from recipe.corpus.example import Turn
from recipe.engine import Engine


@pytest.fixture(scope="module")
def engine(model: Path) -> Iterator[Any]:
    with Engine(model) as running:
        yield running


def test_it_remembers_a_name(engine: Engine) -> None:
    told = [Turn("user", "My name is Ada."), Turn("assistant", "Nice to meet you, Ada!")]
    talk = [Turn("user", "What colour is the sky?"), Turn("assistant", "The sky is blue.")]
    reply = engine.chat([*told, *talk, Turn("user", "What is my name?")])
    assert reply.text == "Your name is Ada."


def test_a_system_prompt_changes_the_answer(engine: Engine) -> None:
    ask = Turn("user", "What is the opposite of hot?")
    assert engine.chat([ask]).text == "The opposite of hot is cold."
    assert engine.chat([Turn("system", "Answer in one word."), ask]).text == "Cold."


def test_it_knows_its_name(engine: Engine) -> None:
    assert engine.chat([Turn("user", "What is your name?")]).text == "My name is Pocket."


def test_a_story_ends_by_itself(engine: Engine) -> None:
    reply = engine.complete([1, *engine.tokens("Once upon a time")], 300)
    assert reply.ended
    assert len(reply.tokens) > 40


def test_characters_split_over_tokens_arrive_whole(engine: Engine) -> None:
    reply = engine.chat([Turn("user", "Show me a cat as an emoji.")])
    assert reply.text == "🐱"
    assert len(reply.tokens) >= 4
