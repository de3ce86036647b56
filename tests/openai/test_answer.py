"""What comes out of a server's objects: text, reasoning, calls, figures."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from penstock import Delta, Finish, Logprob, Report, ToolCall, Usage
from penstock.events import Prefill
from penstock_openai.answer import Answer
from penstock_openai.faults import fault_in
from penstock_openai.testing import (
    FaultServer,
    completion_text,
    event,
    finish,
    json_reply,
    role,
    stream,
    text,
    usage,
    whole_chat,
)

HI = ({"role": "user", "content": "Hi"},)


def taken(*chunks):
    answer = Answer({})
    out: list = []
    for chunk in chunks:
        answer.take(chunk, 1.0, out)
    return answer, out


def delta(**said):
    return {"choices": [{"index": 0, "delta": said, "finish_reason": None}]}


pytestmark = pytest.mark.anyio


class TestText:
    async def test_role_only_and_empty_chunks_are_no_tokens(self, server, connect) -> None:
        server.queue(stream(role(), text(""), text("Hello"), text(""), finish()))
        async with connect() as model:
            deltas = [delta async for delta in model.chat(HI)]
            done = await model.chat(HI)
        assert [(d.text, d.tokens) for d in deltas] == [("Hello", 1)]
        assert done.usage.completion_tokens > 0

    async def test_raw_completion(self, server: FaultServer, connect) -> None:
        server.queue(stream(completion_text("Once"), completion_text(" more", "stop")))
        async with connect() as model:
            done = await model.complete("Say it:", max_tokens=9)
        assert (done.text, done.finish_reason) == ("Once more", "stop")
        body = server.received[0].body
        assert (server.received[0].path, body["prompt"]) == ("/v1/completions", "Say it:")
        assert body["max_tokens"] == 9


class TestReasoning:
    @pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
    async def test_it_is_apart_from_the_text(self, field, server, connect) -> None:
        thought = [delta(**{field: "Let me "}), delta(**{field: "think.", "content": None})]
        server.queue(stream(*thought, text("Four"), finish(), usage(5, 9), pace=0.005))
        async with connect() as model:
            generation = model.chat(HI)
            seen = [(d.text, d.reasoning) async for d in generation]
        assert seen == [("", "Let me "), ("", "think."), ("Four", "")]
        done = generation.completion
        assert (done.text, done.reasoning) == ("Four", "Let me think.")
        assert done.timings.ttfo > done.timings.ttft  # thinking came first

    async def test_in_parts(self, server, connect) -> None:
        thinking = [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}]
        server.queue(stream(delta(content=thinking), text("Four"), finish()))
        async with connect() as model:
            done = await model.chat(HI)
        assert (done.text, done.reasoning) == ("Four", "Hm.")

    async def test_no_stop_string_is_found_in_it(self, server, connect) -> None:
        server.queue(stream(delta(reasoning="STOP"), text("a"), text("b STOP c"), finish()))
        async with connect() as model:
            done = await model.chat(HI, stop="STOP")
        assert (done.text, done.reasoning, done.stop_sequence) == ("ab ", "STOP", "STOP")

    async def test_a_text_held_back_does_not_hold_it_up(self, server, connect) -> None:
        server.queue(stream(text("ST"), delta(reasoning="hm"), text("AY"), finish()))
        async with connect() as model:
            seen = [(d.text, d.reasoning) async for d in model.chat(HI, stop="STOP")]
        assert seen == [("", "hm"), ("STAY", "")]


class TestToolCalls:
    PIECES = (
        delta(tool_calls=[{"index": 0, "id": "c1", "function": {"name": "look", "arguments": ""}}]),
        delta(tool_calls=[{"index": 0, "function": {"arguments": '{"at": '}}]),
        delta(tool_calls=[{"index": 1, "id": "c2", "function": {"name": "go", "arguments": "{}"}}]),
        delta(tool_calls=[{"index": 0, "function": {"arguments": '"sea"}'}}]),
    )
    WHOLE = (ToolCall("c1", "look", '{"at": "sea"}'), ToolCall("c2", "go", "{}"))

    @pytest.mark.parametrize("reason", ["tool_calls", "stop", "function_call"])
    async def test_they_are_put_together(self, reason, server, connect) -> None:
        server.queue(stream(role(), *self.PIECES, finish(reason)))
        async with connect() as model:
            done = await model.chat(HI, tools=[{"name": "look"}, {"name": "go"}])
        assert done.tool_calls == self.WHOLE
        assert (done.text, done.finish_reason) == ("", "tool_calls")

    async def test_pieces_are_seen_as_they_come(self, server, connect) -> None:
        server.queue(stream(*self.PIECES, finish("tool_calls")))
        async with connect() as model:
            async with model.chat(HI) as generation:
                parts = [part async for d in generation for part in d.tool_calls]
            buffered = "".join(part.arguments for part in parts if part.index == 0)
        assert buffered == '{"at": "sea"}'

    @pytest.mark.parametrize(
        "pieces",
        [
            [{"id": "a", "function": {"name": "f", "arguments": {"x": 1}}}],
            [{"index": 0, "id": "a", "function": {"name": "f", "arguments": '{"x": 1}'}}],
            [{"index": None, "id": "a", "function": {"name": "f", "arguments": '{"x": 1}'}}],
        ],
    )
    async def test_odd_shapes(self, pieces, server, connect) -> None:
        server.queue(stream(delta(tool_calls=pieces), finish("tool_calls")))
        async with connect() as model:
            done = await model.chat(HI)
        assert done.tool_calls == (ToolCall("a", "f", '{"x": 1}'),)

    async def test_two_calls_under_one_index(self, server, connect) -> None:
        one = delta(
            tool_calls=[{"index": 0, "id": "a", "function": {"name": "f", "arguments": "1"}}]
        )
        two = delta(
            tool_calls=[{"index": 0, "id": "b", "function": {"name": "g", "arguments": "2"}}]
        )
        server.queue(stream(one, two, finish("tool_calls")))
        async with connect() as model:
            done = await model.chat(HI)
        assert done.tool_calls == (ToolCall("a", "f", "1"), ToolCall("b", "g", "2"))

    async def test_the_older_form(self, server, connect) -> None:
        call = {"name": "f", "arguments": "{}"}
        server.queue(stream(delta(function_call=call), finish("function_call")))
        async with connect() as model:
            done = await model.chat(HI)
        assert [(c.name, c.arguments) for c in done.tool_calls] == [("f", "{}")]

    async def test_a_session_sends_calls_and_results(self, server: FaultServer, connect) -> None:
        server.queue(stream(*self.PIECES, finish("tool_calls")), stream(text("Blue."), finish()))
        async with connect() as model:
            asked = await model.chat(HI, tools=[{"name": "look", "description": "Look."}])
            history = [
                *HI,
                {"role": "assistant", "content": "", "tool_calls": asked.tool_calls},
                {"role": "tool", "content": "blue", "tool_call_id": "c1"},
                {"role": "tool", "content": "gone", "tool_call_id": "c2"},
            ]
            done = await model.chat(history)
        assert done.text == "Blue."
        first, second = (received.body for received in server.received)
        assert first["tools"][0]["function"]["name"] == "look"
        assert second["messages"][1] == {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": call.id,
                    "type": "function",
                    "function": {"name": call.name, "arguments": call.arguments},
                }
                for call in self.WHOLE
            ],
        }
        assert second["messages"][2] == {"role": "tool", "content": "blue", "tool_call_id": "c1"}


async def test_a_refusal_is_no_text(server, connect) -> None:
    server.queue(stream(delta(refusal="I will "), delta(refusal="not."), finish()))
    async with connect() as model:
        done = await model.chat(HI, schema={"type": "object"})
    assert (done.text, done.refusal, done.finish_reason) == ("", "I will not.", "stop")


class TestUsage:
    PLACES = {  # noqa: RUF012
        "a chunk without choices": [text("a"), finish(), usage(7, 3)],
        "the last chunk": [text("a"), finish() | {"usage": usage(7, 3)["usage"]}],
        "every chunk": [
            text("a") | {"usage": usage(7, 1)["usage"]},
            finish() | {"usage": usage(7, 3)["usage"]},
        ],
        "timings": [
            text("a"),
            finish() | {"timings": {"prompt_n": 4, "cache_n": 3, "predicted_n": 3}},
        ],
        "x_groq": [text("a"), finish() | {"x_groq": {"usage": usage(7, 3)["usage"]}}],
    }

    @pytest.mark.parametrize("chunks", PLACES.values(), ids=PLACES)
    async def test_it_is_found_wherever_it_is(self, chunks, server, connect) -> None:
        server.queue(stream(*chunks))
        async with connect() as model:
            done = await model.chat(HI)
        found = done.usage
        assert (found.prompt_tokens, found.completion_tokens, found.source) == (7, 3, "reported")

    async def test_what_was_cached_and_thought(self, server, connect) -> None:
        more = {
            "prompt_tokens_details": {"cached_tokens": 5},
            "completion_tokens_details": {"reasoning_tokens": 2},
        }
        server.queue(stream(text("a"), finish(), usage(7, 3, **more)))
        async with connect() as model:
            found = (await model.chat(HI)).usage
        assert found == Usage(
            prompt_tokens=7,
            completion_tokens=3,
            cached_tokens=5,
            reasoning_tokens=2,
            source="reported",
        )

    async def test_without_any_it_is_estimated(self, server, connect) -> None:
        server.queue(stream(text("a"), text("b"), finish()))
        async with connect() as model:
            found = (await model.chat(HI)).usage
        assert (found.completion_tokens, found.source) == (2, "estimated")

    async def test_with_each_chunk_it_tells_how_many_tokens_the_chunk_holds(self) -> None:
        chunks = [
            text("one") | {"usage": usage(7, 1)["usage"]},
            text(" two three four") | {"usage": usage(7, 4)["usage"]},
        ]
        _, out = taken(*chunks)
        assert [event.tokens for event in out if hasattr(event, "text")] == [1, 3]

    async def test_it_is_kept_where_the_stream_is_left(self, server, connect) -> None:
        each = [text("a") | {"usage": usage(7, at + 1)["usage"]} for at in range(50)]
        server.queue(stream(*each, finish(), pace=0.002))
        async with connect() as model, model.chat(HI) as generation:
            async for _ in generation:
                break
        assert generation.completion.usage.source == "reported"
        assert generation.completion.usage.prompt_tokens == 7


class TestDetails:
    async def test_the_servers_own_words_are_kept(self, server, connect) -> None:
        timings = {"prompt_n": 4, "prompt_ms": 1.5, "predicted_n": 3}
        last = finish() | {"timings": timings, "x_queue": {"ms": 2}, "service_tier": "flex"}
        server.queue(stream(text("a"), last))
        async with connect() as model:
            found = (await model.chat(HI)).details
        assert found["timings.prompt_ms"] == 1.5
        assert found["x_queue.ms"] == 2
        assert found["service_tier"] == "flex"
        assert str(found["id"]).startswith("chatcmpl")

    async def test_an_id_is_known_of_an_answer_that_is_left(self, server, connect) -> None:
        server.queue(stream(*[text("a")] * 50, finish(), pace=0.002))
        async with connect() as model, model.chat(HI) as generation:
            async for _ in generation:
                break
        assert "id" in generation.completion.details

    def test_they_are_bounded(self) -> None:
        answer, _ = taken(
            {"choices": [], "x": {str(at): at for at in range(1000)}, "y": "z" * 9999}
        )
        report = next(event for event in answer.finish() if isinstance(event, Report))
        assert len(report.details) <= 64

    def test_progress_with_the_prompt(self) -> None:
        told = {"total": 100, "cache": 10, "processed": 60, "time_ms": 5}
        _, out = taken({"choices": [{"delta": {"content": None}}], "prompt_progress": told})
        assert Prefill(60, 100, 10) in out


REASONS = {
    "stop": "stop", "length": "length", "content_filter": "content_filter", "eos_token": "stop",
    "max_tokens": "length", "tool_calls": "tool_calls", "end_turn": "stop", "STOP": "stop",
    "something new": "stop",
}  # fmt: skip


@pytest.mark.parametrize(("theirs", "ours"), REASONS.items())
async def test_reasons(theirs, ours) -> None:
    answer, _ = taken(text("a"), finish(theirs))
    last = list(answer.finish())[-1]
    assert last == Finish(ours, None)


class TestLogprobs:
    async def test_of_a_chat(self, server: FaultServer, connect) -> None:
        content = [
            {"token": "Hé", "bytes": [72, 195, 169], "logprob": -0.5,
             "top_logprobs": [{"token": "Ho", "bytes": None, "logprob": -1.5, "id": 7}]},
        ]  # fmt: skip
        server.queue(stream(text("Hé", logprobs={"content": content}), finish()))
        async with connect() as model:
            done = await model.chat(HI, logprobs=1)
        body = server.received[0].body
        assert (body["logprobs"], body["top_logprobs"]) == (True, 1)
        assert done.logprobs == (Logprob(-1, "Hé".encode(), -0.5, (Logprob(7, b"Ho", -1.5),)),)

    async def test_of_a_completion(self, server: FaultServer, connect) -> None:
        told = {
            "tokens": ["a", "b"],
            "token_logprobs": [None, -0.25],
            "top_logprobs": [None, {"b": -0.25, "c": -2}],
        }
        server.queue(stream(completion_text("ab", "stop", logprobs=told)))
        async with connect() as model:
            done = await model.complete("x", logprobs=2, max_tokens=2)
        assert server.received[0].body["logprobs"] == 2
        assert [one.data for one in done.logprobs] == [b"a", b"b"]
        assert done.logprobs[1].top == (Logprob(-1, b"b", -0.25), Logprob(-1, b"c", -2.0))
        assert done.usage.completion_tokens == 2  # as many as it has log probabilities


class TestWholeAnswers:
    async def test_they_come_as_one_delta(self, server: FaultServer, connect) -> None:
        server.queue(json_reply(whole_chat("Hello", tokens=(3, 2))))
        async with connect(stream=False) as model:
            generation = model.chat(HI)
            deltas = [d async for d in generation]
        assert [d.text for d in deltas] == ["Hello"]
        done = generation.completion
        assert (done.finish_reason, done.usage.completion_tokens) == ("stop", 2)
        assert "stream_options" not in server.received[0].body

    async def test_they_may_hold_calls_and_thoughts(self, server, connect) -> None:
        call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
        message = {"content": None, "reasoning_content": "Hm.", "tool_calls": [call]}
        server.queue(json_reply({"choices": [{"message": message, "finish_reason": "tool_calls"}]}))
        async with connect(stream=False) as model:
            done = await model.chat(HI)
        assert (done.reasoning, done.tool_calls) == ("Hm.", (ToolCall("a", "f", "{}"),))

    async def test_streamed_or_not_the_text_is_the_same(self, server, connect) -> None:
        async with connect() as one, connect(stream=False) as other:
            first = await one.chat(HI, temperature=0)
            second = await other.chat(HI, temperature=0)
        assert first.text == second.text
        assert first.usage == second.usage


async def test_what_stands_beside_a_text_is_kept(server, connect) -> None:
    call = {"index": 0, "id": "a", "function": {"name": "look", "arguments": "{}"}}
    deltas = (
        {"content": "So", "reasoning_content": "Hm."},
        {"content": ",", "refusal": "No."},
        {"content": " I look", "tool_calls": [call]},
    )
    server.queue(stream(*({"choices": [{"delta": delta}]} for delta in deltas), finish()))
    async with connect() as model:
        done = await model.chat(HI)
    assert (done.text, done.reasoning, done.refusal) == ("So, I look", "Hm.", "No.")
    assert done.tool_calls == (ToolCall("a", "look", "{}"),)
    assert done.finish_reason == "tool_calls"


@pytest.mark.parametrize(
    "chunk",
    [
        {"choices": [None]}, {"choices": ["x"]}, {"choices": [{"delta": "x"}]}, {"choices": {}},
        {"choices": [{"delta": {"content": 5}}]}, {"choices": [{"delta": {"tool_calls": "x"}}]},
        {"choices": [{"delta": {"tool_calls": [None]}}]}, {"choices": [{"logprobs": "x"}]},
        {"choices": [{"delta": {"tool_calls": [{"function": None}]}}]}, {"usage": "x"},
        {"usage": {"prompt_tokens": "many"}}, {"timings": [1]}, {"prompt_progress": 5},
        {"choices": [{"delta": {"content": [1, {"text": 5}]}}]},
        {"choices": [{"delta": {"content": "a"}, "logprobs": {"content": [5, {}]}}]},
        {"choices": [{"text": "a", "logprobs": {"tokens": [1], "token_logprobs": [None]}}]},
    ],
)  # fmt: skip
async def test_nothing_in_a_stream_is_relied_on(chunk, server: FaultServer, connect) -> None:
    server.queue(stream(event(chunk), text("Hello"), finish()))
    async with connect() as model:
        done = await model.chat(HI, logprobs=0)
    assert done.text.endswith("Hello")


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
    | st.sampled_from([10**400, -(10**400), 2**70, [256], [-1], ["x"], "9" * 5000]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)  # fmt: skip
CALL = {"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}
TOKEN = {"token": "a", "bytes": [97], "logprob": -0.5, "id": 7}
OLDER = {"tokens": ["a"], "token_logprobs": [-0.5], "top_logprobs": [{"a": -0.5}]}
FAULT = {"message": "no", "code": "x", "type": "y", "n_ctx": 5, "n_prompt_tokens": 7, "param": "z"}
FULL = {
    "id": "1", "model": "m", "detail": "x", "error_message": "y", "error": FAULT,
    "timings": {"predicted_n": 3, "prompt_n": 2, "cache_n": 1}, "x_groq": {"usage": {}},
    "prompt_progress": {"processed": 1, "total": 2, "cache": 0},
    "usage": {"prompt_tokens": 1, "completion_tokens": 2,
              "prompt_tokens_details": {"cached_tokens": 1},
              "completion_tokens_details": {"reasoning_tokens": 1}},
    "choices": [{"index": 0, "finish_reason": "stop", "text": "a",
        "delta": {"role": "assistant", "refusal": "no", "tool_calls": [CALL],
                  "content": [{"type": "text", "text": "a"},
                              {"type": "thinking", "thinking": [{"text": "b"}]}],
                  "reasoning": "b", "reasoning_content": "c"},
        "logprobs": {"content": [{**TOKEN, "top_logprobs": [TOKEN]}]}}],
}  # fmt: skip


def ways_into(value: object, way: tuple = ()) -> Iterator[tuple]:
    yield way
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from ways_into(value[key], (*way, key))


def replaced(value: object, way: tuple, by: object) -> object:
    if not way:
        return by
    made = copy(value)
    made[way[0]] = replaced(value[way[0]], way[1:], by)
    return made


@given(data=st.data(), by=ANYTHING, older=st.booleans())
@settings(max_examples=300)
def test_nothing_in_an_object_is_relied_on(data, by, older) -> None:
    full = replaced(FULL, ("choices", 0, "logprobs"), OLDER) if older else FULL
    way = data.draw(st.sampled_from([*ways_into(full)]))
    if not way:
        return  # what is no object never gets there
    chunk = replaced(full, way, by)
    answer, out = taken(chunk, chunk)
    for one in [*out, *answer.finish()]:
        if isinstance(one, Delta):
            assert isinstance(one.text, str)
            assert all(float(found.logprob) <= 0 for found in one.logprobs)
        if isinstance(one, Usage):
            assert float(one.prompt_tokens + one.completion_tokens) >= 0
    assert str(fault_in(chunk, b"error").error(None, {}))
