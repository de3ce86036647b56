"""Conversations in files: what is saved comes back, and what is not ours is refused."""

from __future__ import annotations

import json
import os
import stat
import sys

import penstock
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from penstock import KeptState, Message, ToolCall
from penstock.chat.transcripts import FORMAT, Transcript, read, write
from penstock.errors import LoadError, UsageError
from penstock.testing import EchoEngine, hosted

pytestmark = pytest.mark.anyio

CALL = ToolCall("call_1", "weather", '{"city": "Paris"}')
HISTORY = (
    Message("system", "Be brief."),
    Message("user", "Weather? 🎏 \ud800"),
    Message("assistant", "", (CALL,)),
    Message("tool", "18 degrees", tool_call_id="call_1"),
    Message("assistant", "Mild."),
)


HEAD = b'{"format": "penstock chat", "version": 1, '


def names(folder):
    return [path.name for path in folder.iterdir()]


@pytest.fixture
def model():
    return hosted(EchoEngine())


async def test_a_conversation_comes_back_as_it_was(model, tmp_path):
    path = tmp_path / "chat.json"
    async with model as loaded:
        assert await loaded.session(history=HISTORY).save(path) == KeptState()
        chat = await loaded.load_session(path, keep_partial=True)
        assert chat.history == HISTORY
        assert chat.state is None


async def test_an_empty_conversation_can_be_saved(model, tmp_path):
    async with model as loaded:
        await loaded.session().save(tmp_path / "chat.json")
        assert (await loaded.load_session(tmp_path / "chat.json")).history == ()


async def test_the_file_is_json_that_people_can_read(model, tmp_path):
    path = tmp_path / "chat.json"
    async with model as loaded:
        await loaded.session("Sei gütig.").save(path)
    told = json.loads(path.read_text("utf-8"))
    assert told == {
        "format": FORMAT,
        "version": 1,
        "model": "echo",
        "messages": [{"role": "system", "content": "Sei gütig."}],
    }
    assert "gütig" in path.read_text("utf-8")


async def test_a_summary_is_saved_too(model, tmp_path):
    path = tmp_path / "chat.json"

    async def none(messages):
        raise AssertionError("there is a summary already")

    async with hosted(EchoEngine(options=penstock.testing.EchoOptions(context_length=90))) as small:
        chat = small.session(context="summarize", summarize=lambda messages: "short")
        for number in range(6):
            done = await chat.send(f"{number} three words more", max_tokens=4)
        await chat.save(path)
        again = await small.load_session(path, context="summarize", summarize=none)
        plain = await (await small.load_session(path)).send("And?", max_tokens=1)
        assert again.history == chat.history
        later = await again.send("go", max_tokens=4)
    assert later.context.summary == done.context.summary == "short"
    assert (plain.context.summary, plain.context.policy) == ("short", "summarize")


async def test_what_was_there_is_replaced_at_once_and_nothing_else_is_left(model, tmp_path):
    path = tmp_path / "chat.json"
    path.write_text("before")
    async with model as loaded:
        await loaded.session("Be brief.").save(path)
        await loaded.session("Be kind.").save(str(path))
        assert (await loaded.load_session(str(path))).system == "Be kind."
    assert names(tmp_path) == ["chat.json"]


async def test_a_file_that_cannot_be_written_is_told_and_leaves_nothing(model, tmp_path):
    (tmp_path / "folder").mkdir()
    async with model as loaded:
        for path in (tmp_path / "none" / "chat.json", tmp_path / "folder"):
            with pytest.raises(UsageError, match=f"{path.name}.* cannot be written"):
                await loaded.session().save(path)
    assert names(tmp_path) == ["folder"]


@pytest.mark.parametrize("path", ["", ".", "/", "a\0b"])
async def test_a_path_that_can_be_no_file_is_told(model, path):
    async with model as loaded:
        with pytest.raises(UsageError, match="is no file that can be written|cannot be written"):
            await loaded.session().save(path)


def test_a_link_leads_to_the_file_that_is_replaced(tmp_path):
    (tmp_path / "real.json").write_text("before")
    (tmp_path / "link.json").symlink_to("real.json")
    write(tmp_path / "link.json", Transcript(messages=HISTORY))
    assert (tmp_path / "link.json").is_symlink()
    assert read(tmp_path / "real.json").messages == HISTORY
    (tmp_path / "ring.json").symlink_to("ring.json")
    with pytest.raises(UsageError, match="ring.json.* cannot be written"):
        write(tmp_path / "ring.json", Transcript(messages=HISTORY))


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pipes with a name")
def test_what_is_there_and_no_file_is_left_as_it_is(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="pipe' cannot be written: it is there, and no file"):
        write(tmp_path / "pipe", Transcript(messages=HISTORY))
    assert (tmp_path / "pipe").is_fifo()
    with pytest.raises(LoadError, match="pipe' cannot be read: it is there, and no file"):
        read(tmp_path / "pipe")


