"""Context policies: what is sent of a conversation that is too long, and what is told of it."""

from __future__ import annotations

import anyio
import penstock
import pytest
from penstock import Capabilities, ContextReport, Deadlines, Message, ModelInfo
from penstock.chat import summaries
from penstock.errors import (
    ContextOverflow,
    DeadlineExceeded,
    GenerationError,
    ModelClosed,
    UsageError,
)
from penstock.testing import EchoBatchEngine, EchoEngine, EchoOptions, EchoThreadEngine, hosted

pytestmark = pytest.mark.anyio

WORDS = "three words more "


@pytest.fixture(params=[EchoEngine, EchoThreadEngine], ids=["async", "blocking"])
def small(request):
    """A model with a small context, that counts tokens and says back what it is told."""

    def make(context_length=60):
        return hosted(request.param(options=EchoOptions(context_length=context_length)))

    return make


@pytest.fixture
def server():
    """An engine that takes messages as they are, counts nothing beforehand, and notes what it got.

    Its context holds so many characters.
    """

    class Server(EchoEngine):
        def __init__(self, room=45):
            self.asked = []
            self.room = room
            super().__init__(self.serve)
            able = Capabilities(messages=True, parallel=1)
            self.info = ModelInfo(name="server", capabilities=able)

        def serve(self, request):
            self.asked.append(request.messages)
            size = sum(len(message.content) for message in request.messages)
            if size > self.room:
                raise ContextOverflow(message="too long")
            yield "a" * 9

    return Server


def contents(messages):
    return [message.content for message in messages]


async def talk(chat, turns, **options):
    return [await chat.send(f"{number} {WORDS}", **options) for number in range(turns)]


async def test_an_overflow_is_an_error_unless_said_otherwise(small):
    async with small() as model:
        chat = model.session("Be brief.")
        with pytest.raises(ContextOverflow) as caught:
            await talk(chat, 9, max_tokens=4)
        assert caught.value.prompt_tokens >= caught.value.context_length == 60
        assert len(chat.history) % 2 == 1, "the turn that did not fit is not in it"


async def test_the_oldest_turns_are_left_out_and_the_history_stays_whole(small):
    async with small() as model:
        chat = model.session("Be brief.", context="drop_oldest")
        done = await talk(chat, 6, max_tokens=4)
    assert done[0].context is None
    last = done[-1].context
    assert last == ContextReport(policy="drop_oldest", messages=last.turns * 2, turns=last.turns)
    assert last.turns > 0
    assert len(chat.history) == 13


async def test_as_few_turns_as_needed_are_left_out(small):
    async with small() as model:
        chat = model.session("Be brief.", context="drop_oldest")
        done = (await talk(chat, 6, max_tokens=4))[-1]
        turns = [chat.history[at : at + 2] for at in range(1, 13, 2)]
        kept = [m for turn in turns[done.context.turns - 1 : -1] for m in turn]
        longer = [chat.history[0], *kept, turns[-1][0]]
        segments = await model.render(longer)
        assert len(await model.tokenize(segments)) + 4 > 60
        assert done.usage.prompt_tokens + 4 <= 60


async def test_room_is_kept_for_the_answer(small):
    async with small(400) as model:
        chat = model.session(context="drop_oldest")
        for number in range(40):
            done = await chat.send(f"{number} {WORDS}", max_tokens=90)
            assert done.usage.prompt_tokens + 90 <= 400
        assert done.context.turns > 0


async def test_room_is_kept_for_an_answer_of_open_length(small):
    async with small(400) as model:
        chat = model.session(context="drop_oldest")
        for number in range(12):
            done = await chat.send(f"{number} {WORDS}")
            assert done.usage.prompt_tokens <= 300


async def test_a_turn_that_leaves_less_room_is_sent_alone(small):
    async with small() as model:
        chat = model.session(context="drop_oldest")
        await chat.send("red")
        done = await chat.send("x" * 120, max_tokens=30)
        assert 30 < done.usage.prompt_tokens < 60
        assert done.context.turns == 1
        assert done.finish_reason == "length"


async def test_a_turn_that_does_not_fit_alone_is_an_error(small):
    async with small() as model:
        chat = model.session("Be brief.", context="drop_oldest")
        await chat.send("red")
        with pytest.raises(ContextOverflow) as caught:
            await chat.send("x" * 600)
        assert caught.value.prompt_tokens > caught.value.context_length == 60
        assert len(chat.history) == 3
        assert (await chat.send("green", max_tokens=9)).text


