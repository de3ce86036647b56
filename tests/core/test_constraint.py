"""Constraints: which there are, how they are written, and that an answer follows one of them."""

from __future__ import annotations

from types import MappingProxyType

import pytest
from penstock.constraint import Constraint, schema_text
from penstock.errors import UsageError
from penstock.request import Sampling

YES_OR_NO = 'start: "yes" | "no"'


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"schema": {"type": "null"}}, Constraint("json_schema", '{"type": "null"}')),
        ({"schema": ' {"type":"null"} '}, Constraint("json_schema", ' {"type":"null"} ')),
        ({"schema": MappingProxyType({})}, Constraint("json_schema", "{}")),
        ({"regex": "a+"}, Constraint("regex", "a+")),
        ({"choices": ["yes", "no"]}, Constraint("choices", ("yes", "no"))),
        ({"grammar": YES_OR_NO}, Constraint("grammar", YES_OR_NO)),
        ({}, None),
        ({"schema": None, "regex": None}, None),
    ],
)
def test_an_option_makes_a_constraint(options, expected):
    assert Sampling(**options).constraint == expected


def test_a_schema_that_changes_later_does_not_change_what_was_asked():
    schema = {"enum": ["a"]}
    sampling = Sampling(schema=schema)
    schema["enum"].append("b")
    assert sampling.constraint == Constraint("json_schema", '{"enum": ["a"]}')


def test_options_with_a_constraint_can_be_compared_and_hashed():
    one, other = Sampling(schema={"type": "null"}), Sampling(schema='{"type": "null"}')
    assert one == other
    assert hash(one) == hash(other)


@pytest.mark.parametrize("value", [(), {"yes", "no"}, ["yes", ""], {"yes": 1}.keys()])
def test_what_is_no_list_of_choices_is_told_that_it_must_be_one(value):
    with pytest.raises(UsageError, match="a list of one or more strings, none of them empty"):
        Sampling(choices=value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("schema", ""),
        ("schema", "{"),
        ("schema", "[]"),
        ("schema", "true"),
        ("schema", True),
        ("schema", [("type", "null")]),
        ("schema", {"enum": [{1, 2}]}),
        ("schema", {"minimum": float("nan")}),
        ("regex", ""),
        ("regex", 5),
        ("choices", ()),
        ("choices", "yes"),
        ("choices", ["yes", ""]),
        ("choices", ["yes", 1]),
        ("choices", 3),
        ("grammar", ""),
        ("grammar", b"start"),
    ],
)
def test_a_value_that_is_none_is_refused_by_name(name, value):
    with pytest.raises(UsageError, match=f"^{name} is .*It must be "):
        Sampling(**{name: value})


def test_a_schema_nested_too_deep_is_refused():
    schema: dict[str, object] = {}
    for _ in range(100_000):
        schema = {"items": schema}
    with pytest.raises(UsageError, match="no JSON schema: maximum recursion"):
        schema_text(schema)
    while schema:  # taken apart from the outside: freeing it whole would recurse too
        schema = schema.pop("items")


@pytest.mark.parametrize(
    "names", [("schema", "regex"), ("regex", "choices"), ("choices", "grammar")]
)
def test_two_constraints_are_refused_and_both_are_named(names):
    values = {"schema": {}, "regex": "a", "choices": ("a",), "grammar": YES_OR_NO}
    with pytest.raises(UsageError, match=f"^{' and '.join(names)} are both set"):
        Sampling(**{name: values[name] for name in names})


def test_a_constraint_takes_the_place_of_another_kind():
    base = Sampling(schema={}, temperature=0.5)
    assert Sampling(regex="a").over(base) == Sampling(regex="a", temperature=0.5)
    assert Sampling(schema={"type": "null"}).over(base).constraint == Constraint(
        "json_schema", '{"type": "null"}'
    )


def test_a_constraint_of_the_base_holds_where_a_call_sets_none():
    base = Sampling(choices=("a", "b"))
    assert Sampling(temperature=1).over(base) == Sampling(choices=("a", "b"), temperature=1)


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("grammar", 'root ::= "a"', True),
        ("grammar", '# a comment\nws ::= " "\nroot ::= ws', True),
        ("grammar", YES_OR_NO, False),
        ("grammar", 'start: "::="', False),
        ("grammar", "%llguidance {}\nstart: x\nx: /a ::= b/", False),
        ("regex", "root ::= x", False),
    ],
)
def test_the_notation_of_a_grammar_is_recognised(kind, text, expected):
    assert Constraint(kind, text).is_gbnf is expected
