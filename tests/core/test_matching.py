"""Whether texts are matched, and data is valid: by all that engines are bound to, and soon."""

from __future__ import annotations

import json
import time

import pytest
from penstock.matching import is_found, is_matched, validator


@pytest.mark.parametrize(
    ("regex", "text", "expected"),
    [
        ("[0-9]+", "12", True),
        ("[0-9]+", "12\n", False),
        ("^a$|^b$", "b", True),
        ("a|b", "ab", False),
        ("(?i)abc", "ABC", True),
        ("(?x)a # b", "a", True),
        ("(?x)a # b", "c", False),
        ("[[:alpha:]]+", "abc", True),  # of Rust's dialect, and another thing in Python's
        ("[a-z&&[^b]]+", "abc", False),
        (r"\p{L}+", "é", True),
        ("(?=a)[a-z]+", "abc", True),  # of Python's
        ("(?i)(?=a)[a-z]+", "bc", False),
        ("((", "x", True),  # of nobody's
    ],
)
def test_an_expression_of_either_dialect_matches_the_whole(regex, text, expected):
    assert is_matched(regex, text) is expected


def test_an_expression_is_found_anywhere():
    assert is_found("b+", "abc")
    assert is_found("(?=b)", "abc")
    assert not is_found("^b", "abc")
    assert is_found("((", "abc")


def test_a_text_that_almost_matches_is_refused_at_once():
    begun = time.perf_counter()
    text = "a" * 5000
    assert not is_matched("(a|aa)+b", text)
    assert not validator('{"pattern": "^(a|aa)+b$"}').is_valid(text)
    assert time.perf_counter() - begun < 5


PAIR = [{"type": "integer"}, {"type": "string"}]
OF_2019 = "https://json-schema.org/draft/2019-09/schema"


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"multipleOf": 0.01}, [4.35, 19.99, 5, 1e300, "x", True], [0.001, float("inf")]),
        ({"multipleOf": 0.1}, [0.3, 1e20], [0.35]),
        ({"multipleOf": 3}, [9, 9.0, 10**400 * 3], [10]),
        ({"pattern": r"^\p{L}+$"}, ["é", 5], ["é5", ""]),
        ({"pattern": "^[[:alpha:]]+$"}, ["ab"], ["5"]),
        ({"pattern": "^(?=a)"}, ["ab"], ["ba"]),
        ({"prefixItems": PAIR}, [[1, "a"]], [["a"]]),
        ({"items": PAIR}, [[1, "a"], [1, "a", 5]], [["a"]]),  # of draft 7 and those before it
        ({"items": PAIR, "$schema": OF_2019}, [[1, "a"]], [["a"]]),
        ({"minimum": 3, "exclusiveMinimum": True}, [4], [3]),  # of draft 4
        ({"const": 1, "$schema": 5}, [1], [2]),
    ],
)
def test_a_schema_of_any_draft_is_read_as_it_is_meant(schema, good, bad):
    checker = validator(json.dumps(schema))
    assert [value for value in good if not checker.is_valid(value)] == []
    assert [value for value in bad if checker.is_valid(value)] == []


def test_what_is_wrong_is_told_with_its_place():
    schema = {"properties": {"a": {"multipleOf": 0.5}, "b": {"pattern": "^x"}}}
    errors = validator(json.dumps(schema)).iter_errors({"a": 0.3, "b": "y"})
    assert [(error.json_path, error.message) for error in errors] == [
        ("$.a", "0.3 is not a multiple of 0.5"),
        ("$.b", "'y' does not match '^x'"),
    ]