async def test_what_an_engine_refuses_is_sent_again_with_a_turn_less(server):
    engine = server()
    async with hosted(engine) as model:
        chat = model.session("S", context="drop_oldest")
        done = await talk(chat, 4)
        assert [one.context and one.context.turns for one in done] == [None, 1, 2, 3]
        sent = engine.asked[-1]
        assert contents(sent) == ["S", f"3 {WORDS}"]
        assert all(messages[0].role == "system" for messages in engine.asked)


async def test_what_was_left_out_is_not_tried_again(server):
    engine = server()
    async with hosted(engine) as model:
        chat = model.session(context="drop_oldest")
        await talk(chat, 6)
        engine.asked.clear()
        await chat.send("more")
        assert len(engine.asked) <= 2
        chat.undo(6)
        engine.asked.clear()
        await chat.send("more")
        assert contents(engine.asked[0])[0] == f"0 {WORDS}"


@pytest.mark.parametrize(
    "settings",
    [{"context": "drop_oldest"}, {"context": "summarize", "summarize": lambda messages: "sum"}],
    ids=lambda settings: settings["context"],
)
async def test_a_turn_that_cannot_fit_takes_no_other_turn_with_it(server, settings):
    """It is refused, and the next one is sent with all that it would have been sent with."""
    engine = server()
    async with hosted(engine) as model:
        chat = model.session("S", **settings)
        await chat.send("red")
        for _ in range(2):
            with pytest.raises(ContextOverflow) as caught:
                await chat.send("x" * 99)
        assert caught.value.partial.context is None
        done = await chat.send("green")
    assert contents(engine.asked[-1]) == ["S", "red", "a" * 9, "green"]
    assert done.context is None


async def test_a_turn_that_is_left_takes_no_other_turn_with_it(server):
    engine = server()
    async with hosted(engine) as model:
        chat = model.session("S", context="drop_oldest")
        await chat.send("red")
        async for _ in chat.send("x" * 40):
            break
        assert contents(engine.asked[-1]) == ["S", "x" * 40]
        done = await chat.send("green")
    assert contents(engine.asked[-1]) == ["S", "red", "a" * 9, "green"]
    assert done.context is None


async def test_a_stream_shows_nothing_of_it(small):
    async with small() as model:
        chat = model.session(context="drop_oldest")
        await talk(chat, 4, max_tokens=4)
        texts = []
        async with chat.send(WORDS, max_tokens=4) as generation:
            async for delta in generation:
                texts.append(delta.text)
            assert generation.completion.context.turns > 0
        assert "".join(texts) == generation.completion.text


async def test_a_batching_engine_is_asked_again_too():
    async with hosted(EchoBatchEngine(options=EchoOptions(context_length=60))) as model:
        chat = model.session(context="drop_oldest")
        done = await talk(chat, 5, max_tokens=4)
        assert done[-1].context.turns > 0
        assert model.running == 0


async def test_turns_with_tools_are_left_out_whole(server):
    called = [
        Message("user", "w" * 30),
        Message("assistant", "", (penstock.ToolCall("1", "look", "{}"),)),
        Message("tool", "r" * 30, tool_call_id="1"),
        Message("assistant", "fine"),
    ]
    engine = server()
    async with hosted(engine) as model:
        chat = model.session(history=called, context="drop_oldest")
        done = await chat.send("and now?")
    assert done.context == ContextReport(policy="drop_oldest", messages=4, turns=1)
    assert contents(engine.asked[-1]) == ["and now?"]


# summaries


@pytest.fixture(params=["plain", "awaited"])
def noting(request):
    """`noting(seen)` is a hook that notes what it gets and makes a short summary of it."""

    def make(seen):
        def plain(messages):
            seen.append(contents(messages))
            return f"sum {len(seen)}"

        async def awaited(messages):
            await anyio.sleep(0)
            return plain(messages)

        return plain if request.param == "plain" else awaited

    return make


