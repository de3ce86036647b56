"""Server-Sent Events and lines of JSON, parsed back."""

from __future__ import annotations

import json

import pytest
from penstock.events import Prefill, Report, Token
from penstock.request import Deadlines
from penstock.testing import Fail, Pause, Stall

pytestmark = pytest.mark.anyio
BROKEN = Fail(RuntimeError("broken"))
AWKWARD = 'a\nb\r\n"c" \\ é 你 😀 \u2028 \u2029 \x85 data: x'


def events_of(lines):
    """Read Server-Sent Events as the HTML standard says: fields, and an empty line behind each."""
    stream = "".join(lines).encode("utf-8").decode("utf-8")
    assert stream.endswith("\n\n")
    found = []
    for block in stream[:-2].split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        assert set(fields) <= {"event", "data"}
        found.append((fields.get("event"), json.loads(fields["data"])))
    return found


def objects_of(lines):
    return [json.loads(line) for line in "".join(lines).splitlines()]


async def test_each_delta_is_an_event_and_the_finish_is_the_last(saying, items_of):
    steps = [Prefill(2, 2), Token(1, b"a"), Token(2, b"b")]
    async with saying(*steps) as model:
        events = events_of(await items_of(model.complete("").sse()))
    assert events[:2] == [(None, {"text": "a", "tokens": 1}), (None, {"text": "b", "tokens": 1})]
    (event, record) = events[2]
    assert event == "finish"
    assert record["finish_reason"] == "stop"
    assert record["usage"] == {
        "prompt_tokens": 2,
        "completion_tokens": 2,
        "cached_tokens": 0,
        "reasoning_tokens": 0,
        "source": "engine",
    }
    assert record["timings"]["e2e"] > 0
    assert len(events) == 3


async def test_each_delta_is_a_line_and_the_finish_is_the_last(saying, items_of):
    async with saying("a", "b") as model:
        *deltas, last = objects_of(await items_of(model.complete("", max_tokens=2).ndjson()))
    assert deltas == [{"text": "a", "tokens": 1}, {"text": "b", "tokens": 1}]
    assert last["finish"]["finish_reason"] == "length"
    assert last["finish"]["effective"]["max_tokens"] == 2


@pytest.mark.parametrize("form", ["sse", "ndjson"])
async def test_no_text_breaks_the_frame(saying, form):
    async with saying(AWKWARD) as model:
        lines = await getattr(model.complete(""), form)().collect()
    assert len("".join(lines).splitlines()) == {"sse": 5, "ndjson": 2}[form]
    assert json.loads(lines[0].removeprefix("data: "))["text"] == AWKWARD


async def test_text_travels_as_it_is_where_it_may(saying):
    async with saying("é 你 😀") as model:
        lines = await model.complete("").ndjson().collect()
    assert "é 你 😀" in lines[0]


async def test_an_error_is_an_event_instead_of_the_finish(saying, items_of):
    async with saying("a", BROKEN) as model:
        events = events_of(await items_of(model.complete("").sse()))
    assert [event for event, _ in events] == [None, "error"]
    assert events[-1][1]["type"] == "EngineError"
    assert "broken" in events[-1][1]["message"]


async def test_an_error_is_a_line_instead_of_the_finish(saying, items_of):
    async with saying(BROKEN) as model:
        assert [*objects_of(await items_of(model.complete("").ndjson()))[-1]] == ["error"]


async def test_a_deadline_is_an_error_event(saying):
    async with saying("a", Stall(), deadlines=Deadlines(idle=0.05)) as model:
        events = events_of(await model.complete("").sse().collect())
    assert [(event, record.get("type")) for event, record in events] == [
        (None, None),
        ("error", "DeadlineExceeded"),
    ]


async def test_an_error_in_a_stage_before_it_is_one_error_event(saying, items_of):
    def fail(delta):
        raise KeyError("mine")

    async with saying("a", "b") as model:
        gen = model.complete("")
        events = events_of(await items_of(gen.tap(fail).sse()))
        await gen.idle()
    assert [(event, record["type"]) for event, record in events] == [("error", "KeyError")]
    assert gen.completion.finish_reason == "stopped"


async def test_a_stage_that_ends_early_ends_in_a_finish(counting, items_of):
    async with counting([]) as model:
        events = events_of(await items_of(model.complete("").until("2").sse()))
    assert "".join(record["text"] for event, record in events if event is None) == "0 1 "
    assert events[-1][0] == "finish"
    assert events[-1][1]["finish_reason"] == "stopped"


async def test_a_stop_string_is_named_in_the_finish(saying):
    async with saying("a", "b") as model:
        events = events_of(await model.complete("", stop="b").sse().collect())
    assert events[-1][1]["finish_reason"] == "stop_sequence"
    assert events[-1][1]["stop_sequence"] == "b"


async def test_an_event_is_there_before_the_engine_goes_on(saying):
    async with saying("a", Pause(60)) as model:
        async for event in model.complete("").sse():
            assert event == 'data: {"text": "a", "tokens": 1}\n\n'
            break


@pytest.mark.parametrize("form", ["sse", "ndjson"])
async def test_figures_that_json_does_not_have_are_left_out(form, saying, items_of):
    report = Report(details={"speed": float("inf"), "share": float("nan"), "slot": 3.0})
    async with saying(report, Token(1, b"a")) as model:
        lines = await items_of(getattr(model.complete(""), form)())
    assert '"details": {"slot": 3.0}' in lines[-1]
