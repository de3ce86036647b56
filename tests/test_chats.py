"""The same conversation on every backend: in this process, and on a real server."""

from __future__ import annotations

import penstock
import pytest
from penstock import Message
from penstock.errors import ContextOverflow

from .openai.real import llama_cpp_server

pytestmark = pytest.mark.anyio

CONTEXT = 256


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    with llama_cpp_server(tmp_path_factory.mktemp("server"), n_ctx=CONTEXT) as url:
        yield url


@pytest.fixture(params=["llamacpp", "ctransformers", "openai"])
def loaded(request):
    """`loaded()` is the pocket model with a short context, by one backend or another."""

    def load():
        if request.param == "openai":
            options = {"base_url": request.getfixturevalue("url"), "context_length": CONTEXT}
            return penstock.load("openai:pocket", options=options)
        return penstock.load(f"{request.param}:pocket:", options={"n_ctx": CONTEXT})

    return load


async def test_three_turns_with_memory(loaded):
    async with loaded() as model:
        chat = model.session("You are kind.")
        await chat.send("My name is Ada.", temperature=0)
        await chat.send("I like the number 7.", temperature=0)
        assert "Ada" in (await chat.send("What is my name?", temperature=0)).text
        assert [message.role for message in chat.history] == ["system"] + ["user", "assistant"] * 3


async def test_a_fork_remembers_and_an_undone_turn_is_forgotten(loaded):
    async with loaded() as model:
        chat = model.session()
        await chat.send("My name is Ada.", temperature=0)
        other = chat.fork()
        chat.undo()
        assert "Ada" in (await other.send("What is my name?", temperature=0)).text
        assert "Ada" not in (await chat.send("What is my name?", temperature=0)).text


async def test_a_saved_conversation_goes_on_the_same(loaded, tmp_path):
    path = tmp_path / "chat.json"
    async with loaded() as model:
        chat = model.session("You are kind, and you listen well to what people tell you.")
        await chat.send("My name is Ada. I live in Paris and I like apples.", temperature=0)
        kept = await chat.save(path, state=True)
        wanted = await chat.send("What is my name?", temperature=0)
        able = model.info.capabilities.state
    assert (kept.tokens > 0) == able == (not kept.reason)
    async with loaded() as model:
        chat = await model.load_session(path)
        found = await chat.send("What is my name?", temperature=0)
    assert found.text == wanted.text
    if able:
        assert chat.state.tokens == kept.tokens
        assert found.usage.cached_tokens >= kept.tokens - 1


async def test_a_conversation_that_is_too_long_is_an_error(loaded):
    history = [Message("user", "one two three " * 60), Message("assistant", "four five " * 60)]
    async with loaded() as model:
        chat = model.session(history=history)
        with pytest.raises(ContextOverflow):
            await chat.send("What is my name?")
        assert chat.history == tuple(history)


async def test_the_oldest_turns_are_left_out(loaded):
    async with loaded() as model:
        chat = model.session("You are kind.", context="drop_oldest")
        turns = []
        for number in range(12):
            done = await chat.send(f"I like the number {number}.", max_tokens=16, temperature=0)
            turns.append(done.context.turns if done.context else 0)
            assert done.usage.prompt_tokens < CONTEXT
        await chat.send("My name is Ada.", temperature=0, max_tokens=16)
        assert "Ada" in (await chat.send("What is my name?", temperature=0, max_tokens=16)).text
    assert turns == sorted(turns)
    assert turns[-1] > 0
    assert len(chat.history) == 1 + 2 * 14


async def test_a_summary_takes_the_place_of_the_oldest_turns(loaded):
    def summary(messages):
        return "Your name is Ada."

    async with loaded() as model:
        chat = model.session(context="summarize", summarize=summary)
        for number in range(16):
            done = await chat.send(f"I like the number {number}.", max_tokens=16, temperature=0)
            if done.context:
                break
        assert done.context.summary == "Your name is Ada."
        assert len(chat.history) == 2 * (number + 1)
        assert chat.fork().history == chat.history
