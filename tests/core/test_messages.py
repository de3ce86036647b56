"""Messages and segments, as users may write them."""

from __future__ import annotations

import pytest
from penstock.errors import UsageError
from penstock.messages import Message, Segment, as_messages, as_segments


def test_messages_may_be_plain_mappings():
    mixed = [{"role": "system", "content": "Be brief."}, Message("user", "Hi")]
    assert as_messages(mixed) == (Message("system", "Be brief."), Message("user", "Hi"))


def test_an_unknown_role_is_refused_with_its_position_and_the_roles_there_are():
    with pytest.raises(UsageError, match=r"message 1 .*'robot'.*system, user, assistant, tool"):
        as_messages([Message("user", "Hi"), {"role": "robot", "content": "Beep"}])


@pytest.mark.parametrize(
    "message",
    [{"role": "user"}, {"role": "user", "content": "x", "name": "y"}, "Hi", None, ("user", "x")],
)
def test_what_is_not_a_message_is_shown_back(message):
    with pytest.raises(UsageError, match="message 0 is "):
        as_messages([message])


@pytest.mark.parametrize("content", [None, 3, b"bytes", ["part"]])
def test_content_must_be_text(content):
    with pytest.raises(UsageError, match="which is not text"):
        as_messages([{"role": "user", "content": content}])


@pytest.mark.parametrize("calls", [3, [{"id": "1"}], "ab"])
def test_calls_of_tools_must_be_calls(calls):
    mapping = {"role": "assistant", "content": "", "tool_calls": calls}
    for message in (mapping, Message("assistant", "", calls)):
        with pytest.raises(UsageError, match="message 0 has the tool calls .*ToolCall"):
            as_messages([message])


def test_a_conversation_must_not_be_empty():
    with pytest.raises(UsageError, match="at least one message"):
        as_messages([])


def test_a_string_is_one_segment_without_control_tokens():
    assert as_segments("<|user|>") == (Segment("<|user|>", control=False),)


def test_segments_pass_through():
    segments = (Segment("<s>", control=True), Segment("Hi"))
    assert as_segments(iter(segments)) == segments


def test_a_prompt_of_something_else_is_refused():
    with pytest.raises(UsageError, match="a prompt is text or segments, not 'b'"):
        as_segments([Segment("a"), "b"])


@pytest.mark.parametrize(
    "given", ["Hi", {"role": "user", "content": "Hi"}, Message("user", "Hi"), 3, None]
)
def test_what_is_no_list_of_messages_is_shown_back_with_what_takes_a_text(given):
    with pytest.raises(UsageError, match=r"the messages are .*list of .*model\.complete"):
        as_messages(given)


@pytest.mark.parametrize("given", [[{"role": "user", "content": "Hi"}], None, 3, ["Hi"]])
def test_what_is_no_prompt_is_shown_back_with_what_takes_messages(given):
    with pytest.raises(UsageError, match=r"a prompt is text or segments, not .*model\.chat"):
        as_segments(given)
