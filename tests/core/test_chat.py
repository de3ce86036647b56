"""Chat: what enters the history, and when."""

from __future__ import annotations

import gc

import anyio
import pytest
from penstock import Aside, Capabilities, Delta, Finish, Message, ModelInfo, ToolCall, ToolCallPart
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


async def test_of_two_that_send_in_the_same_moment_one_is_refused(answering):
    """As two threads may: what is asked is still looked at when the other asks."""

    async with answering("a") as model:
        chat = model.session()

        def stops():
            with pytest.raises(UsageError, match="the last answer is not finished"):
                chat.send("two")
            yield "."

        await chat.send("one", stop=stops())
    assert [message.content for message in chat.history] == ["one", "a"]


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


async def test_a_history_can_be_given_and_is_plain_data(answering):
    said = [{"role": "user", "content": "red"}, Message("assistant", "red it is")]
    async with answering("a") as model:
        chat = model.session("Be brief.", history=said)
        assert chat.history == (
            Message("system", "Be brief."),
            Message("user", "red"),
            Message("assistant", "red it is"),
        )
        assert model.session(history=chat.history).system == "Be brief."


@pytest.mark.parametrize("history", ["Hi", 7, None, Message("user", "Hi"), {"role": "user"}])
async def test_a_history_that_is_no_list_of_messages_is_refused(answering, history):
    async with answering("a") as model:
        with pytest.raises(UsageError, match="the messages are "):
            model.session(history=history)


async def test_a_history_that_begins_with_a_system_message_takes_no_second(answering):
    async with answering("a") as model:
        with pytest.raises(UsageError, match="two system messages"):
            model.session("Be brief.", history=[Message("system", "Be kind.")])


async def test_the_system_message_can_be_changed_and_taken_out(answering):
    async with answering("a") as model:
        chat = model.session("Be brief.")
        await chat.send("go")
        chat.system = "Be kind."
        assert [message.role for message in chat.history] == ["system", "user", "assistant"]
        assert chat.system == "Be kind."
        chat.system = None
        assert chat.system is None
        assert [message.role for message in chat.history] == ["user", "assistant"]


async def test_a_fork_and_its_origin_go_their_own_ways():
    async with hosted(EchoEngine()) as model:
        chat = model.session("Be brief.", keep_partial=True)
        await chat.send("red")
        other = chat.fork()
        await chat.send("green")
        await other.send("blue")
        assert [m.content for m in chat.history][3] == "green"
        assert [m.content for m in other.history][3] == "blue"
        async for _ in other.send("grey"):
            break
        assert len(other.history) == 7, "a fork keeps the settings"


async def test_a_fork_can_be_made_while_an_answer_is_given(answering):
    async with answering("a", "b") as model:
        chat = model.session()
        answer = chat.send("go")
        other = chat.fork()
        await other.send("stay")
        await answer
    assert [m.content for m in chat.history] == ["go", "ab"]
    assert [m.content for m in other.history] == ["stay", "ab"]


async def test_undo_takes_whole_turns_out_and_returns_them(answering):
    async with answering("a") as model:
        chat = model.session("Be brief.")
        for text in ("one", "two", "three"):
            await chat.send(text)
        assert [m.content for m in chat.undo()] == ["three", "a"]
        assert [m.content for m in chat.undo(2)] == ["one", "a", "two", "a"]
        assert chat.history == (Message("system", "Be brief."),)
        with pytest.raises(UsageError, match="There are 0 turns"):
            chat.undo()


async def test_a_turn_taken_out_can_be_sent_again(answering):
    async with answering("a") as model:
        chat = model.session()
        await chat.send("go")
        taken = chat.undo()
        await chat.send(taken[0].content)
    assert [message.content for message in chat.history] == ["go", "a"]


@pytest.mark.parametrize("turns", [0, -1, 2, "1", 1.0])
async def test_no_more_turns_are_undone_than_there_are(answering, turns):
    async with answering("a") as model:
        chat = model.session()
        await chat.send("go")
        with pytest.raises(UsageError, match="There are 1 turns"):
            chat.undo(turns)
    assert len(chat.history) == 2


