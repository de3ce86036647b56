"""What an answer is worth: whole or cut, of the form asked for or not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import pytest
from penstock.errors import IncompleteAnswer, InvalidAnswer
from penstock.forms import form_of, judged
from penstock.request import Sampling
from pydantic import BaseModel, ConfigDict, Field, ValidationError, computed_field, field_validator


@dataclass
class Person:
    name: str
    age: int


class Even(BaseModel):
    number: int

    @field_validator("number")
    @classmethod
    def is_even(cls, number: int) -> int:
        if number % 2:
            raise ValueError("odd")
        return number


class Picky(BaseModel):
    name: str

    @field_validator("name")
    @classmethod
    def is_known(cls, name: str) -> str:
        return {"Mia": "Mia"}[name]


class Plot(BaseModel):
    model_config = ConfigDict(extra="forbid")
    w: int
    h: int

    @computed_field
    @property
    def area(self) -> int:
        return self.w * self.h


class Bill(BaseModel):
    total: Decimal
    tips: dict[str, Decimal | None] = {"Al": Decimal(1)}


class Strict(BaseModel):
    model_config = ConfigDict(strict=True)
    day: date
    n: int


class Renamed(BaseModel):
    name: str = Field(validation_alias="the name")


def bound(**options):
    return Sampling(**options).constraint


SCHEMA = {"type": "object"}
WHOLE = [
    ({"schema": SCHEMA}, '{"a": [1]}', {"a": [1]}),
    ({"schema": {"type": "integer"}}, "12", 12),
    ({"schema": {"type": "null"}}, "null", None),
    ({"schema": Person}, '{"name": "Mia", "age": 7}', Person("Mia", 7)),
    ({"schema": Even}, '{"number": 2}', Even(number=2)),
    ({"schema": list[int]}, " [1, 2]\n", [1, 2]),
    ({"choices": ["yes", "no"]}, "no", "no"),
    ({"regex": "[0-9]+"}, "12", "12"),
    ({"grammar": 'start: "a"'}, "a", "a"),
]


@pytest.mark.parametrize(("options", "text", "value"), WHOLE)
def test_a_whole_answer_is_what_was_asked_for(options, text, value):
    assert judged(bound(**options), text, "stop") == ("stop", value)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"schema": SCHEMA}, '{"a": [1]}'),
        ({"schema": Person}, '{"name": "Mia", "age": 7}'),
        ({"schema": list[int]}, "[1]"),
        ({"schema": {"type": "string"}}, '"a"'),
        ({"schema": {"type": "boolean"}}, "true"),
        ({"schema": {"type": "null"}}, "null"),
        ({"choices": ["yes", "no"]}, "yes"),
    ],
)
def test_an_answer_to_which_nothing_can_be_added_was_not_cut_by_its_limit(options, text):
    reason, value = judged(bound(**options), text, "length")
    assert reason == "stop"
    assert value == form_of(bound(**options)).read(text)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"schema": SCHEMA}, '{"a": [1'),
        ({"schema": Person}, '{"name": "Mia", "age": 7'),
        ({"schema": {"type": "integer"}}, "12"),  # of 123, perhaps
        ({"schema": float}, "1.5"),
        ({"schema": SCHEMA}, ""),
        ({"choices": ["yes", "yes, of course"]}, "yes"),
        ({"choices": ["yes", "no"]}, "ye"),
        ({"regex": "[0-9]+"}, "12"),
        ({"grammar": 'start: "a"+'}, "a"),
    ],
)
def test_an_answer_that_was_cut_is_an_error_of_every_kind(options, text):
    with pytest.raises(IncompleteAnswer, match="cut before it was whole") as caught:
        judged(bound(**options), text, "length")
    assert caught.value.reason == "length"
    assert "max_tokens" in caught.value.hint
    assert not caught.value.retryable


@pytest.mark.parametrize("reason", ["stop_sequence", "content_filter"])
def test_whatever_cuts_an_answer_is_named(reason):
    with pytest.raises(IncompleteAnswer, match=reason) as caught:
        judged(bound(schema=SCHEMA), '{"a"', reason)
    assert caught.value.reason == reason


def test_a_stop_string_may_end_what_only_the_engine_knows_the_grammar_of():
    assert judged(bound(regex="ab+c"), "abb", "stop_sequence") == ("stop_sequence", "abb")
    assert judged(bound(schema=SCHEMA), "{}", "stop_sequence") == ("stop_sequence", {})


def test_a_model_that_asks_for_tools_gives_no_answer():
    assert judged(bound(schema=SCHEMA), "", "tool_calls") == ("tool_calls", None)


@pytest.mark.parametrize(
    ("options", "text", "words", "cause"),
    [
        ({"schema": SCHEMA}, "Sure!", "Expecting value", ValueError),
        ({"schema": SCHEMA}, "[NaN]", "NaN is not JSON", ValueError),
        ({"schema": Even}, '{"number": 3}', "number: Value error, odd", ValidationError),
        ({"schema": Person}, '{"name": 5}', "name: .*string; age: Field req", ValidationError),
        ({"schema": Person}, '{"na', "Invalid JSON", ValidationError),
        ({"schema": Picky}, '{"name": "Ben"}', "Ben", KeyError),
        ({"choices": ["yes", "no"]}, "maybe", "it is none of 'yes', 'no'", ValueError),
    ],
)  # fmt: skip
def test_an_answer_of_another_form_is_an_error_with_the_reason(options, text, words, cause):
    with pytest.raises(InvalidAnswer, match=words) as caught:
        judged(bound(**options), text, "stop")
    assert isinstance(caught.value.__cause__, cause)


def test_a_long_answer_is_not_told_whole():
    with pytest.raises(InvalidAnswer) as caught:
        judged(bound(schema=SCHEMA), "x" * 9000, "stop")
    assert len(str(caught.value)) < 400
    with pytest.raises(IncompleteAnswer) as cut:
        judged(bound(schema=SCHEMA), '{"a": "' + "x" * 9000, "length")
    assert len(str(cut.value)) < 400


@pytest.mark.parametrize(
    ("options", "value", "text"),
    [
        ({"schema": Person}, Person("Mia", 7), '{"name": "Mia", "age": 7}'),
        ({"schema": Person}, {"name": "Zoë", "age": "7"}, '{"name": "Zoë", "age": 7}'),
        ({"schema": Plot}, Plot(w=2, h=3), '{"w": 2, "h": 3}'),
        ({"schema": Plot}, {"w": 2, "h": 3}, '{"w": 2, "h": 3}'),
        ({"schema": Strict}, Strict(day=date(2026, 1, 2), n=1), '{"day": "2026-01-02", "n": 1}'),
        ({"schema": Strict}, {"day": "2026-01-02", "n": 1}, '{"day": "2026-01-02", "n": 1}'),
        ({"schema": list[Decimal]}, [Decimal("1.50"), 2, Decimal(0)], "[1.5, 2, 0]"),
        ({"schema": Bill}, Bill(total=Decimal("9.5")), '{"total": 9.5, "tips": {"Al": 1}}'),
        ({"schema": Decimal}, Decimal("0.12345678901234567890"), '"0.12345678901234567890"'),
        ({"schema": Renamed}, {"the name": "Mia"}, '{"the name": "Mia"}'),
        ({"schema": SCHEMA}, {"a": ["é", None]}, '{"a": ["é", null]}'),
        ({"schema": {"multipleOf": 0.01}}, 4.35, "4.35"),
        ({"choices": ["yes", "no"]}, "yes", "yes"),
        ({"regex": "[0-9]+"}, "12", "12"),
        ({"regex": r"\p{L}+"}, "abc", "abc"),  # of another dialect than Python's
        ({"grammar": 'start: "a"'}, "a", "a"),
        ({}, "free", "free"),
    ],
)
def test_a_value_is_written_as_a_model_would_answer(options, value, text):
    assert form_of(bound(**options)).write(value) == text


@pytest.mark.parametrize(
    ("options", "value"),
    [
        ({"schema": Person}, {"name": "Mia"}),
        ({"schema": Strict}, {"day": "2026-01-02", "n": "1"}),
        ({"schema": Person}, '{"name": "Mia", "age": 7}'),
        ({"schema": SCHEMA}, [1]),
        ({"schema": SCHEMA}, {1, 2}),
        ({"schema": SCHEMA}, {"a": float("nan")}),
        ({"schema": {"$ref": "http://127.0.0.1:9/x"}}, {}),
        ({"choices": ["yes", "no"]}, "maybe"),
        ({"choices": ["yes", "no"]}, 5),
        ({"regex": "[0-9]+"}, "a"),
        ({}, 5),
    ],
)
def test_a_value_of_another_form_is_not_written(options, value):
    with pytest.raises(Exception, match=r"."):
        form_of(bound(**options)).write(value)
