"""Schemas of types: what they ask for, and what they leave to pydantic."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Annotated, Any, Literal, NamedTuple
from uuid import UUID

import pytest
from penstock.constraint import Constraint, TypedSchema, schema_text
from penstock.errors import UsageError
from penstock.matching import is_found
from penstock.request import Sampling
from penstock.type_schema import described
from pydantic import (
    UUID1,
    UUID4,
    UUID7,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    NaiveDatetime,
    RootModel,
    ValidationError,
)
from typing_extensions import TypedDict


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Floor(IntEnum):
    GROUND = 0
    FIRST = 1


class Tree(BaseModel):
    name: str
    children: list[Tree] = []


TREE = Tree(name="a", children=[Tree(name="b")])


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    name: str


class Named(BaseModel):
    a_name: str = Field(alias="name")


@dataclass
class Person:
    name: str
    age: int = 7


class Point(TypedDict):
    x: int
    y: int


class Pair(NamedTuple):
    first: int
    second: str


def schema_of(wanted: object) -> dict[str, Any]:
    return json.loads(schema_text(wanted))


def test_objects_take_the_fields_of_their_type_and_no_others():
    schema = schema_of(Person)
    assert schema["additionalProperties"] is False
    assert schema["required"] == ["name"]
    assert schema_of(Point)["additionalProperties"] is False
    assert schema_of(list[Person])["$defs"]["Person"]["additionalProperties"] is False
    assert schema_of(Tree)["$defs"]["Tree"]["additionalProperties"] is False


def test_a_type_that_takes_any_field_says_so():
    assert schema_of(Open)["additionalProperties"] is True
    assert schema_of(dict[str, int])["additionalProperties"] == {"type": "integer"}


def test_a_field_called_properties_is_a_field():
    class Odd(BaseModel):
        properties: dict[str, int]
        pattern: int
        items: str = "x"

    schema = schema_of(Odd)
    assert set(schema["properties"]) == {"properties", "pattern", "items"}
    assert schema["properties"]["properties"]["additionalProperties"] == {"type": "integer"}


@pytest.mark.parametrize(
    "pattern",
    ["^(?=a)b", "(?<!a)b", r"\bfoo", r"(a)\1", r"^a\Z", "^a{,3}$", "(?m)^a$", "(?P<x>a)(?P=x)"],
)
def test_a_pattern_that_no_engine_is_bound_to_is_left_to_the_type(pattern):
    class Around(BaseModel):
        model_config = ConfigDict(regex_engine="python-re")
        text: Annotated[str, Field(pattern=pattern)]

    assert "pattern" not in schema_of(Around)["properties"]["text"]


def test_keys_that_are_known_are_fields():
    schema = schema_of(dict[Literal["a", "b"], bool])
    assert schema["properties"] == {"a": {"type": "boolean"}, "b": {"type": "boolean"}}
    assert schema["additionalProperties"] is False
    assert "required" not in schema


@pytest.mark.parametrize("kind", [Colour, Floor])
def test_keys_of_an_enum_are_fields_too(kind):
    schema = schema_of(dict[kind, list[kind]])
    assert list(schema["properties"]) == [str(member.value) for member in kind]
    assert schema["additionalProperties"] is False
    key = next(iter(kind))
    text = json.dumps({str(key.value): [key.value]})
    assert described(dict[kind, list[kind]])[1].validate_json(text) == {key: [key]}


@pytest.mark.parametrize(
    ("key", "good", "bad"),
    [
        (int, ["0", "-12"], ["", "a", "01", "1.5"]),
        (date, ["2026-11-30"], ["2026", "2026-13-01"]),
        (UUID, ["851e4000-3aa4-4087-8302-5604810a1729"], ["851e"]),
        (Annotated[str, Field(pattern="^x[a-z]$")], ["xa"], ["a", "xA"]),
    ],
)
def test_keys_of_any_type_are_told_by_how_they_are_written(key, good, bad):
    schema = schema_of(dict[key, list[int]])
    pattern = schema["propertyNames"]["pattern"]
    assert schema["additionalProperties"] == {"items": {"type": "integer"}, "type": "array"}
    assert [one for one in good if not is_found(pattern, one)] == []
    assert [one for one in bad if is_found(pattern, one)] == []
    read = described(dict[key, list[int]])[1].validate_json
    assert len(read(json.dumps({one: [] for one in good}))) == len(good)


def test_a_decimal_has_no_more_digits_than_its_type():
    assert schema_of(Annotated[Decimal, Field(max_digits=5, decimal_places=2, le=9)]) == {
        "type": "number",
        "multipleOf": 0.01,
        "exclusiveMinimum": -1000,
        "exclusiveMaximum": 1000,
        "maximum": 9.0,
    }
    assert schema_of(Annotated[Decimal, Field(multiple_of=5, decimal_places=2)])["multipleOf"] == 5
    assert schema_of(Annotated[Decimal, Field(max_digits=38)]) == {"type": "number"}
    assert schema_of(Annotated[Decimal, Field(decimal_places=18)]) == {"type": "number"}


def test_a_moment_without_a_zone_is_written_without_one():
    pattern = schema_of(NaiveDatetime)["pattern"]
    assert is_found(pattern, "2026-01-02T03:04:05")
    assert not is_found(pattern, "2026-01-02T03:04:05Z")
    assert schema_of(datetime)["format"] == schema_of(AwareDatetime)["format"] == "date-time"


def test_a_version_of_a_uuid_is_one_of_its_digits():
    for kind, version in ((UUID1, 1), (UUID4, 4), (UUID7, 7)):
        schema, read = schema_of(kind), described(kind)[1].validate_json
        text = f"851e4000-3aa4-{version}087-8302-5604810a1729"
        assert schema["format"] == "uuid"
        assert is_found(schema["pattern"], text)
        assert not is_found(schema["pattern"], text.replace("-8302", "-1302"))
        assert read(f'"{text}"').version == version


@pytest.mark.parametrize("wanted", [Iterable[int], Generator[int, None, None], Iterable])
def test_an_iterable_is_a_list_that_was_checked(wanted):
    schema, adapter = described(wanted)
    assert json.loads(schema)["type"] == "array"
    assert adapter.validate_json("[1, 2]") == [1, 2]


def test_an_iterable_of_what_was_not_asked_for_is_refused():
    with pytest.raises(ValidationError):
        described(Iterable[int])[1].validate_json('["a"]')


def test_names_are_those_that_are_read():
    assert set(schema_of(Named)["properties"]) == {"name"}


def test_what_few_can_be_bound_to_is_left_to_the_type():
    assert "uniqueItems" not in schema_of(set[int])
    assert "uniqueItems" not in schema_of(frozenset[int])
    assert schema_of(Annotated[Decimal, Field(ge=0)]) == {"type": "number", "minimum": 0.0}
    assert schema_of(Annotated[str, Field(pattern="^[a-z]+$")])["pattern"] == "^[a-z]+$"


@pytest.mark.parametrize(
    ("wanted", "answer", "expected"),
    [
        (Person, '{"name": "Mia"}', Person("Mia", 7)),
        (Point, '{"x": 1, "y": 2}', {"x": 1, "y": 2}),
        (Tree, '{"name": "a", "children": [{"name": "b"}]}', TREE),
        (Named, '{"name": "a"}', Named(name="a")),
        (Pair, '[1, "b"]', Pair(1, "b")),
        (Colour, '"red"', Colour.RED),
        (list[int], "[1, 2]", [1, 2]),
        (set[int], "[1, 1]", {1}),
        (Literal["a", "b"], '"b"', "b"),
        (int | str, '"5"', "5"),
        (Person | None, "null", None),
        (dict[str, bool], '{"a": true}', {"a": True}),
        (Decimal, "0.1", Decimal("0.1")),
        (RootModel[list[int]], "[3]", RootModel[list[int]]([3])),
        (str, '"text"', "text"),
    ],
)  # fmt: skip
def test_an_answer_makes_a_value_of_the_type(wanted, answer, expected):
    constraint = Sampling(schema=wanted).constraint
    assert constraint.checked
    assert isinstance(constraint.value, TypedSchema)
    value = constraint.value.adapter.validate_json(answer)
    assert (value, type(value)) == (expected, type(expected))


def test_options_with_a_type_are_compared_by_its_schema():
    one, other = Sampling(schema=Person, seed=1), Sampling(schema=Person, seed=1)
    assert one == other
    assert hash(one) == hash(other)
    assert one.over(Sampling(temperature=0)).constraint == other.constraint
    assert one != Sampling(schema=Point, seed=1)


@pytest.mark.parametrize("copied", [lambda it: pickle.loads(pickle.dumps(it)), copy.deepcopy])
def test_options_with_a_type_can_be_copied_and_sent(copied):
    sampling = Sampling(schema=list[Person], seed=1)
    again = copied(sampling)
    assert again == sampling
    assert again.schema.adapter.validate_json('[{"name": "Mia"}]') == [Person("Mia", 7)]


def test_a_schema_that_is_checked_elsewhere_is_another_constraint():
    typed = schema_text(list[int])
    assert Sampling(schema=json.loads(typed)).constraint == Constraint("json_schema", str(typed))
    assert Sampling(schema=typed).constraint != Constraint("json_schema", str(typed))
    assert Sampling(schema=str(typed)).constraint.checked is False


def test_options_with_a_type_are_shown_with_its_name():
    assert "schema=Person" in repr(Sampling(schema=Person))
    assert "schema=list[int]" in repr(Sampling(schema=list[int]))


def test_a_type_is_looked_at_once():
    assert schema_text(Person) is schema_text(Person)
    annotated = Annotated[int, Field(json_schema_extra={"examples": [1]}), []]
    assert schema_text(annotated) == schema_text(annotated)


def test_the_first_of_a_union_is_the_first_as_it_is_written():
    class Left(BaseModel):
        n: int

    class Right(BaseModel):
        n: int

    for first, union in ((Left, Left | Right), (Right, Right | Left)):
        assert schema_text(union).adapter.validate_json('{"n": 1}') == first(n=1)
        assert schema_text(list[union]).adapter.validate_json('[{"n": 1}]') == [first(n=1)]


class Unknown:
    """No type that pydantic knows."""


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (Person("Mia"), "of which no JSON schema can be made"),
        (Unknown, "schema for <class '.*Unknown'>. It must be a type that pydantic knows"),
        (list[Unknown], "Unable to generate pydantic-core schema"),
        (type(lambda: 0), "of which no JSON schema"),
    ],
)
def test_what_is_no_type_is_refused_with_what_to_give(wanted, words):
    with pytest.raises(UsageError, match=words) as caught:
        Sampling(schema=wanted)
    assert "a model, a dataclass" in caught.value.hint
    assert caught.value.__cause__ is not None
