"""What is said beside the text goes its own way, at once, and is all there at the end."""

from __future__ import annotations

import json

import pytest
from penstock import (
    Aside,
    BackendBug,
    Capabilities,
    Delta,
    Finish,
    Report,
    Retry,
    ToolCall,
    ToolCallPart,
    Unsupported,
    Usage,
)
from penstock.testing import EchoEngine, hosted

pytestmark = pytest.mark.anyio

THINKS = Delta("", aside=Aside(reasoning="hm"))
CALLS = Delta("", aside=Aside(tool_calls=(ToolCallPart(0, "c", "look", "{}"),)))


async def test_the_completion_has_them_joined(saying) -> None:
    refuses = Delta("", aside=Aside(refusal="no"))
    async with saying(THINKS, Delta("a"), THINKS, CALLS, refuses, Finish("tool_calls")) as model:
        done = await model.complete("")
    assert (done.text, done.reasoning, done.refusal) == ("a", "hmhm", "no")
    assert done.tool_calls == (ToolCall("c", "look", "{}"),)


async def test_they_pass_a_text_that_is_held_back(saying) -> None:
    async with saying("ST", THINKS, "AY") as model:
        seen = [(d.text, d.reasoning) async for d in model.complete("", stop="STOP")]
    assert seen == [("", "hm"), ("STAY", "")]


async def test_a_delta_may_hold_both(saying) -> None:
    both = Delta("a STOP b", aside=Aside(reasoning="hm"))
    async with saying(both, "c") as model:
        seen = [(d.text, d.reasoning) async for d in model.complete("", stop="STOP")]
    assert seen == [("a ", "hm")]


async def test_they_count_as_tokens_and_are_no_visible_text(saying) -> None:
    async with saying(THINKS, THINKS, Delta("a")) as model:
        done = await model.complete("")
    assert done.usage.completion_tokens == 3
    assert done.timings.ttft <= done.timings.ttfo


@pytest.mark.parametrize(
    "shape",
    [
        lambda gen: gen,
        lambda gen: gen.until("STOP"),
        lambda gen: gen.buffered(tokens=2),
        lambda gen: gen.until("STOP").buffered(chars=100),
        lambda gen: gen.take(50),
    ],
)
async def test_no_stage_loses_them(shape, saying) -> None:
    async with saying("a", THINKS, "ST", CALLS, THINKS, "b") as model:
        deltas = [delta async for delta in shape(model.complete(""))]
    assert "".join(delta.text for delta in deltas) == "aSTb"
    assert "".join(delta.reasoning for delta in deltas) == "hmhm"
    assert [part.name for delta in deltas for part in delta.tool_calls] == ["look"]


async def test_they_are_on_the_wire(saying) -> None:
    async with saying(THINKS, CALLS, Report({"id": "x"}), Retry("busy"), Finish()) as model:
        lines = [json.loads(line) async for line in model.complete("").ndjson()]
    assert lines[0]["reasoning"] == "hm"
    assert lines[1]["tool_calls"][0]["name"] == "look"
    finish = lines[2]["finish"]
    assert finish["tool_calls"] == [{"id": "c", "name": "look", "arguments": "{}"}]
    assert (finish["details"], finish["retries"]) == ({"id": "x"}, 1)


async def test_they_are_not_where_there_are_none(saying) -> None:
    async with saying("a") as model:
        *_, last = [json.loads(line) async for line in model.complete("").ndjson()]
    assert not {"reasoning", "refusal", "tool_calls", "details", "retries"} & set(last["finish"])


async def test_a_usage_before_the_end_counts_for_who_leaves(saying) -> None:
    usage = Usage(prompt_tokens=7, completion_tokens=3, source="reported")
    async with saying("a", usage, "b", "c") as model:
        async with model.complete("") as generation:
            async for _ in generation.take(2):
                pass
        assert generation.completion.usage == usage


async def test_reports_add_up(saying) -> None:
    async with saying(Report({"a": 1}), "x", Report({"a": 2, "b": True}), Retry("?")) as model:
        done = await model.complete("")
    assert (done.details, done.retries) == ({"a": 2, "b": True}, 1)


async def test_what_is_no_event_is_a_bug(saying) -> None:
    async with saying("a", 5) as model:
        with pytest.raises(BackendBug, match="Retry and Finish"):
            await model.complete("")


async def test_an_engine_that_keeps_the_limit_is_not_cut_short() -> None:
    def script(request):
        yield from ("a", "b", "c", Finish("length"))

    engine = EchoEngine(script)
    able = Capabilities(limits=True, parallel=None)
    engine.info = type(engine.info)(name="x", capabilities=able)
    async with hosted(engine) as model:
        done = await model.complete("", max_tokens=2)
    assert (done.text, done.finish_reason) == ("abc", "length")
    assert done.effective.max_tokens == 2


async def test_calls_of_tools_are_refused_where_there_is_only_a_template() -> None:
    talk = [{"role": "assistant", "content": "", "tool_calls": [ToolCall("c", "f", "{}")]}]
    async with hosted(EchoEngine()) as model:
        with pytest.raises(Unsupported, match="does not show the call of the tool 'f'"):
            await model.chat(talk)
