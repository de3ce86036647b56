"""Strict mode: what is said of a schema, so that OpenAI takes it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import jsonschema
import pytest
from penstock import errors
from penstock.constraint import schema_text
from penstock.messages import as_messages
from penstock.request import Request, Sampling
from penstock_openai.body import Speech
from penstock_openai.flavors import FLAVORS
from penstock_openai.options import LoadOptions
from penstock_openai.strict import is_object, strict
from penstock_openai.testing import FaultServer, error, finish, stream, text
from pydantic import BaseModel, Field

HI = ({"role": "user", "content": "Hi"},)


class Pet(BaseModel):
    kind: Literal["cat"] = "cat"
    name: Annotated[str, Field(max_length=9, description="What it is called")]


class Car(BaseModel):
    kind: Literal["car"] = "car"
    wheels: int = 4


class Owner(BaseModel):
    """Somebody who has something."""

    name: str
    has: Annotated[Pet | Car, Field(discriminator="kind")]
    born: str | None = None
    best: Pet | None = Field(default=None, description="The best of all")


class Tree(BaseModel):
    name: str
    children: list[Tree] = []


@dataclass
class Anything:
    data: dict[str, Any]


def typed(wanted: object) -> dict[str, Any]:
    return json.loads(schema_text(wanted))


def objects_in(schema: Any) -> list[dict[str, Any]]:
    inner = schema.values() if isinstance(schema, dict) else schema
    found = [one for part in inner if isinstance(part, dict | list) for one in objects_in(part)]
    is_object = isinstance(schema, dict) and schema.get("type") == "object"
    return [schema, *found] if is_object else found


@pytest.mark.parametrize("wanted", [Owner, Tree, Pet])
def test_every_object_is_closed_and_all_its_fields_are_required(wanted) -> None:
    said = strict(typed(wanted))
    assert said is not None
    found = objects_in(said)
    assert found
    for one in found:
        assert one["additionalProperties"] is False
        assert one["required"] == list(one["properties"])
    jsonschema.Draft202012Validator.check_schema(said)


@pytest.mark.parametrize("word", ["oneOf", "discriminator", "default", "maxLength"])
def test_what_strict_mode_does_not_know_is_left_out(word) -> None:
    assert word in json.dumps(typed(Owner))
    assert word not in json.dumps(strict(typed(Owner)))


def test_a_reference_stands_alone() -> None:
    best = strict(typed(Owner))["properties"]["best"]
    assert {"$ref": "#/$defs/Pet"} in best["anyOf"]
    sibling = {"$ref": "#/$defs/a", "description": "x"}
    schema = {"type": "object", "properties": {"a": sibling}, "$defs": {"a": {"type": "null"}}}
    assert strict(schema)["properties"]["a"] == {"$ref": "#/$defs/a"}


def test_the_root_is_an_object_and_no_reference() -> None:
    assert "$ref" in typed(Tree)
    said = strict(typed(Tree))
    assert said["type"] == "object"
    assert said["properties"]["children"]["items"] == {"$ref": "#/$defs/Tree"}


def test_definitions_by_their_old_name_are_kept() -> None:
    place = {"type": "object", "properties": {"name": {"type": "string"}}}
    within = {"type": "object", "properties": {"at": {"$ref": "#/definitions/Place"}}}
    for schema in (
        {**within, "definitions": {"Place": place}},
        {"$ref": "#/definitions/Trip", "definitions": {"Trip": within, "Place": place}},
    ):
        checker = jsonschema.Draft202012Validator(strict(schema))
        assert is_object(schema)
        assert checker.is_valid({"at": {"name": "lake"}})
        assert not checker.is_valid({"at": {"name": 5}})


def test_it_asks_for_less_or_the_same() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"type": "integer", "minimum": 1}, "b": {"type": "string"}},
        "required": ["a"],
    }
    said = strict(schema)
    for answer in ({"a": 1, "b": "x"}, {"a": 1}, {"a": 0, "b": ""}, {"a": 1, "b": "x", "c": 2}):
        if jsonschema.Draft202012Validator(said).is_valid(answer):
            assert jsonschema.Draft202012Validator(schema).is_valid(answer)
    assert jsonschema.Draft202012Validator(said).is_valid({"a": 1, "b": "x"})


def test_a_format_it_does_not_know_is_left_out() -> None:
    def field(form: str) -> dict[str, Any]:
        return strict({"type": "object", "properties": {"a": {"type": "string", "format": form}}})

    assert field("date")["properties"]["a"]["format"] == "date"
    assert "format" not in field("path")["properties"]["a"]


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object"},
        {"type": "object", "properties": {"a": {}}},
        {"type": "object", "properties": {}, "additionalProperties": {"type": "integer"}},
        {"type": "object", "properties": {"a": {"type": "array", "prefixItems": [{"const": 1}]}}},
        {"type": "object", "properties": {"a": {"not": {"type": "null"}}}},
        {"type": "object", "properties": {"a": True}},
        {"type": "object", "properties": {"a": {"anyOf": [{"const": 1}], "oneOf": [{"const": 2}]}}},
    ],
)
def test_what_it_has_no_way_to_say_is_not_said_strictly(schema) -> None:
    assert strict(schema) is None


def body(flavor: str, wanted: object) -> dict[str, Any]:
    request = Request(messages=as_messages(HI), sampling=Sampling(schema=wanted))
    speech = Speech("m", FLAVORS[flavor], LoadOptions.of({"base_url": "http://127.0.0.1:9/v1"}))
    return speech.body(request)


def test_openai_is_told_strictly_where_that_can_be() -> None:
    named = body("openai", Pet)["response_format"]["json_schema"]
    assert (named["strict"], named["schema"]) == (True, strict(typed(Pet)))
    loose = body("openai", Anything)["response_format"]["json_schema"]
    assert ("strict" in loose, loose["schema"]) == (False, typed(Anything))


@pytest.mark.parametrize("wanted", [list[int], int, Pet | Car])
def test_openai_takes_objects_only(wanted) -> None:
    with pytest.raises(errors.Unsupported, match="schemas of objects only"):
        body("openai", wanted)
    assert body("vllm", wanted)["response_format"]["json_schema"]["schema"] == typed(wanted)


@pytest.mark.anyio
async def test_a_server_that_wants_no_strictness_gets_the_schema_as_it_is(
    server: FaultServer, connect
) -> None:
    server.queue(error(400, "Invalid schema", param="response_format"))
    answer = '{"name": "Tom"}'
    server.queue(stream(text(answer), finish()))
    async with connect(flavor="openai") as model:
        done = await model.chat(HI, schema=Pet)
    assert done.parsed == Pet(name="Tom")
    first, second = [r.body["response_format"]["json_schema"] for r in server.received]
    assert first["strict"] is True
    assert second == {"name": "answer", "schema": typed(Pet)}


@pytest.mark.anyio
async def test_a_server_that_ignores_the_type_is_found_out_by_the_type(server, connect) -> None:
    server.queue(stream(text('{"wheels": "many"}'), finish()))
    async with connect(flavor="vllm") as model:
        with pytest.raises(errors.InvalidAnswer, match="wheels") as caught:
            await model.chat(HI, schema=Car)
        assert caught.value.partial.text == '{"wheels": "many"}'
        server.queue(stream(text('{"wheels": "3"}'), finish()))  # what pydantic takes is taken
        assert (await model.chat(HI, schema=Car)).parsed == Car(wheels=3)
