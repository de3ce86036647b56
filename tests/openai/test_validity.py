"""An answer that was bound is checked, since servers answer all the same."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator

import anyio
import pytest
from penstock import errors
from penstock_openai.testing import FaultServer, finish, stream, text

pytestmark = pytest.mark.anyio

HI = ({"role": "user", "content": "Hi"},)
SCHEMA = {
    "type": "object",
    "properties": {"n": {"type": "integer", "minimum": 1}},
    "required": ["n"],
}


def said(*words: str, reason: str = "stop"):
    return stream(*(text(word) for word in words), finish(reason))


GOOD = [
    ({"schema": SCHEMA}, ('{"n"', ": 5}")),
    ({"schema": {}}, ("[1, 2]",)),
    ({"regex": "[0-9]+"}, ("12", "3")),
    ({"choices": ["yes", "no"]}, ("ye", "s")),
    ({"regex": r"\p{L}+"}, ("abc",)),  # of another dialect than Python's
    ({"regex": "[[:alpha:]]+"}, ("abc",)),
    ({"schema": {"pattern": "^[[:alpha:]]+$"}}, ('"abc"',)),
    ({"schema": {"multipleOf": 0.01}}, ("4.", "35")),
    ({"schema": {"items": [{"type": "integer"}, {"type": "null"}]}}, ("[1, null]",)),  # of draft 7
]


@pytest.mark.parametrize(("bound", "words"), GOOD)
async def test_what_was_asked_for_is_passed_on(bound, words, server, connect) -> None:
    server.queue(said(*words))
    async with connect(flavor="vllm") as model:
        assert (await model.chat(HI, **bound)).text == "".join(words)


BAD = [
    ({"schema": SCHEMA}, "Sure! Here it is: {}", "no JSON"),
    ({"schema": SCHEMA}, '{"n": "5"}', "not valid by the schema"),
    ({"schema": SCHEMA}, '{"n": 0}', r"at \$\.n"),
    ({"schema": SCHEMA}, '{"n": 1', "no JSON"),
    ({"regex": "[0-9]+"}, "12a", "not matched"),
    ({"choices": ["yes", "no"]}, "yes!", "none of the choices"),
    ({"regex": "(a|aa)+b"}, "a" * 90, "not matched"),  # in Python's engine, that takes for ever
    ({"schema": {"pattern": "^(a|aa)+b$"}}, f'"{"a" * 90}"', "not valid by the schema"),
    ({"schema": {"$ref": "http://127.0.0.1:9/x"}}, "{}", "cannot be checked"),
]


@pytest.mark.parametrize(("bound", "answer", "words"), BAD)
async def test_what_was_not_is_an_error_with_the_text(
    bound, answer, words, server, connect
) -> None:
    server.queue(said(answer))
    async with connect(flavor="vllm") as model:
        with pytest.raises(errors.MalformedAnswer, match=words) as caught:
            await model.chat(HI, **bound)
    assert caught.value.partial.text == answer


async def test_the_loop_goes_on_while_a_long_answer_is_checked(server, connect) -> None:
    answer = json.dumps([{"n": at} for at in range(900)])
    server.queue(said(answer))
    turns = itertools.count()
    async with connect(flavor="vllm") as model, anyio.create_task_group() as others:
        others.start_soon(turn_by_turn, turns)
        generation = model.chat(HI, schema={"uniqueItems": True})  # which takes its time
        async for _ in generation:
            arrived = next(turns)
        assert next(turns) - arrived > 10
        others.cancel_scope.cancel()
    assert generation.completion.text == answer


async def turn_by_turn(turns: Iterator[int]) -> None:
    while True:
        next(turns)
        await anyio.sleep(0.001)


async def test_an_answer_that_was_cut_short_is_told_as_such(server: FaultServer, connect) -> None:
    server.queue(said('{"n"', reason="length"))
    async with connect() as model:
        with pytest.raises(errors.IncompleteAnswer) as caught:
            await model.chat(HI, schema=SCHEMA, max_tokens=2)
    assert caught.value.partial.text == '{"n"'


async def test_nothing_of_a_schema_is_fetched(server: FaultServer, connect) -> None:
    server.queue(said("{}"))
    async with connect() as model:
        with pytest.raises(errors.MalformedAnswer):
            await model.chat(HI, schema={"$ref": f"{server.url}/schema.json"})
    assert [received.path for received in server.received] == ["/v1/chat/completions"]