async def test_nothing_is_changed_while_an_answer_is_given(answering, tmp_path):
    async with answering("a") as model:
        chat = model.session()
        await chat.send("one")
        answer = chat.send("two")
        assert chat.answering
        with pytest.raises(UsageError, match="undo: the last answer is not finished"):
            chat.undo()
        with pytest.raises(UsageError, match="set system: the last answer is not finished"):
            chat.system = "Be brief."
        with pytest.raises(UsageError, match="save: the last answer is not finished"):
            await chat.save(tmp_path / "chat.json")
        await answer
        assert not chat.answering
    assert len(chat.history) == 4


# tools

WEATHER = ToolCall("call_1", "weather", '{"city": "Paris"}')
TIME = ToolCall("call_2", "time", "{}")


@pytest.fixture
def calling():
    """A model that takes messages as they are, and calls two tools before it answers."""

    def script(request):
        if request.messages[-1].role == "tool":
            yield "Mild, at noon."
            return
        for at, call in enumerate((WEATHER, TIME)):
            part = ToolCallPart(at, call.id, call.name, call.arguments)
            yield Delta("", 1, aside=Aside(tool_calls=(part,)))
        yield Finish("tool_calls")

    engine = EchoEngine(script)
    able = Capabilities(messages=True, options=frozenset({"tools"}), parallel=None)
    engine.info = ModelInfo(name="caller", capabilities=able)
    return hosted(engine)


async def test_results_of_tools_go_on_with_the_turn(calling):
    async with calling as model:
        chat = model.session()
        await chat.send("Weather, and time?", tools=[{"name": "weather"}, {"name": "time"}])
        assert chat.pending == (WEATHER, TIME)
        other = chat.fork()
        done = await chat.send_results({"call_2": "12:00", "call_1": "18 degrees"})
        await other.send_results(["18 degrees", "12:00"])
        assert other.history == chat.history
        assert done.text == "Mild, at noon."
        assert chat.pending == ()
        assert chat.history == (
            Message("user", "Weather, and time?"),
            Message("assistant", "", (WEATHER, TIME)),
            Message("tool", "18 degrees", tool_call_id="call_1"),
            Message("tool", "12:00", tool_call_id="call_2"),
            Message("assistant", "Mild, at noon."),
        )
        assert len(chat.undo()) == 5, "it is one turn"


@pytest.mark.parametrize(
    "results",
    [
        *({}, {"call_1": "x"}, {"call_1": "x", "call_2": "y", "z": ""}, [], ["x"], "xy"),
        *(None, {"call_1": "x", 2: "y"}, {"x", "y"}, iter(["x", "y"])),
    ],
)
async def test_every_call_gets_one_result(calling, results):
    async with calling as model:
        chat = model.session()
        await chat.send("Weather, and time?")
        with pytest.raises(UsageError, match=r"calls \['call_1', 'call_2'\]"):
            chat.send_results(results)


async def test_a_call_that_was_cut_off_is_not_kept():
    """Nobody could run it, and no server takes a conversation in which it has no result."""

    def script(request):
        yield "Let me look."
        for piece in ('{"city"', ': "Paris"}'):
            part = ToolCallPart(0, WEATHER.id, WEATHER.name, piece)
            yield Delta("", 1, aside=Aside(tool_calls=(part,)))
        yield Finish("tool_calls")

    async with hosted(EchoEngine(script)) as model:
        chat = model.session(keep_partial=True)
        async for delta in chat.send("Weather?"):
            if delta.aside:
                break
    assert chat.pending == ()
    assert chat.history == (Message("user", "Weather?"), Message("assistant", "Let me look."))


async def test_results_need_a_call(answering):
    async with answering("a") as model:
        chat = model.session()
        with pytest.raises(UsageError, match="called no tool"):
            chat.send_results({})
