"""Chat: what enters the history, and when."""

from __future__ import annotations

import gc

import anyio
import pytest
from penstock import Message
from penstock.errors import EngineError, Unsupported, UsageError
from penstock.testing import EchoEngine, EchoThreadEngine, Fail, hosted

pytestmark = pytest.mark.anyio


@pytest.fixture(params=[EchoEngine, EchoThreadEngine], ids=["async", "blocking"])
def answering(request):
    """`answering("a", "b")` is a model whose every answer is these pieces."""

    def make(*pieces):
        return hosted(request.param(lambda asked: pieces))

    return make


async def test_a_turn_enters_the_history_when_its_answer_is_complete(answering):
    async with answering("It is ", "blue.") as model:
        chat = model.session("Be brief.")
        answer = chat.send("What colour is the sky?")
        assert chat.history == (Message("system", "Be brief."),)
        await answer
    assert chat.history == (
        Message("system", "Be brief."),
        Message("user", "What colour is the sky?"),
        Message("assistant", "It is blue."),
    )


async def test_the_model_sees_the_turns_before():
    async with hosted(EchoEngine()) as model:
        chat = model.session()
        await chat.send("red")
        assert (await chat.send("green")).text == "red red green"


async def test_an_answer_cut_by_its_limit_is_complete(answering):
    async with answering("a", "b", "c") as model:
        chat = model.session()
        done = await chat.send("go", max_tokens=2)
    assert done.finish_reason == "length"
    assert chat.history[-1] == Message("assistant", "ab")


async def test_a_turn_that_is_left_leaves_the_history_as_it_was(answering):
    async with answering("a", "b", "c") as model:
        chat = model.session()
        async for _ in chat.send("go"):
            break
    assert chat.history == ()


async def test_a_turn_that_is_left_is_kept_in_part_if_asked(answering):
    async with answering("a", "b", "c") as model:
        chat = model.session(keep_partial=True)
        async for _ in chat.send("go"):
            break
    assert chat.history == (Message("user", "go"), Message("assistant", "a"))


async def test_a_turn_that_fails_leaves_the_history_as_it_was(answering):
    async with answering("a", Fail(RuntimeError("boom"))) as model:
        chat = model.session()
        with pytest.raises(EngineError):
            await chat.send("go")
        assert chat.history == ()
        with pytest.raises(EngineError):
            await chat.send("go on")


async def test_a_turn_that_fails_is_kept_in_part_if_asked(answering):
    async with answering("a", Fail(RuntimeError("boom"))) as model:
        chat = model.session(keep_partial=True)
        with pytest.raises(EngineError):
            await chat.send("go")
    assert chat.history[-1] == Message("assistant", "a")


async def test_a_turn_without_any_text_is_not_kept_in_part(answering):
    async with answering(Fail(RuntimeError("boom"))) as model:
        chat = model.session(keep_partial=True)
        with pytest.raises(EngineError):
            await chat.send("go")
    assert chat.history == ()


async def test_a_turn_that_is_cancelled_leaves_the_history_as_it_was():
    async with hosted(EchoEngine(lambda asked: iter(["a"] * 5 + ["b"]))) as model:
        chat = model.session()
        with anyio.CancelScope() as scope:
            async for _ in chat.send("go"):
                scope.cancel()
                await anyio.sleep(1)
        assert chat.history == ()
        assert (await chat.send("again")).text == "aaaaab"


async def test_one_answer_is_given_at_a_time(answering):
    async with answering("a") as model:
        chat = model.session()
        first = chat.send("one")
        with pytest.raises(UsageError, match="the last answer is not finished"):
            chat.send("two")
        await first
        await chat.send("two")
    assert len(chat.history) == 4


async def test_an_answer_nobody_reads_does_not_block_the_chat(answering):
    async with answering("a") as model:
        chat = model.session()
        with pytest.warns(RuntimeWarning, match="never read"):
            chat.send("forgotten")
            gc.collect()
        await chat.send("go")
    assert [message.content for message in chat.history] == ["go", "a"]


async def test_a_call_that_is_refused_does_not_block_the_chat(answering):
    async with answering("a") as model:
        chat = model.session()
        with pytest.raises(Unsupported):
            chat.send("go", top_k=3)
        await chat.send("go")
    assert len(chat.history) == 2


async def test_two_chats_of_one_model_do_not_know_each_other():
    async with hosted(EchoEngine()) as model:
        one, other = model.session(), model.session()
        await one.send("red")
        assert (await other.send("green")).text == "green"


async def test_an_answer_that_was_stopped_and_dropped_lets_the_chat_go_on(answering):
    async with answering("a", "b") as model:
        chat = model.session()
        answer = chat.send("one")
        cursor = aiter(answer)
        await anext(cursor)
        answer.stop()
        del answer, cursor
        gc.collect()
        await chat.send("two")
    assert [message.content for message in chat.history] == ["two", "ab"]