async def test_a_summary_stands_for_the_older_turns_and_is_kept(server, noting):
    engine, seen = server(160), []
    async with hosted(engine) as model:
        chat = model.session("S", context="summarize", summarize=noting(seen))
        done = [*await talk(chat, 7), await chat.send("hi")]
    assert len(seen) == 1
    assert seen[0][0] == f"0 {WORDS}"
    first = next(one.context for one in done if one.context)
    assert first.policy == "summarize"
    assert first.summary == "sum 1"
    assert first.messages == 2 * first.turns > 0
    assert done[-1].context.summary == "sum 1", "it goes on to be sent"
    sent = engine.asked[-1]
    assert contents(sent)[:3] == ["S", "Summarise our conversation so far.", "sum 1"]
    assert [m.role for m in sent[1:]] == ["user", "assistant"] * (len(sent) // 2 - 1) + ["user"]
    assert len(chat.history) == 17


async def test_a_summary_stays_though_its_turn_is_left(server, noting):
    engine, seen = server(100), []
    async with hosted(engine) as model:
        chat = model.session(context="summarize", summarize=noting(seen))
        await talk(chat, 3)
        async for _ in chat.send("x" * 26):
            break
        done = await chat.send("hi")
    assert len(seen) == 1
    assert contents(engine.asked[-1])[:2] == ["Summarise our conversation so far.", "sum 1"]
    assert done.context.turns == 2
    assert len(chat.history) == 8


async def test_a_summary_is_summarised_with_what_follows(server, noting):
    engine, seen = server(120), []
    async with hosted(engine) as model:
        chat = model.session(context="summarize", summarize=noting(seen))
        await talk(chat, 9)
    assert len(seen) > 1
    assert seen[1][:2] == ["Summarise our conversation so far.", "sum 1"]


async def test_a_summary_may_be_messages(server):
    engine = server(120)

    def hook(messages):
        return [{"role": "system", "content": "Before: colours."}]

    async with hosted(engine) as model:
        chat = model.session("S", context="summarize", summarize=hook)
        done = await talk(chat, 5)
    assert contents(engine.asked[-1])[:2] == ["S", "Before: colours."]
    assert done[-1].context.summary == "Before: colours."


async def test_the_model_itself_makes_summaries_where_no_hook_is_given(server):
    engine = server(300)
    async with hosted(engine) as model:
        chat = model.session("S", context="summarize")
        done = await talk(chat, 12)
    assert done[-1].context.summary == "a" * 9
    asked = [messages for messages in engine.asked if "Summarise the conv" in messages[-1].content]
    assert len(asked) == 1
    assert asked[0][0].content == f"0 {WORDS}"


async def test_a_history_too_long_to_be_summarised_at_once_is_summarised_in_parts(server):
    """As one is that comes from a model with a longer context."""
    engine = server(300)
    said = [Message(("user", "assistant")[at % 2], f"{at} {WORDS * 2}") for at in range(60)]
    async with hosted(engine) as model:
        chat = model.session("S", history=said, context="summarize")
        done = await chat.send("and now?")
        taken = [asked for asked in engine.asked if sum(map(len, contents(asked))) <= 300]
        assert done.context.summary == "a" * 9
        assert contents(taken[-1])[:3] == ["S", "Summarise our conversation so far.", "a" * 9]
        seen = {message for asked in taken for message in asked}
        assert seen >= set(said), "each was in a summary, or is sent"
        engine.asked.clear()
        await chat.send("hi")
        assert len(engine.asked) == 1


async def test_a_summary_has_room(small):
    """Where what is summarised leaves none, it is summarised in parts too."""
    async with small(400) as model:
        request = await model.render([Message("user", summaries.REQUEST)])
        free = 400 - len(await model.tokenize(request)) - 20
        said = [Message(role, "b" * (3 * free // 4)) for role in ("user", "assistant") * 2]
        whole = await model.render([*said, Message("user", summaries.REQUEST)])
        assert 400 - 20 < len(await model.tokenize(whole)) < 400
        summary = await summaries.summarized_by(model)(tuple(said))
    assert len(summary) == 3 * 100


async def test_a_turn_too_long_to_be_summarised_at_once_is_summarised_in_parts(server):
    """As one is whose answer filled the context."""
    engine = server(300)
    said = [Message("user", "tell me"), Message("assistant", "".join(map(chr, range(100, 500))))]
    async with hosted(engine) as model:
        chat = model.session("S", history=said, context="summarize")
        done = await chat.send("and now?")
        assert (done.context.turns, done.context.summary) == (1, "a" * 9)
    taken = [asked for asked in engine.asked if sum(map(len, contents(asked))) <= 300]
    parts = [asked[1].content for asked in taken if asked[0] == said[0]]
    assert "".join(parts) == said[1].content


async def test_a_context_too_small_to_ask_for_a_summary_is_an_error(server):
    async with hosted(server(len(summaries.REQUEST))) as model:
        chat = model.session(history=[Message("user", "x" * 400)], context="summarize")
        with pytest.raises(ContextOverflow), anyio.fail_after(5):
            await chat.send("and now?")


async def test_a_hook_that_fails_is_the_error_of_the_turn(server):
    def hook(messages):
        raise RuntimeError("no ink")

    async with hosted(server()) as model:
        chat = model.session(context="summarize", summarize=hook)
        await chat.send(WORDS)
        with pytest.raises(GenerationError, match="could not be made shorter.*no ink") as caught:
            await chat.send(WORDS * 2)
        assert isinstance(caught.value.__cause__, RuntimeError)
        assert len(chat.history) == 2
        assert (await chat.send("hi")).text


async def test_a_hook_that_returns_nonsense_is_told(server):
    async with hosted(server()) as model:
        chat = model.session(context="summarize", summarize=lambda messages: 7)
        await chat.send(WORDS)
        with pytest.raises(UsageError, match="summarize returned 7"):
            await chat.send(WORDS * 2)


async def test_a_hook_whose_own_request_overflows_does_not_go_round_in_circles(server):
    engine = server()
    async with hosted(engine) as model:

        def hook(messages):
            return model.chat([*messages, Message("user", "x" * 99)])

        chat = model.session(context="summarize", summarize=hook)
        await chat.send(WORDS)
        with pytest.raises(ContextOverflow):
            await chat.send(WORDS * 2)


async def test_a_summary_that_is_no_shorter_ends_with_the_error(server):
    async with hosted(server()) as model:
        chat = model.session(context="summarize", summarize=lambda messages: "y" * 99)
        await chat.send(WORDS)
        with pytest.raises(ContextOverflow):
            await chat.send(WORDS * 2)


async def test_leaving_ends_a_summary_that_is_waited_for(server):
    scope = anyio.CancelScope()

    async def hook(messages):
        scope.cancel()
        await anyio.sleep_forever()

    async with hosted(server()) as model:
        chat = model.session(context="summarize", summarize=hook)
        await chat.send(WORDS)
        with anyio.fail_after(5):
            with scope:
                await chat.send(WORDS * 2)
            assert scope.cancelled_caught
            assert not chat.answering
            assert len(chat.history) == 2
            assert (await chat.send("hi")).text


async def test_a_deadline_counts_while_a_summary_is_made(server):
    ended = []

    async def hook(messages):
        try:
            await anyio.sleep_forever()
        finally:
            ended.append(True)

    async with hosted(server()) as model:
        chat = model.session(context="summarize", summarize=hook)
        await chat.send(WORDS)
        generation = chat.send(WORDS * 2, deadlines=Deadlines(total=0.05))
        with pytest.raises(DeadlineExceeded), anyio.fail_after(5):
            await generation
        await generation.idle()
        assert ended == [True]
        assert len(chat.history) == 2


async def test_closing_the_model_ends_a_summary_that_is_waited_for(server):
    begun, errors = anyio.Event(), []

    async def hook(messages):
        begun.set()
        await anyio.sleep_forever()

    async def wait(generation):
        try:
            await generation
        except ModelClosed as error:
            errors.append(error)

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks, hosted(server()) as model:
            chat = model.session(context="summarize", summarize=hook)
            await chat.send(WORDS)
            tasks.start_soon(wait, chat.send(WORDS * 2))
            await begun.wait()
    assert len(errors) == 1


# callables


async def test_a_callable_makes_messages_shorter(server):
    engine, told = server(), []

    def last_two(messages, overflow):
        told.append(overflow)
        return messages[-2:]

    async with hosted(engine) as model:
        chat = model.session("S", context=last_two)
        await talk(chat, 1)
        done = await chat.send(WORDS * 2)
    assert isinstance(told[0], ContextOverflow)
    assert contents(engine.asked[-1]) == ["a" * 9, WORDS * 2]
    assert done.context == ContextReport(policy="last_two", messages=2, turns=0)


async def test_a_callable_that_makes_nothing_shorter_ends_with_the_error(server):
    async with hosted(server()) as model:
        chat = model.session(context=lambda messages, overflow: messages)
        await chat.send(WORDS)
        with pytest.raises(ContextOverflow):
            await chat.send(WORDS * 2)


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"context": "forget"}, "'forget'.*error, drop_oldest, summarize, or a callable"),
        ({"context": 3}, "context=3"),
        ({"summarize": len}, "summarize is given.*context='summarize'"),
        ({"summarize": len, "context": "drop_oldest"}, "summarize is given"),
    ],
)
async def test_settings_that_cannot_be_are_refused(small, settings, match):
    async with small() as model:
        with pytest.raises(UsageError, match=match):
            model.session(**settings)


async def test_a_fork_keeps_policy_and_summary(server, noting):
    engine, seen = server(160), []
    async with hosted(engine) as model:
        chat = model.session(context="summarize", summarize=noting(seen))
        await talk(chat, 7)
        other = chat.fork()
        await other.send("hi")
        assert contents(engine.asked[-1])[1] == "sum 1"
        assert len(seen) == 1
        assert len(seen) == 1


def test_hooks_may_ask_the_same_model_in_threads():
    with penstock.sync.load("echo:", options={"context_length": 90}) as model:

        def hook(messages):
            return model.complete("short", max_tokens=3).result()

        chat = model.session(context="summarize", summarize=hook)
        for number in range(8):
            done = chat.send(f"{number} {WORDS}", max_tokens=4).result()
        assert done.context.summary.startswith("short")
