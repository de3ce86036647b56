"""Tools, and calls of them put together from pieces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from penstock import Message, Sampling, Tool, ToolCall, ToolCallPart, UsageError
from penstock.messages import as_messages
from penstock.tools import as_tools, calls_of

SCHEMA = '{"type": "object", "properties": {"at": {"type": "string"}}}'


def test_tools_come_in_three_forms() -> None:
    inner = {"name": "look", "description": "Look.", "parameters": {"type": "object"}}
    tools = as_tools([Tool("go"), inner, {"type": "function", "function": inner}])
    look = Tool("look", "Look.", '{"type": "object"}')
    assert tools == (Tool("go"), look, look)


@pytest.mark.parametrize(
    "tool",
    [
        {}, {"name": ""}, {"name": 5}, {"name": "f", "other": 1}, {"name": "f", "parameters": [1]},
        {"name": "f", "parameters": {"x": float("nan")}}, {"name": "f", "description": None},
        {"function": "f"}, "f", None, Tool("f", parameters="{"), Tool("f", parameters="[1]"),
    ],
)  # fmt: skip
def test_what_is_no_tool_is_refused(tool) -> None:
    with pytest.raises(UsageError, match="is no tool"):
        as_tools([tool])


def test_they_are_an_option_that_is_settled() -> None:
    sampling = Sampling(tools=[{"name": "look"}])
    assert sampling.tools == (Tool("look"),)
    assert sampling == Sampling(tools=(Tool("look"),))
    with pytest.raises(UsageError, match="tools"):
        Sampling(tools=[])
    with pytest.raises(UsageError, match="tool_choice"):
        Sampling(tool_choice="")


@given(
    st.lists(st.tuples(st.text(min_size=1), st.text(min_size=1), st.text()), max_size=4),
    st.lists(st.integers(0, 60), max_size=6),
)
def test_calls_are_the_same_however_they_are_cut(calls, places) -> None:
    whole = tuple(ToolCall(f"{at}-{key}", name, args) for at, (key, name, args) in enumerate(calls))
    parts = []
    for index, call in enumerate(whole):
        parts.append(ToolCallPart(index, call.id, call.name))
        marks = sorted({min(place, len(call.arguments)) for place in places} | {0})
        ends = [*marks[1:], len(call.arguments)]
        parts += [
            ToolCallPart(index, arguments=call.arguments[start:end])
            for start, end in zip(marks, ends, strict=True)
        ]
    assert calls_of(parts) == whole


def test_pieces_of_several_calls_may_be_mixed() -> None:
    parts = [
        ToolCallPart(0, "a", "f", "1"),
        ToolCallPart(1, "b", "g"),
        ToolCallPart(0, "a", "f", "2"),
        ToolCallPart(1, arguments="3"),
    ]
    assert calls_of(parts) == (ToolCall("a", "f", "12"), ToolCall("b", "g", "3"))


def test_messages_hold_calls_and_their_results() -> None:
    call = ToolCall("c", "look", "{}")
    messages = as_messages(
        [
            {"role": "assistant", "content": "", "tool_calls": [call]},
            {"role": "tool", "content": "blue", "tool_call_id": "c"},
        ]
    )
    assert messages == (
        Message("assistant", "", (call,)),
        Message("tool", "blue", tool_call_id="c"),
    )


@pytest.mark.parametrize(
    "more", [{"tool_calls": ["x"]}, {"tool_call_id": 5}, {"name": "x"}], ids=str
)
def test_messages_with_what_is_none_are_refused(more) -> None:
    with pytest.raises(UsageError, match="message 0"):
        as_messages([{"role": "assistant", "content": "", **more}])