def test_a_saved_chat_can_be_read_by_its_owner_alone(tmp_path):
    write(tmp_path / "chat.json", Transcript(messages=HISTORY))
    if sys.platform != "win32":
        assert stat.S_IMODE((tmp_path / "chat.json").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (b"", "no saved chat: it is not JSON"),
        (b'{"format": "penstock chat", "vers', "not JSON, or cut off"),
        (b"\xff\xfe\x00", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "is no saved chat"),
        (b'{"messages": []}', "is no saved chat"),
        (b'{"format": "penstock chat", "version": 2, "messages": []}', "of version 2"),
        (b'{"format": "penstock chat", "version": true, "messages": []}', "of version True"),
        (b'{"format": "penstock chat", "messages": []}', "of version None"),
        (HEAD + b'"model": "x"}', "damaged"),
        (HEAD + b'"messages": {}}', "damaged"),
        (HEAD + b'"messages": [3]}', "damaged"),
        (HEAD + b'"messages": [{"role": "x", "content": ""}]}', "damaged.*role 'x'"),
        (HEAD + b'"messages": [{"role": "user", "content": "", "tool_calls": [{}]}]}', "damaged"),
        (HEAD + b'"messages": [], "state": "../x"}', "damaged.*'../x'"),
        (HEAD + b'"messages": [], "state": "a\\u0000b"}', "damaged"),
        (HEAD + b'"messages": [], "state": ""}', "damaged.*the state is in ''"),
        (HEAD + b'"messages": [], "summary": {"turns": "2", "messages": []}}', "damaged"),
        (HEAD + b'"messages": [], "summary": {"turns": 1, "messages": []}}', "damaged.* 1 turns"),
    ],
)
async def test_what_is_no_saved_chat_is_refused_by_its_name(model, tmp_path, text, match):
    path = tmp_path / "foreign.json"
    path.write_bytes(text)
    async with model as loaded:
        with pytest.raises(LoadError, match=match) as caught:
            await loaded.load_session(path)
    assert "foreign.json" in str(caught.value)


async def test_a_file_that_is_not_there_is_refused_by_its_name(model, tmp_path):
    async with model as loaded:
        with pytest.raises(LoadError, match="chat.json.* cannot be read"):
            await loaded.load_session(tmp_path / "chat.json")


async def test_an_engine_without_a_state_says_so_and_the_chat_is_saved(model, tmp_path):
    path = tmp_path / "chat.json"
    async with model as loaded:
        chat = loaded.session("Be brief.")
        await chat.send("go")
        kept = await chat.save(path, state=True)
        assert kept == KeptState(reason="'echo' cannot save what it has evaluated")
        assert (await loaded.load_session(path)).history == chat.history
    assert names(tmp_path) == ["chat.json"]


async def test_a_state_that_cannot_be_used_is_told_and_no_error(model, tmp_path):
    path = tmp_path / "chat.json"
    write(path, Transcript(messages=HISTORY, state="chat.json.state"))
    async with model as loaded:
        chat = await loaded.load_session(path)
        assert chat.history == HISTORY
        assert chat.state.tokens == 0
        assert "chat.json.state" in chat.state.reason


def test_the_sync_facade_saves_and_loads(tmp_path):
    path = tmp_path / "chat.json"
    with penstock.sync.load("echo:") as loaded:
        chat = loaded.session("Be brief.")
        chat.send("red").result()
        assert chat.save(path) == KeptState()
        again = loaded.load_session(path)
        assert again.history == chat.history
        other = again.fork()
        other.system = "Be kind."
        assert other.system == "Be kind."
        assert again.system == "Be brief."
        assert [m.content for m in other.undo()] == ["red", "Be brief. red"]
        assert (again.state, again.pending, again.answering) == (None, (), False)


MESSAGES = st.builds(
    Message,
    st.sampled_from(["system", "user", "assistant", "tool"]),
    st.text(),
    st.lists(st.builds(ToolCall, st.text(), st.text(), st.text()), max_size=2).map(tuple),
    st.none() | st.text(),
)


@settings(deadline=None)  # a disk may take its time
@given(st.lists(MESSAGES, max_size=5).map(tuple))
def test_any_messages_come_back(tmp_path_factory, messages):
    path = tmp_path_factory.mktemp("chat") / "chat.json"
    write(path, Transcript(messages=messages))
    assert read(path).messages == messages
