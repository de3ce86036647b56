"""Partials: what there is so far, and nothing that may still change."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from penstock.constraint import Constraint
from penstock.errors import EngineError, IncompleteAnswer, InvalidAnswer, UsageError
from penstock.events import Delta
from penstock.request import ENGINE_OPTIONS
from penstock.streams.partials import Partials
from penstock.testing import EchoEngine, Fail, hosted

pytestmark = pytest.mark.anyio


@dataclass
class Person:
    name: str
    age: int
    tags: list[str]


WORDS = ('{"name": "Mi', 'a", "age": 1', '2, "tags": ["a', '", "b"', "]}")


def answering(*steps):
    engine = EchoEngine(lambda request: steps)
    able = replace(engine.info.capabilities, options=ENGINE_OPTIONS)
    engine.info = replace(engine.info, capabilities=able)
    return hosted(engine)


async def test_members_come_when_they_are_whole_and_the_value_at_the_end(items_of):
    async with answering(*WORDS) as model:
        found = await items_of(model.complete("", schema=Person).partials())
    assert found == [
        {},
        {"name": "Mia"},
        {"name": "Mia", "age": 12, "tags": []},
        {"name": "Mia", "age": 12, "tags": ["a", "b"]},
        Person("Mia", 12, ["a", "b"]),
    ]


async def test_the_last_one_of_a_mapping_is_the_whole(items_of):
    async with answering(*WORDS) as model:
        generation = model.complete("", schema={"type": "object"})
        found = await items_of(generation.partials())
    assert found[-1] == generation.completion.parsed == json.loads("".join(WORDS))
    assert found[-2] != found[-1]


async def test_of_a_type_the_last_one_is_validated_even_if_it_looks_the_same(items_of):
    async with answering("[1,", "2]") as model:
        found = await items_of(model.complete("", schema=list[float]).partials())
    assert found == [[1], [1, 2], [1.0, 2.0]]
    assert [type(number) for number in found[-1]] == [float, float]


async def test_growing_has_the_beginnings_of_strings(items_of):
    async with answering('{"story": "O', "nce in 19", "99", '", "n": 1', "5}") as model:
        generation = model.complete("", schema={"type": "object"})
        found = await items_of(generation.partials(growing=True))
    assert [item.get("story") for item in found] == [
        "O",
        "Once in 19",
        "Once in 1999",
        "Once in 1999",
    ]
    assert [item.get("n") for item in found] == [None, None, None, 15]


async def test_a_string_grows_with_each_of_its_characters(items_of):
    steps = ('{"a": "', "The", ' \\"e', "\\", '"', "1", ".", '", "n": -', "1", "}")
    async with answering(*steps) as model:
        found = await items_of(model.complete("", schema={}).partials(growing=True))
    assert found == [
        *({"a": text} for text in ("", "The", 'The "e', 'The "e"', 'The "e"1', 'The "e"1.')),
        {"a": 'The "e"1.', "n": -1},
    ]


async def test_each_is_a_value_of_its_own():
    async with answering(*WORDS) as model:
        found = []
        async for item in model.complete("", schema={}).partials():
            found.append(json.dumps(item))
            item.clear()
    assert [json.loads(text) for text in found][-1] == json.loads("".join(WORDS))


async def test_a_plain_number_comes_at_its_end_only(items_of):
    async with answering("1", "2", "3") as model:
        assert await items_of(model.complete("", schema=int).partials()) == [123]
    async with answering("nul", "l") as model:
        assert await items_of(model.complete("", schema=int | None).partials()) == [None]


async def test_they_come_behind_other_stages_too():
    async with answering(*WORDS) as model:
        stream = model.complete("", schema=Person).buffered(tokens=2).partials().take(1)
        assert await stream.collect() == [{"name": "Mia"}]


@pytest.mark.parametrize(
    ("steps", "options", "error"),
    [
        (WORDS, {"max_tokens": 2}, IncompleteAnswer),
        (('{"name": "Mia"', "}"), {}, InvalidAnswer),
        ((*WORDS[:2], Fail(RuntimeError("boom"))), {}, EngineError),
    ],
)
async def test_an_error_comes_behind_what_was_whole(steps, options, error):
    async with answering(*steps) as model:
        found = []
        with pytest.raises(error):
            async for item in model.complete("", schema=Person, **options).partials():
                found.append(item)
    assert found[-1] == {"name": "Mia"}


async def test_left_early_there_is_no_last_one():
    async with answering(*WORDS) as model:
        stream = model.complete("", schema=Person).until(', "age"').partials()
        assert await stream.collect() == [{}, {"name": "Mia"}]


@pytest.mark.parametrize("options", [{}, {"choices": ("a",)}, {"regex": "a"}])
async def test_without_a_schema_there_is_nothing_to_look_at(options):
    async with answering("a") as model:
        generation = model.complete("", **options)
        with pytest.raises(UsageError, match="bound by no schema"):
            generation.partials()
        await generation


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=12,
)


class Unended:
    """A generation that is still going on."""

    constraint = Constraint("json_schema", "{}")
    formed = False


def grew(before, after):
    """Whether everything that was there still is, with nothing changed but the last of it."""
    if isinstance(before, list):
        return (
            isinstance(after, list) and all(map(grew, before, after)) and len(after) >= len(before)
        )
    if isinstance(before, dict):
        return isinstance(after, dict) and all(
            grew(before[name], after.get(name)) for name in before
        )
    return before == after and type(before) is type(after)


@given(value=JSON, data=st.data())
def test_however_it_is_cut_what_was_there_stays(value, data):
    text = json.dumps(value, ensure_ascii=data.draw(st.booleans()))
    stage, states, at = Partials(Unended(), growing=False), [], 0
    while at < len(text):
        size = data.draw(st.integers(1, 5))
        states.extend(stage.feed(Delta(text[at : at + size])))
        at += size
    for before, after in zip(states, [*states[1:], value], strict=False):
        assert grew(before, after), (text, before, after)
    if isinstance(value, dict | list) and value:
        assert states[-1] == value


@given(value=JSON, data=st.data())
def test_growing_ends_with_the_whole_too(value, data):
    text = json.dumps({"value": value})
    stage, states, at = Partials(Unended(), growing=True), [], 0
    while at < len(text):
        size = data.draw(st.integers(1, 5))
        states.extend(stage.feed(Delta(text[at : at + size])))
        at += size
    assert states[-1] == {"value": value}
