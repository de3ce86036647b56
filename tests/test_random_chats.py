"""Chats under random sequences of all that is done with them, beside plain lists of what was said.

Whatever is sent, read, left, cancelled, refused, undone, forked or saved, in any order, on one
engine or another: each history is what its list says, and each turn was asked with all of it.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import get_args

import anyio
import penstock
import pytest
from anyio.from_thread import start_blocking_portal
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from penstock import Deadlines, Message
from penstock.errors import (
    ContextOverflow,
    DeadlineExceeded,
    PenstockError,
    Unsupported,
    UsageError,
)
from penstock.events import FinishReason
from penstock_openai.testing import FaultServer

WHOLE = {"stop", "stop_sequence", "length", "tool_calls"}
CONTEXT = 256
TEXTS = st.sampled_from(
    ["My name is Ada.", "What is my name?", "", "Hi </s><|user|>\n<s>", "🎏 é\n\n", "7 " * 9]
)
SYSTEMS = st.sampled_from([None, "You are kind.", "</s>"])
ANY = st.integers(0, 7)
OPTIONS = st.fixed_dictionaries(
    {"max_tokens": st.integers(1, 12), "temperature": st.sampled_from([0, 1.0])},
    optional={
        "stop": st.sampled_from([["a"], [" "], ["name", "."]]),
        "include_stop": st.booleans(),
        "ignore_eos": st.booleans(),
        "seed": st.integers(0, 3),
        "logprobs": st.integers(0, 2),
        "choices": st.just(["yes", "no"]),
        "deadlines": st.sampled_from([0, 0.001, 0.004]).map(lambda at: Deadlines(total=at)),
    },
)


class Left(Exception):
    """Why a loop was left."""


async def awaited(generation, after):
    await generation


async def streamed(generation, after):
    texts = [delta.text async for delta in generation]
    assert "".join(texts) == generation.completion.text


async def broken_off(generation, after):
    async for _ in generation:
        if not (after := after - 1):
            break


async def left_with_an_error(generation, after):
    async for _ in generation:
        if not (after := after - 1):
            raise Left


async def stopped(generation, after):
    async for _ in generation:
        if not (after := after - 1):
            generation.stop()


async def cancelled(generation, after):
    with anyio.CancelScope() as scope:
        async for _ in generation:
            if not (after := after - 1):
                scope.cancel()
                await anyio.sleep(1)


async def cancelled_at_once(generation, after):
    with anyio.CancelScope() as scope:
        scope.cancel()
        await generation


async def cancelled_soon(generation, after):
    with anyio.move_on_after(after / 2000):
        await generation


async def entered_and_left(generation, after):
    async with generation:
        await anyio.sleep(after / 2000)


async def read_until(generation, after):
    await generation.until("a").read()


async def read_in_a_thread(generation, after):
    await anyio.to_thread.run_sync(generation.result)


READS = st.sampled_from(
    [
        *(awaited, streamed, broken_off, left_with_an_error, stopped, cancelled),
        *(cancelled_at_once, cancelled_soon, entered_and_left, read_until, read_in_a_thread),
    ]
)
TURNS = st.fixed_dictionaries(
    {"text": TEXTS, "read": READS, "after": st.integers(1, 5), "options": OPTIONS}
)


@dataclass
class Told:
    """A chat, and what must be in it."""

    chat: penstock.Chat
    messages: list[Message] = field(default_factory=list)
    keeps_partial: bool = False
    drops: bool = False


class Talk(RuleBasedStateMachine):
    """Chats of several models, one of which is on a server."""

    def __init__(self, portal, models, server, folder):
        super().__init__()
        self.portal, self.models, self.server, self.folder = portal, models, server, folder
        self.told: list[Told] = []

    def one(self, at):
        return self.told[at % len(self.told)]

    def model(self, at):
        return self.models[at % len(self.models)]

    @rule(at=ANY, system=SYSTEMS, keeps_partial=st.booleans(), drops=st.booleans())
    def open(self, at, system, keeps_partial, drops):
        context = "drop_oldest" if drops else "error"
        chat = self.model(at).session(system, keep_partial=keeps_partial, context=context)
        said = [] if system is None else [Message("system", system)]
        self.told.append(Told(chat, said, keeps_partial, drops))

    @precondition(lambda self: self.told)
    @rule(at=ANY, turn=TURNS)
    def send(self, at, turn):
        self.portal.call(partial(self._turn, self.one(at), **turn))

    @precondition(lambda self: self.told)
    @rule(turns=st.lists(st.tuples(ANY, TURNS), max_size=4))
    def send_side_by_side(self, turns):
        chats = {id(told): (told, turn) for told, turn in ((self.one(at), t) for at, t in turns)}
        self.portal.call(self._turns, chats.values())

    @precondition(lambda self: self.told)
    @rule(at=ANY, text=TEXTS)
    def send_what_is_too_long(self, at, text):
        told = self.one(at)
        if told.chat.model is not self.models[-1]:
            long = text + "one two three " * CONTEXT
            error = self.portal.call(partial(self._turn, told, long, awaited, 1, {}))
            assert isinstance(error, ContextOverflow)

    @precondition(lambda self: self.told)
    @rule(at=ANY)
    def send_while_an_answer_is_given(self, at):
        chat = self.one(at).chat
        generation = chat.send("Hi")
        for change in (chat.undo, partial(chat.send, "Hi"), partial(setattr, chat, "system", "")):
            with pytest.raises(UsageError, match="not finished"):
                change()
        generation.stop()
        assert generation.completion.text == ""

    @precondition(lambda self: self.told)
    @rule(at=ANY, options=st.sampled_from([{"max_tokens": 0}, {"stop": [""]}, {"seed": -1}]))
    def send_with_what_cannot_be(self, at, options):
        with pytest.raises(UsageError):
            self.one(at).chat.send("Hi", **options)

    @precondition(lambda self: self.told)
    @rule(at=ANY)
    def send_and_never_read(self, at):
        with pytest.warns(RuntimeWarning, match="never read"):
            self.one(at).chat.send("Hi")

    @precondition(lambda self: self.told)
    @rule(at=ANY)
    def fork(self, at):
        told = self.one(at)
        forked = Told(told.chat.fork(), [*told.messages], told.keeps_partial, told.drops)
        self.told.append(forked)

    @precondition(lambda self: self.told)
    @rule(at=ANY, turns=st.integers(0, 3))
    def undo(self, at, turns):
        told = self.one(at)
        begins = [at for at, message in enumerate(told.messages) if message.role == "user"]
        if not 1 <= turns <= len(begins):
            with pytest.raises(UsageError):
                told.chat.undo(turns)
            return
        cut = begins[-turns]
        assert told.chat.undo(turns) == tuple(told.messages[cut:])
        del told.messages[cut:]

    @precondition(lambda self: self.told)
    @rule(at=ANY, system=SYSTEMS)
    def set_system(self, at, system):
        told = self.one(at)
        told.chat.system = system
        said = [] if system is None else [Message("system", system)]
        told.messages = said + [one for one in told.messages if one.role != "system"]

    @precondition(lambda self: self.told)
    @rule(at=ANY, to=ANY, state=st.booleans(), keeps_partial=st.booleans())
    def save_and_load(self, at, to, state, keeps_partial):
        told, path = self.one(at), self.folder / "chat.json"
        kept = self.portal.call(partial(told.chat.save, path, state=state))
        assert bool(kept.tokens) <= state
        load = partial(self.model(to).load_session, path, keep_partial=keeps_partial)
        loaded = Told(self.portal.call(load), [*told.messages], keeps_partial)
        assert (loaded.chat.state is not None) == bool(kept.tokens)
        if kept.tokens and self.model(to) is told.chat.model:
            assert loaded.chat.state == kept
        self.told.append(loaded)

    @invariant()
    def each_history_is_what_was_said(self):
        for told in self.told:
            assert told.chat.history == tuple(told.messages)
            assert not told.chat.answering
            assert told.chat.pending == ()

    @invariant()
    def no_engine_is_at_work(self):
        assert [model.running for model in self.models] == [0] * len(self.models)

    async def _turns(self, chats):
        async with anyio.create_task_group() as tasks:
            for told, turn in chats:
                tasks.start_soon(partial(self._turn, told, **turn))

    async def _turn(self, told, text, read, after, options):
        """Do a turn, judge it, and note what must be in the history; return its error."""
        try:
            generation = told.chat.send(text, **options)
        except Unsupported:
            return None
        asked = (*told.messages, Message("user", text))
        error = await self._read(generation, read, after)
        done = generation.completion
        judge(done, error)
        if done.finish_reason in WHOLE or (told.keeps_partial and done.text):
            told.messages += [asked[-1], Message("assistant", done.text)]
        if done.finish_reason in WHOLE and done.context is None:
            await self._assert_asked(told.chat.model, asked, done)
        elif done.context is not None:
            assert told.drops
            assert done.usage.prompt_tokens < CONTEXT
        return error

    async def _read(self, generation, read, after):
        with anyio.fail_after(30):
            try:
                await read(generation, after)
            except (PenstockError, Left) as error:
                return error
            finally:
                generation.leave()
                await generation.idle()
        return None

    async def _assert_asked(self, model, asked, done):
        """See that an answer was asked for with all that was said."""
        if model is self.models[-1]:
            bodies = [received.body for received in self.server.received if received.body]
            told = [{"role": message.role, "content": message.content} for message in asked]
            assert told in [body.get("messages") for body in bodies]
            return
        prompt = await model.render(asked)
        assert done.usage.prompt_tokens == len(await model.tokenize(prompt))


def judge(done, error):
    assert done.finish_reason in get_args(FinishReason)
    assert (done.finish_reason == "deadline") == isinstance(error, DeadlineExceeded)
    assert (done.finish_reason in {"deadline", "error"}) == isinstance(error, PenstockError)
    if isinstance(error, PenstockError):
        assert error.partial is done
    assert 0 <= done.usage.cached_tokens <= done.usage.prompt_tokens
    assert len(done.logprobs) <= done.usage.completion_tokens


@pytest.fixture(params=["asyncio", "trio"])
def talk(request, tmp_path, monkeypatch):
    """`talk()` is a machine over models of three backends."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with ExitStack() as stack:
        server = stack.enter_context(FaultServer())
        portal = stack.enter_context(start_blocking_portal(request.param))
        there = {"base_url": server.url, "flavor": "standard", "retries": 0}
        loads = [
            penstock.load("llamacpp:pocket:", options={"n_ctx": CONTEXT}),
            penstock.load("ctransformers:pocket:", options={"n_ctx": CONTEXT}),
            penstock.load("openai:test", options=there),
        ]
        models = [stack.enter_context(portal.wrap_async_context_manager(load)) for load in loads]
        yield partial(Talk, portal, models, server, tmp_path)


def test_each_history_is_what_was_said(talk):
    steady = settings(max_examples=30, stateful_step_count=30, deadline=None)
    run_state_machine_as_test(talk, settings=steady)
