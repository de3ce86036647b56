"""Log probabilities travel with the text they belong to, where they were asked for."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from penstock.errors import DeadlineExceeded
from penstock.events import Delta, Logprob, Token
from penstock.request import Deadlines, Sampling
from penstock.streams import Trace
from penstock.streams.assembly import assembly_of
from penstock.streams.wire import completion_record
from penstock.testing import EchoEngine

pytestmark = pytest.mark.anyio


class Telling(EchoEngine):
    """An echo that honours `logprobs`, in that its script tells them."""

    def __init__(self, script) -> None:
        super().__init__(script)
        able = self.info.capabilities
        able = replace(able, options=able.options | {"logprobs", "logit_bias"})
        self.info = replace(self.info, capabilities=able)


def told(number: int, data: bytes = b"x", *, top: int = 0) -> Logprob:
    others = tuple(Logprob(other, b"o", -0.5 - other) for other in range(top))
    return Logprob(number, data, -number / 8, others)


def token(number: int, data: bytes) -> Token:
    return Token(number, data, 1.0, told(number, data))


def numbers(logprobs) -> list[int]:
    return [logprob.id for logprob in logprobs]


@pytest.fixture
def telling(saying):
    """`telling(*steps)` is a model whose every answer is these steps, log probabilities too."""
    return lambda *steps, **settings: saying(*steps, flavour=Telling, **settings)


STEPS = [token(1, b"a"), token(2, b"\xe4\xbd"), token(3, b"\xa0"), token(4, b" b")]


async def test_each_delta_has_those_of_its_tokens(telling, items_of):
    async with telling(*STEPS) as model:
        gen = model.complete("", logprobs=0)
        deltas = await items_of(gen)
    assert [(delta.text, numbers(delta.logprobs)) for delta in deltas] == [
        ("a", [1]),
        ("你", [2, 3]),
        (" b", [4]),
    ]
    assert gen.completion.logprobs == tuple(step.logprob for step in STEPS)


async def test_nobody_hears_of_them_who_did_not_ask(telling, items_of):
    async with telling(*STEPS) as model:
        gen = model.complete("")
        deltas = await items_of(gen)
    assert not any(delta.logprobs for delta in deltas)
    assert gen.completion.logprobs == ()


async def test_what_a_stop_string_holds_back_waits_with_its_text(telling, items_of):
    steps = [token(1, b"a"), token(2, b" EN"), token(3, b"T"), token(4, b" END")]
    async with telling(*steps) as model:
        gen = model.complete("", logprobs=0, stop="END")
        deltas = await items_of(gen)
    assert "".join(delta.text for delta in deltas) == "a ENT "
    assert numbers(gen.completion.logprobs) == [1, 2, 3, 4]
    for delta in deltas:
        assert numbers(delta.logprobs) == list(delta.ids)


@given(
    st.lists(st.builds(token, st.integers(1, 9), st.binary(max_size=3)), max_size=12),
    st.lists(st.text("ab", min_size=1, max_size=3), max_size=2).map(tuple),
    st.none() | st.integers(1, 5),
)
def test_they_go_where_the_ids_go(events, stops, limit):
    sampling = Sampling(logprobs=1, stop=stops or None, max_tokens=limit)
    assembly = assembly_of(sampling, trace=Trace())
    deltas = [assembly.feed(event) for event in events]
    for delta in filter(None, [*deltas, assembly.end()]):
        assert numbers(delta.logprobs) == list(delta.ids)


@pytest.mark.parametrize("shaped", [False, True])
def test_deltas_of_an_engine_keep_theirs(shaped):
    assembly = assembly_of(Sampling(logprobs=1), trace=Trace(), shaped=shaped)
    given_out = [Delta("a", 1, (7,), 1.0, (told(7),)), Delta("b", 1, (8,), 1.0, (told(8),))]
    got = [assembly.feed(delta) for delta in given_out]
    assert [numbers(delta.logprobs) for delta in got] == [[7], [8]]


def test_deltas_of_an_engine_keep_theirs_though_their_text_is_held_back():
    assembly = assembly_of(Sampling(logprobs=1, stop=("END",)), trace=Trace())
    assert assembly.feed(Delta("E", 1, (7,), 1.0, (told(7),))) is None
    delta = assembly.feed(Delta("N.", 1, (8,), 1.0, (told(8),)))
    assert (delta.text, numbers(delta.logprobs)) == ("EN.", [7, 8])


@pytest.mark.parametrize(
    "shape", [lambda gen: gen.buffered(tokens=3), lambda gen: gen.until("b c"), lambda gen: gen]
)
async def test_no_stage_loses_any(telling, items_of, shape):
    steps = [token(number, b"%d b " % number) for number in range(1, 8)]
    async with telling(*steps) as model:
        deltas = await items_of(shape(model.complete("", logprobs=0)))
    for delta in deltas:
        assert numbers(delta.logprobs) == list(delta.ids)
    assert [number for delta in deltas for number in delta.ids] == list(range(1, 8))


async def test_a_completion_has_those_of_what_was_delivered(telling, items_of):
    async with telling(*STEPS) as model:
        gen = model.complete("", logprobs=0)
        await items_of(gen.take(2))
    assert gen.completion.text == "a你"
    assert numbers(gen.completion.logprobs) == [1, 2, 3]


async def test_what_came_too_late_to_be_read_is_not_counted(telling):
    async with telling(*STEPS, deadlines=Deadlines(total=0.05)) as model:
        gen = model.complete("", logprobs=0)
        reader = aiter(gen)
        await anext(reader)
        await anyio.sleep(0.1)
        with pytest.raises(DeadlineExceeded):
            await anext(reader)
    assert gen.completion.text == "a"
    assert numbers(gen.completion.logprobs) == [1]


# on a wire


def strict(line: str) -> dict:
    """Read JSON as its standard says: there are no infinities in it."""

    def refuse(constant):
        raise AssertionError(constant)

    return json.loads(line, parse_constant=refuse)


async def test_lines_of_json_carry_them(telling, items_of):
    impossible = Logprob(6, b"\xff", -math.inf)
    step = Token(5, b"\xc3\xa9", 1.0, Logprob(5, b"\xc3\xa9", -0.25, (told(1, b"a"), impossible)))
    async with telling(step) as model:
        options = {"logprobs": 2, "logit_bias": {3: -math.inf, 4: 0.5}}
        lines = await items_of(model.complete("", **options).ndjson())
    expected = {
        "id": 5,
        "text": "é",
        "bytes": [0xC3, 0xA9],
        "logprob": -0.25,
        "top": [
            {"id": 1, "text": "a", "bytes": [97], "logprob": -0.125},
            {"id": 6, "text": "\ufffd", "bytes": [255], "logprob": None},
        ],
    }
    delta, last = [strict(line) for line in lines]
    assert delta == {"text": "é", "tokens": 1, "logprobs": [expected]}
    assert last["finish"]["logprobs"] == [expected]
    assert last["finish"]["effective"]["logit_bias"] == {"3": None, "4": 0.5}


async def test_nothing_is_on_the_wire_that_nobody_asked_for(telling, items_of):
    async with telling(*STEPS) as model:
        lines = await items_of(model.complete("").sse())
    assert not any("logprobs" in line for line in lines)


async def test_the_record_of_a_completion_has_its_text_if_wanted(telling):
    async with telling(*STEPS) as model:
        done = await model.complete("", logprobs=0)
    record = completion_record(done, text=True)
    assert record["text"] == "a你 b"
    assert [logprob["id"] for logprob in record["logprobs"]] == [1, 2, 3, 4]
